/**
 * playwright-core: drives Chromium. A package of the tests is named here and not in `deno.json`, because every task downloads what that names.
 *
 * @module
 */

export { chromium } from "npm:playwright-core@^1.60.0";
