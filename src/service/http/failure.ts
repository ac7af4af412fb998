/**
 * Failures as HTTP answers: the protocol's table of errors with the status that fits. Nothing of a stack or of
 * an unforeseen error's text leaves the process.
 *
 * @module
 */

import { type ErrorName, type Failure, failureOf } from "../../protocol/mod.ts";

const STATUS: Readonly<Partial<Record<ErrorName, number>>> = {
  internal: 500,
  unauthorized: 401,
  invalid_token: 401,
  token_expired: 401,
  permission_denied: 403,
  unknown_channel: 404,
  unknown_type: 404,
  unknown_user: 404,
  unknown_bot: 404,
  unknown_file: 404,
  message_too_large: 413,
  rate_limited: 429,
  not_available: 503,
};

/** The HTTP status of an error; 400 where nothing fits better. */
function statusOf(failure: Failure): number {
  return STATUS[failure.name] ?? 400;
}

/** The answer to a request that failed. */
export function failureResponse(error: unknown): Response {
  const failure = failureOf(error);
  return Response.json({ error: failure }, {
    status: statusOf(failure),
    headers: { "cache-control": "no-store" },
  });
}
