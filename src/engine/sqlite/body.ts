/**
 * What is kept of a message, as text.
 *
 * @module
 */

import type { Payload } from "../../protocol/mod.ts";
import type { NewRecord } from "../contract.ts";

/** What a body says. Bytes are base64 in the payload; a fifth element names them. */
export type Body = [type: string, id: string, from: string, payload: Payload, bytes?: string[]];

/** The text of a message. Throws TypeError for what JSON cannot hold. */
export function bodyOf({ type, id, from, payload }: Omit<NewRecord, "timestamp">): string {
  for (const key in payload) {
    if (payload[key] instanceof Uint8Array) return bodyWithBytes([type, id, from, payload]);
  }
  return JSON.stringify([type, id, from, payload]);
}

/** Bytes stand directly in a payload, never deeper. */
function bodyWithBytes([type, id, from, payload]: Body): string {
  const bytes: string[] = [];
  const text: Payload = {};
  for (const [key, value] of Object.entries(payload)) {
    if (value instanceof Uint8Array) bytes.push(key);
    text[key] = value instanceof Uint8Array ? value.toBase64() : value;
  }
  return JSON.stringify([type, id, from, text, bytes]);
}

/** The message that `bodyOf` made a text of. */
export function parseBody(text: string): Body {
  const body: Body = JSON.parse(text);
  for (const key of body[4] ?? []) body[3][key] = Uint8Array.fromBase64(body[3][key] as string);
  return body;
}
