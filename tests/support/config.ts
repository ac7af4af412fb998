/**
 * Configurations for tests.
 *
 * @module
 */

import * as v from "valibot";
import { type Config, ConfigSchema } from "../../src/service/config/schema.ts";

/** What a configuration file may hold. */
export type ConfigInput = v.InferInput<typeof ConfigSchema>;

/** The configuration when nothing is configured. */
export function defaultConfig(): Config {
  return v.parse(ConfigSchema, {});
}
