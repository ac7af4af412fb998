/**
 * `doc_snapshot`: the state of a document after all operations up to an offset, in parts. Once it is kept, the operations
 * it covers are dropped but for the last ones, with which a client that was away gets only what it missed.
 *
 * @module
 */

import { type Hub, refusePublish } from "../hub/mod.ts";
import type { Position } from "../engine/contract.ts";
import { crc32, parsePayload, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import { needDocument, refuse } from "./checks.ts";
import type { DocumentLimits } from "./contract.ts";
import { Assemblies } from "./documents_assembly.ts";

/** The name of a document's snapshot beside its channel. */
export const SNAPSHOT = "snapshot";
const MAX_ASSEMBLING = 256 * 1024 * 1024;

/** What taking snapshots needs. */
export interface SnapshotParts {
  readonly hub: Hub;
  readonly limits: () => DocumentLimits;
  /** Called when a snapshot covers all operations up to `at`. */
  covered(channel: string, at: Position): void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Bytes of all unfinished snapshots on this node. @default 268435456 */
  readonly maxAssembling?: number;
}

/** The route of snapshots. */
export function snapshotRoute(
  { hub, limits, covered, now, maxAssembling = MAX_ASSEMBLING }: SnapshotParts,
): Route {
  const assemblies = new Assemblies();
  return {
    type: "doc_snapshot",
    handler: async (context) => {
      const message = parsePayload("doc_snapshot", context.message.payload);
      const { channel, epoch, offset, part, parts } = message;
      const { client } = context;
      needDocument(channel);
      refuse(refusePublish(client.principal, channel, hub.namespace));
      if (crc32(message.data) !== message.checksum) throw new ProtocolError("checksum_mismatch");
      // Nothing before this line waits, so parts stay in order.
      const { chunks, size } = assemblies.take(client, message, now(), {
        maxSnapshot: limits().maxSnapshot,
        maxAssembling,
      });
      const isLast = part === parts - 1 && chunks.length === parts;
      if (isLast) assemblies.drop(client);
      try {
        const end = await hub.position(channel);
        if (end.epoch !== epoch) throw new ProtocolError("wrong_epoch");
        if (offset === 0 || offset > end.offset) {
          throw new ProtocolError("unknown_offset", "a snapshot is at the offset of an operation");
        }
        const before = await hub.checkpoints.get(channel, SNAPSHOT);
        if (before !== undefined && before.epoch === epoch && before.offset >= offset) {
          assemblies.drop(client);
          return context.reply("doc_snapshot_ack", { channel, offset, part, kept: false });
        }
      } catch (error) {
        assemblies.drop(client);
        throw error;
      }
      if (!isLast) return context.reply("doc_snapshot_ack", { channel, offset, part });
      const kept = await hub.checkpoints.advance(channel, SNAPSHOT, {
        epoch,
        offset,
        data: joined(chunks, size),
      });
      const isKept = kept.epoch === epoch && kept.offset === offset;
      if (isKept) {
        covered(channel, kept);
        await hub.trim(channel, offset, hub.settings(channel)?.retention.size ?? 0);
      }
      context.reply("doc_snapshot_ack", { channel, offset, part, kept: isKept });
    },
  };
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
