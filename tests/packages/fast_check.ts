/**
 * fast-check: property tests. A package of the tests is named here and not in `deno.json`, because every task downloads what that names.
 *
 * @module
 */

import { configureGlobal } from "npm:fast-check@^4.0.0";

// Otherwise `maxLength: 120` hardly ever makes more than ten of something.
configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

export * from "npm:fast-check@^4.0.0";
export { default } from "npm:fast-check@^4.0.0";
