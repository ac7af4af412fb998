/**
 * fast-check: property tests. A package of the tests is named here and not in `deno.json`, because every task downloads what that names.
 *
 * @module
 */

export * from "npm:fast-check@^4.0.0";
export { default } from "npm:fast-check@^4.0.0";
