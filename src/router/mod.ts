/**
 * Message type to handler, middleware, and the context handlers see.
 *
 * @module
 */

export { checkArrival, Router } from "./router.ts";
export { ClientStates } from "./states.ts";
export type * from "./types.ts";
