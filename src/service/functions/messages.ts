/**
 * Messages as functions see them, and what they say of them.
 *
 * @module
 */

import type { Json } from "../../functions/mod.ts";
import type { Publication } from "../../hub/mod.ts";
import { contentOf, type Payload, ProtocolError, readContent } from "../../protocol/mod.ts";
import { userOf } from "./host.ts";

interface Said {
  readonly channel: string;
  readonly type: string;
  readonly id: string;
  readonly from: string;
  readonly payload: Payload;
}

/** A message as functions get it. */
export function messageEvent(when: "before" | "after", { channel, type, id, from, payload }: Said) {
  const { text, data, bytes } = payload;
  const said = typeof text === "string"
    ? { text }
    : data instanceof Uint8Array
    ? { data: data.toBase64(), bytes: true as const }
    : data === undefined
    ? {}
    : { data: data as Json, ...bytes === true ? { bytes: true as const } : {} };
  return { kind: "message" as const, when, channel, type, id, from, ...said };
}

/** Reads what a function says of a message. Throws ProtocolError when it refuses. */
export function verdictOf(value: unknown): Payload | undefined {
  if (value === undefined || value === null) return undefined;
  const { refuse, change } = value as { refuse?: unknown; change?: unknown };
  if (refuse !== undefined) {
    throw new ProtocolError("permission_denied", String(refuse).slice(0, 500));
  }
  if (change === undefined) return undefined;
  const content = readContent(
    typeof change === "string" ? { text: change } : change as Record<string, unknown>,
  );
  if (typeof content === "string") {
    throw new ProtocolError("internal", `a function changed a message to: ${content}`);
  }
  return contentOf(content);
}

/** Whether the function itself says it; that something is said to be from it does not count. */
export function isOwn({ origin, from }: Pick<Publication, "origin" | "from">, name: string): boolean {
  return origin === "function" && from === userOf(name);
}
