/**
 * Requests to other servers, which may not lead where they should not.
 *
 * @module
 */

export { type OutboundAnswer, OutboundClient, OutboundError, type OutboundOptions } from "./outbound.ts";
