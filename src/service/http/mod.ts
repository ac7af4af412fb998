/**
 * HTTP: the app and its listener.
 *
 * @module
 */

export type { ConnectionState, DevTokenRequest } from "./deps.ts";
export { originAllowed } from "./origin.ts";
