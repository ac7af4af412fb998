/**
 * Message type to handler, middleware, and the context handlers see.
 *
 * @module
 */

export { checkArrival, Router } from "./router.ts";
export type * from "./types.ts";
