/**
 * Updates of Yjs that are too large to be sent at once, in pieces. Pure.
 *
 * @module
 */

import * as Y from "yjs";
import { joined } from "../documents/groups.ts";
import { writeVarint } from "./known.ts";

type Struct = ReturnType<typeof Y.decodeUpdate>["structs"][number];

/** Changes of one Yjs client. */
interface Run {
  readonly client: number;
  readonly clock: number;
  readonly structs: Uint8Array[];
}

/** Bytes before the changes of a client, at most, and around all of them. */
const AROUND = 32;

/**
 * The first piece of an update, an update by itself: of so many bytes, or the least that can be taken from it. The update
 * itself when all of it is taken. What is left is the difference to what has the piece; deletions are in the last one.
 */
export function beginning(update: Uint8Array, limit: number): Uint8Array {
  if (update.length <= limit) return update;
  const runs: Run[] = [];
  let size = AROUND;
  for (const struct of Y.decodeUpdate(update).structs) {
    const { client, clock } = struct.id, { length } = struct;
    const bytes = shortened(struct, limit - size - AROUND);
    size += AROUND + bytes.length;
    if (size > limit && runs.length > 0) break;
    const run = runs.at(-1);
    if (run?.client === client) run.structs.push(bytes);
    else runs.push({ client, clock, structs: [bytes] });
    // What comes after it would leave a gap.
    if (struct.length < length) break;
  }
  // They are all deletions, which are not cut.
  if (runs.length === 0) return update;
  const body = runs.flatMap(({ client, clock, structs }) => [
    new Uint8Array([...varint(structs.length), ...varint(client), ...varint(clock)]),
    ...structs,
  ]);
  return joined([new Uint8Array(varint(runs.length)), ...body, new Uint8Array([0])]);
}

/** A change as it stands in an update, and no more of it than fits `room`; the least of it when nothing fits. */
function shortened(struct: Struct, room: number): Uint8Array {
  let bytes = written(struct);
  while (bytes.length > room && struct.length > 1 && struct instanceof Y.Item) {
    const { content, length } = struct;
    let at = Math.max(1, Math.min(length - 1, Math.floor(length * room / bytes.length)));
    // Yjs replaces both halves of a character that is cut in two.
    if (content instanceof Y.ContentString && isHighSurrogate(content.str, at - 1)) at += at > 1 ? -1 : 1;
    if (at === length) break;
    content.splice(at);
    struct.length = at;
    bytes = written(struct);
  }
  return bytes;
}

function written(struct: Struct): Uint8Array {
  const encoder = new Y.UpdateEncoderV1();
  struct.write(encoder, 0);
  return encoder.toUint8Array();
}

function isHighSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xd800 && code <= 0xdbff;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  writeVarint(bytes, value);
  return bytes;
}
