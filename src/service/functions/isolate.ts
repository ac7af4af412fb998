/**
 * What the program is when it was started as an isolate. It loads nothing of the service: an isolate has to start fast.
 *
 * @module
 */

export { ISOLATE_COMMAND } from "../../functions/child/exits.ts";
export { supervise } from "../../functions/child/supervisor.ts";
