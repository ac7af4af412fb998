/**
 * What a piece makes of the payload of a streamed message: the same in every engine.
 *
 * @module
 */

import { fitsEveryForm, type Payload } from "../protocol/mod.ts";
import type { Grown, Growth, GrowthRefusal, Piece, StoredRecord } from "./contract.ts";

/** What a growth does. Without `change` nothing is written. */
export interface GrowthEffect {
  readonly grown: Grown;
  readonly change?: { readonly payload: Payload; readonly piece: Piece };
}

/** The message as far as it matters here; undefined when none is kept at the target. */
type Kept = Pick<StoredRecord, "from" | "payload"> | undefined;

/** What `growth` does to the message at its target in a channel of `epoch`. */
export function growthOf(kept: Kept, growth: Growth, epoch: string): GrowthEffect {
  const { target, from, at, content, end } = growth;
  if (growth.epoch !== undefined && growth.epoch !== epoch) return refused("epoch");
  if (kept === undefined) return refused("unknown");
  if (kept.from !== from) return refused("foreign");
  const { payload } = kept;
  const { stream } = payload;
  const field = typeof content === "string" ? "text" : "data";
  const value = payload[field];
  if (stream === undefined) return refused("ended");
  if (typeof value !== "string" && !Array.isArray(value)) return refused("kind");
  const { length } = value;
  const isKnown = at + content.length <= length;
  if (stream !== "open") {
    // Its acknowledgement was lost: the end is not to be refused because it took place.
    return isKnown && (end === undefined || end === stream)
      ? { grown: { length } }
      : refused("ended", length);
  }
  if (at > length) return refused("gap", length);
  if (isKnown && end === undefined) return { grown: { length } };
  const added = content.slice(Math.min(content.length, length - at));
  const next: Payload = {
    ...payload,
    [field]: typeof value === "string" ? value + added : [...value, ...added],
    stream: end ?? "open",
  };
  if (added.length > 0 && !fitsEveryForm(next, growth.most)) return refused("size", length);
  const piece: Piece = { target, from, at: length, content: added, ...(end === undefined ? {} : { end }) };
  return { grown: { length: length + added.length }, change: { payload: next, piece } };
}

/** The end of a message whose sender was not heard of; undefined when it is not kept, or over. */
export function interruptionOf(kept: Kept, target: number): GrowthEffect["change"] {
  if (kept?.payload.stream !== "open") return undefined;
  const { from, payload } = kept;
  const value = payload.text ?? payload.data;
  const isText = typeof value === "string";
  return {
    payload: { ...payload, stream: "interrupted" },
    piece: {
      target,
      from,
      at: isText || Array.isArray(value) ? value.length : 0,
      content: isText ? "" : [],
      end: "interrupted",
    },
  };
}

function refused(refused: GrowthRefusal, length = 0): GrowthEffect {
  return { grown: { length, refused } };
}
