/**
 * What a peer is told of an error.
 *
 * @module
 */

import { type ErrorName, ERRORS, ProtocolError } from "./errors.ts";

/** An error as peers and callers of the HTTP API get it: the payload of `error`. */
export interface Failure {
  readonly code: number;
  readonly name: ErrorName;
  /** For people; may change. */
  readonly message: string;
  /** Whether the same message or request may succeed later. */
  readonly temporary: boolean;
  /** Milliseconds to wait before that. @default not known */
  readonly retryAfter?: number;
  /** What may have been meant. @default not known */
  readonly suggestions?: readonly string[];
}

/** What a peer is told of an error. Of anything but a ProtocolError it learns only that it is `internal`. */
export function failureOf(error: unknown): Failure {
  const known = error instanceof ProtocolError ? error : undefined;
  const name = known?.error ?? "internal";
  const { code, temporary, text } = ERRORS[name];
  const failure: Failure = { code, name, message: known?.detail ?? text, temporary };
  const { retryAfter, suggestions } = known ?? {};
  return {
    ...failure,
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(suggestions === undefined ? {} : { suggestions }),
  };
}
