/**
 * Requests to other servers, which may not lead where they should not.
 *
 * @module
 */

export { isPublicAddress } from "./addresses.ts";
export {
  type OutboundAnswer,
  OutboundClient,
  OutboundError,
  type OutboundFailure,
  type OutboundOptions,
  type OutboundRequest,
} from "./outbound.ts";
