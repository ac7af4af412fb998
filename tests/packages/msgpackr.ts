/**
 * msgpackr: another implementation of MessagePack, to compare ours with. A package of the tests is named here and not in `deno.json`, because every task downloads what that names.
 *
 * @module
 */

export { Packr, Unpackr } from "npm:msgpackr@^2.0.0/index-no-eval";
