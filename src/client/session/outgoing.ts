/**
 * What the application wants to send, looked at before it is taken: what the server could not even answer is refused
 * here.
 *
 * @module
 */

import { isId, isJson, MAX_PAYLOAD_DEPTH, type Payload } from "../../protocol/core.ts";
import { SkeinError } from "../errors.ts";

/**
 * A copy of a payload, as the server will read it: what the application changes later is not sent. Throws SkeinError
 * `bad_argument` for what is no JSON (bytes may stand directly in the payload), and for an `id` that is none.
 */
export function checkedPayload(payload: Payload, id: string | undefined): Payload {
  if (id !== undefined && !isId(id)) throw bad("id: 1 to 64 printable ASCII characters without spaces");
  const copy: [string, unknown][] = [];
  for (const [key, value] of Object.entries(payload)) {
    if (key === "__proto__") throw bad("no field may be called __proto__");
    if (value !== undefined) {
      copy.push([key, typeof value === "object" ? checked(key, value) : scalar(key, value)]);
    }
  }
  return Object.fromEntries(copy);
}

function scalar(key: string, value: unknown): unknown {
  if (typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) return value;
  throw bad(`${key}: cannot be sent`);
}

function checked(key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return value;
  let copy: unknown;
  try {
    copy = JSON.parse(JSON.stringify(value));
  } catch (cause) {
    throw bad(`${key}: cannot be written as JSON`, cause);
  }
  if (isJson(copy, MAX_PAYLOAD_DEPTH)) return copy;
  throw bad(`${key}: JSON with at most ${MAX_PAYLOAD_DEPTH} levels and without keys __proto__`);
}

function bad(text: string, cause?: unknown): SkeinError {
  return new SkeinError("bad_argument", text, { cause });
}
