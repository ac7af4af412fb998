/**
 * `doc_snapshot`: the state of a document after all operations up to an offset, in parts. Once it is kept, the operations
 * it covers are dropped but for the last ones, with which a client that was away gets only what it missed.
 *
 * @module
 */

import { type Hub, refusePublish } from "../hub/mod.ts";
import type { Position } from "../engine/contract.ts";
import { crc32, type DocSnapshot, parsePayload, ProtocolError } from "../protocol/mod.ts";
import type { Client, Route } from "../router/types.ts";
import { needDocument, refuse } from "./checks.ts";
import type { DocumentLimits } from "./contract.ts";

/** The name of a document's snapshot beside its channel. */
export const SNAPSHOT = "snapshot";
/** Milliseconds the next part may take. */
const PATIENCE = 30_000;
const MAX_ASSEMBLING = 256 * 1024 * 1024;

/** What taking snapshots needs. */
export interface SnapshotParts {
  readonly hub: Hub;
  readonly limits: () => DocumentLimits;
  /** Called when a snapshot covers all operations up to `at`. */
  covered(channel: string, at: Position): void;
  /** Bytes of all unfinished snapshots on this node. @default 268435456 */
  readonly maxAssembling?: number;
}

interface Assembly {
  readonly channel: string;
  readonly epoch: string;
  readonly offset: number;
  readonly parts: number;
  readonly chunks: Uint8Array[];
  size: number;
  /** When the last part came, in milliseconds. */
  at: number;
}

/** The route of snapshots. */
export function snapshotRoute(
  { hub, limits, covered, maxAssembling = MAX_ASSEMBLING }: SnapshotParts,
): Route {
  // One for each connection. What is not finished in time is dropped.
  const assemblies = new Map<Client, Assembly>();
  const drop = (now: number) => {
    for (const [client, { at }] of assemblies) {
      if (now - at > PATIENCE || hub.clientOf(client.sessionId) !== client) assemblies.delete(client);
    }
  };
  const assembling = (): number => {
    let all = 0;
    for (const { size } of assemblies.values()) all += size;
    return all;
  };

  /** Adds a part behind the earlier ones. */
  const take = (client: Client, message: DocSnapshot, now: number): Assembly => {
    const { channel, epoch, offset, part, parts, data } = message;
    let assembly = assemblies.get(client);
    if (part === 0) {
      assembly = { channel, epoch, offset, parts, chunks: [], size: 0, at: now };
      assemblies.set(client, assembly);
    } else if (
      assembly === undefined || assembly.channel !== channel || assembly.epoch !== epoch ||
      assembly.offset !== offset || assembly.parts !== parts || part > assembly.chunks.length
    ) {
      throw new ProtocolError("doc_snapshot_gap");
    }
    // The part came before, and its acknowledgement was lost.
    if (part < assembly.chunks.length) return assembly;
    if (assembly.size + data.length > limits().maxSnapshot) {
      assemblies.delete(client);
      throw new ProtocolError(
        "doc_snapshot_too_large",
        `a snapshot has at most ${limits().maxSnapshot} bytes`,
      );
    }
    if (assembling() + data.length > maxAssembling) {
      assemblies.delete(client);
      throw new ProtocolError("not_available", "too many snapshots at once");
    }
    assembly.chunks.push(data);
    assembly.size += data.length;
    assembly.at = now;
    return assembly;
  };

  return {
    type: "doc_snapshot",
    handler: async (context) => {
      const message = parsePayload("doc_snapshot", context.message.payload);
      const { channel, epoch, offset, part, parts } = message;
      const { client } = context;
      needDocument(channel);
      refuse(refusePublish(client.principal, channel, hub.namespace));
      if (crc32(message.data) !== message.checksum) throw new ProtocolError("checksum_mismatch");
      const now = Date.now();
      drop(now);
      // Nothing before this line waits, so parts stay in order.
      const { chunks, size } = take(client, message, now);
      const isLast = part === parts - 1 && chunks.length === parts;
      if (isLast) assemblies.delete(client);
      try {
        const end = await hub.position(channel);
        if (end.epoch !== epoch) throw new ProtocolError("wrong_epoch");
        if (offset === 0 || offset > end.offset) {
          throw new ProtocolError("unknown_offset", "a snapshot is at the offset of an operation");
        }
        const before = await hub.bookmark(channel, SNAPSHOT);
        if (before !== undefined && before.epoch === epoch && before.offset >= offset) {
          assemblies.delete(client);
          return context.reply("doc_snapshot_ack", { channel, offset, part, kept: false });
        }
      } catch (error) {
        assemblies.delete(client);
        throw error;
      }
      if (!isLast) return context.reply("doc_snapshot_ack", { channel, offset, part });
      const kept = await hub.setBookmark(channel, SNAPSHOT, { epoch, offset, data: joined(chunks, size) });
      const isKept = kept.epoch === epoch && kept.offset === offset;
      if (isKept) {
        covered(channel, kept);
        const tail = hub.settings(channel)?.retention.size ?? 0;
        if (offset > tail) await hub.trim(channel, offset - tail);
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
