/**
 * puppeteer-core: drives Firefox. A package of the tests is named here and not in `deno.json`, because every task downloads what that names.
 *
 * @module
 */

export { default } from "npm:puppeteer-core@^25.0.0";
