/**
 * What pages load beside `skein.js` to edit documents: `dist/skein-yjs.js`.
 *
 * @module
 */

export * from "../yjs.ts";
export { Awareness } from "y-protocols/awareness";
/** The same Yjs as the provider's: there must be no second one on a page. */
export * as Y from "yjs";
