/**
 * The hook of operations: it keeps their order for each connection, bounds what no snapshot covers, and ends operations
 * in parts of which no more comes.
 *
 * @module
 */

import { when } from "../async/when.ts";
import type { Position } from "../engine/contract.ts";
import type { Hub, Publication, PublishHook } from "../hub/mod.ts";
import { type DocOp, ProtocolError, uuidv7 } from "../protocol/mod.ts";
import type { DocumentLimits } from "./contract.ts";
import { AROUND_OPERATION, type PendingOperations } from "./documents_pending.ts";
import type { PartialOperations } from "./documents_parts.ts";
import { knownDocument, operationRefused } from "./documents_state.ts";

/** Milliseconds the next part of an operation may take: longer than a session waits for its client. */
const PATIENCE = 600_000;
/** The same while the document has no room left. */
const PATIENCE_WHEN_FULL = 30_000;

/** What the hook needs. */
export interface DocumentHookParts {
  readonly hub: Hub;
  readonly pending: PendingOperations;
  readonly limits: () => DocumentLimits;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/**
 * Makes the hook. It refuses with `doc_out_of_order`, `doc_full`, `doc_op_too_large` and `doc_op_given_up`, and reserves
 * room for what is being committed. An operation in parts gets room for all of them with its first part, or none.
 */
export function documentHook({ hub, pending, limits, now }: DocumentHookParts): PublishHook {
  const check = (publication: Publication, bytes: number): void | Promise<void> => {
    const { channel, client, id, from } = publication;
    const state = client && knownDocument(client, channel);
    if (state?.awaited !== undefined && state.awaited !== id) throw new ProtocolError("doc_out_of_order");
    const { size, part } = operationOf(publication);
    const partial = pending.partial(channel);
    if (part !== undefined && partial.isGivenUp(from, part.op)) throw new ProtocolError("doc_op_given_up");
    if (part === undefined || part.index === 0 || !partial.isOpen(from, part.op)) {
      const needed = part?.index === 0 ? size + (part.count - 1) * (size + AROUND_OPERATION) : size;
      const { maxPending } = limits();
      if (needed > maxPending) {
        if (part !== undefined) partial.giveUp(from, part.op);
        throw new ProtocolError("doc_op_too_large", `operations have at most ${maxPending} bytes in all`);
      }
      const isFull = bytes + needed > maxPending;
      if (partial.size > 0) endStale(channel, partial, isFull ? PATIENCE_WHEN_FULL : PATIENCE);
      if (isFull) {
        // Now, because the next operation may be checked before it is known whether this one is kept.
        if (client !== undefined) operationRefused(client, channel, id, true);
        return when(pending.find(channel, from, id), (kept) => admitKept(publication, kept));
      }
      if (part?.index === 0) partial.begin(from, part, size + AROUND_OPERATION, now());
    }
    if (state !== undefined) state.awaited = undefined;
    pending.reserve(channel, size);
  };

  /** What is kept already needs no room: its acknowledgement was lost. Anything else is refused. */
  const admitKept = (publication: Publication, kept: Position | undefined): void => {
    const { channel, client, id } = publication;
    if (kept === undefined) throw new ProtocolError("doc_full");
    publication.kept = kept;
    const state = client && knownDocument(client, channel);
    if (state?.awaited === id) state.awaited = undefined;
    pending.reserve(channel, operationOf(publication).size);
  };

  /** Tells everybody in the document that operations of which no more comes are given up. */
  const endStale = (channel: string, partial: PartialOperations, patience: number): void => {
    for (const { from, op } of partial.stale(now(), patience)) {
      const publish = async () =>
        await hub.publish({
          origin: "service",
          channel,
          type: "doc_op_given_up",
          from,
          id: uuidv7(),
          payload: { op },
        });
      publish().catch(() => partial.keepOn(from, op));
    }
  };

  const release = (publication: Publication, isNew: boolean): void => {
    const { size, part } = operationOf(publication);
    pending.release(publication.channel, size);
    if (!isNew && part?.index === 0) pending.partial(publication.channel).cancel(publication.from, part.op);
  };

  return {
    name: "documents",
    types: ["doc_op"],
    before: (publication) => when(pending.pending(publication.channel), (bytes) => check(publication, bytes)),
    after: (publication, { duplicate }) => release(publication, !duplicate),
    failed: (publication) => release(publication, false),
  };
}

function operationOf({ payload }: Publication): { readonly size: number; readonly part: DocOp["part"] } {
  const { data, part } = payload as Partial<DocOp>;
  return { size: data?.length ?? 0, part };
}
