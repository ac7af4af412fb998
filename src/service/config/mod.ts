/**
 * The configuration: its schema, how it is loaded, watched, compared and shown.
 *
 * @module
 */

export { materialProblems } from "./check.ts";
export { diffConfig, needsRestart } from "./diff.ts";
export { type Flags, isSwitch } from "./flags.ts";
export { defaultConfig, loadConfig, type LoadOptions, type LoadResult } from "./load.ts";
export { MaterialError, readMaterial, readSecret } from "./material.ts";
export { type Problem, problemLine, type Source } from "./problem.ts";
export { type ConfigWatch, type ConfigWatchOptions, watchConfig } from "./reload.ts";
export { type Config, type ConfigInput, ConfigSchema } from "./schema.ts";
export { type FileWatch, watchFile, type WatchOptions } from "./watch.ts";
