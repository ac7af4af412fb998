/**
 * `doc_open`: sends the newest snapshot and the operations after it, or only what the client missed.
 *
 * @module
 */

import { settles } from "../async/deadline.ts";
import type { Position } from "../engine/contract.ts";
import type { Hub, Subscribed } from "../hub/mod.ts";
import {
  type DocOpen,
  type DocOpened,
  Encoded,
  type Payload,
  ProtocolError,
  uuidv7,
} from "../protocol/mod.ts";
import type { Context } from "../router/types.ts";
import type { OutgoingSnapshot, OutgoingSnapshots } from "./documents_outgoing.ts";
import type { DocumentState } from "./documents_state.ts";

/** Attempts to open a document while new snapshots drop the operations that were about to be read. */
const ATTEMPTS = 4;

/** What opening a document needs. */
export interface OpenParts {
  readonly hub: Hub;
  readonly outgoing: OutgoingSnapshots;
  /** Bytes of a part of a snapshot. */
  readonly partSize: number;
  /** Milliseconds a client may take to make room for the next part. */
  readonly patience: number;
}

/** Opens a document and answers. Rejects with ProtocolError; then it is not open, unless it was and nothing was changed yet. */
export async function openDocument(
  parts: OpenParts,
  context: Context,
  asked: DocOpen,
  document: DocumentState,
): Promise<void> {
  const { client, lane } = context;
  let joined: Subscribed | undefined;
  const join = async (from: Position) =>
    joined = await parts.hub.subscribe(client, asked.channel, lane, from);
  try {
    await open(parts, context, asked, document, join);
  } finally {
    joined?.abandon();
  }
}

async function open(
  parts: OpenParts,
  context: Context,
  { channel, since }: DocOpen,
  document: DocumentState,
  join: (from: Position) => Promise<Subscribed>,
): Promise<void> {
  const { hub, outgoing } = parts;
  const { client } = context;
  const opening = ++document.opening;
  const answer = (opened: Omit<DocOpened, "channel">) => {
    if (document.opening !== opening) {
      throw new ProtocolError("not_available", "opened again before the answer came");
    }
    context.reply("doc_opened", { channel, ...opened });
  };
  if (since !== undefined) {
    const { state, start } = await join(since);
    if (state.recovered) {
      answer({ ...state, start: since.offset });
      return start();
    }
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const snapshot = await outgoing.take(channel);
    try {
      const { epoch } = await hub.position(channel);
      // The snapshot of an earlier epoch outlived the loss of the history: all of this epoch comes after it.
      const from = snapshot?.kept.epoch === epoch ? snapshot.kept.offset : 0;
      const { state, start } = await join({ epoch, offset: from });
      if (!state.recovered) {
        outgoing.renew(channel);
        continue;
      }
      const count = snapshot?.parts(parts.partSize).length ?? 0;
      const size = snapshot?.size ?? 0;
      answer({
        epoch,
        offset: state.offset,
        start: from,
        recovered: false,
        ...(count === 0 ? {} : { snapshot: { offset: from, size, parts: count } }),
      });
      const isOn = () => document.opening === opening && hub.isOn(client, channel);
      const at = { channel, epoch, offset: from };
      if (snapshot !== undefined && !await send(parts, context, snapshot, at, isOn)) return;
      return start();
    } finally {
      outgoing.release(channel, snapshot);
    }
  }
  throw new ProtocolError("not_available", "snapshots come faster than the document can be read");
}

/** Sends a snapshot as fast as the client takes it. False: the client has left, or takes nothing. */
async function send(
  { hub, partSize, patience }: OpenParts,
  { client, lane }: Context,
  snapshot: OutgoingSnapshot,
  at: Payload & { channel: string },
  isOn: () => boolean,
): Promise<boolean> {
  const say = (type: string, payload: Payload) =>
    client.send(new Encoded({ type, id: uuidv7(), timestamp: Date.now(), payload }), lane);
  const all = snapshot.parts(partSize);
  for (const [part, { data, checksum }] of all.entries()) {
    const ready = client.ready();
    const hasRoom = ready === undefined || await settles(ready, patience);
    if (!isOn()) return false;
    if (!hasRoom) {
      // A snapshot in memory is not kept for a client that does not read. It may open the document again.
      hub.unsubscribe(client, at.channel);
      say("unsubscribed", { channel: at.channel, reason: "not_available" });
      return false;
    }
    say("doc_snapshot", { ...at, part, parts: all.length, data, checksum });
  }
  return true;
}
