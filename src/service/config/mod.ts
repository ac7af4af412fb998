export { type Config, type ConfigInput, ConfigSchema, type Namespace } from "./schema/mod.ts";
