/**
 * The configuration: its schema, how it is loaded, watched, compared and shown.
 *
 * @module
 */

export { type Flags } from "./flags.ts";
export { type Config } from "./schema.ts";
