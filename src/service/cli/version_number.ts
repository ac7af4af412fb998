/**
 * The version of Skein.
 *
 * @module
 */

import manifest from "../../../deno.json" with { type: "json" };

/** The version of the project's manifest. */
export const VERSION: string = manifest.version;
