/**
 * The configuration: its schema, how it is loaded, watched, compared and shown.
 *
 * @module
 */

export { type Config, type ConfigInput, ConfigSchema, type Namespace } from "./schema/mod.ts";
export { defaultConfig, loadConfig, type LoadOptions, type LoadResult } from "./load.ts";
export { type Flags, isSwitch } from "./flags.ts";
export { type Problem, problemLine, type Source } from "./problem.ts";
export { diffConfig, needsRestart } from "./diff.ts";
export {
  developmentCertificate,
  developmentTokens,
  namespaceSettings,
  toSessionSettings,
} from "./session.ts";
