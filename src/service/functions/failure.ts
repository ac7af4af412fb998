/**
 * What clients are told when a function fails.
 *
 * @module
 */

import { FunctionError } from "../../functions/mod.ts";
import { ProtocolError } from "../../protocol/mod.ts";

/**
 * The error of the protocol for one of a function. What a handler throws is its own affair: the log has it, the client
 * learns that there was an error.
 */
export function toProtocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (!(error instanceof FunctionError)) return new ProtocolError("internal", undefined, { cause: error });
  switch (error.kind) {
    case "timeout":
      return new ProtocolError("not_available", "the function did not answer in time", { cause: error });
    case "busy":
      return new ProtocolError("not_available", "the function is busy", { retryAfter: 1000, cause: error });
    case "unknown":
      return new ProtocolError("not_available", "there is no such function any more", { cause: error });
    default:
      return new ProtocolError("internal", "the function failed", { cause: error });
  }
}
