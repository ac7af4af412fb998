/**
 * A peer of the bench, and the line on which two of them exchange signals.
 *
 * @module
 */

import {
  type MeetingServers,
  type PeerConnection,
  PeerIdentity,
  PeerNode,
  type Signal,
} from "../../../src/peer/mod.ts";
import type { Connection } from "../../../src/quic/mod.ts";
import { TextLineStream } from "../lines.ts";

/** What the first byte of a stream asks for. */
export const MODE = { sink: 0, echo: 1 } as const;

/** Opens a peer whose signals go over `conn`. `relayed`: it names no address of its own but the relay's. */
export async function openPeer(
  conn: Deno.TcpConn,
  servers: MeetingServers,
  onIncoming: (connection: PeerConnection) => void = () => {},
): Promise<PeerNode> {
  conn.setNoDelay(true);
  const { identity } = await PeerIdentity.generate();
  const writer = conn.writable.getWriter();
  let take: (from: string, signal: Signal) => void = () => {};
  const read = async (): Promise<void> => {
    for await (const line of conn.readable.pipeThrough(new TextLineStream())) {
      const { from, signal } = JSON.parse(line);
      take(from, signal);
    }
  };
  read().catch(() => {});
  return await PeerNode.open({
    identity,
    onIncoming,
    ...servers.turn.length > 0 ? { interfaces: () => [] } : { interfaces: () => ["127.0.0.1"] },
    signalling: {
      send: async (_, signal) => {
        await writer.write(new TextEncoder().encode(JSON.stringify({ from: identity.id, signal }) + "\n"));
      },
      onSignal: (listener) => void (take = listener),
      servers: () => Promise.resolve(servers),
    },
  });
}

/** Answers streams: counts what comes and says so at its end, or sends it back at once. */
export async function serve(quic: Connection): Promise<void> {
  for await (const stream of quic.incomingBidirectionalStreams) {
    void (async () => {
      const [mode] = await stream.readExact(1);
      let buffer = new Uint8Array(64 * 1024);
      for (let part; (part = await stream.read(buffer)) !== null;) {
        if (mode === MODE.echo) await stream.write(part.slice());
        buffer = new Uint8Array(part.buffer);
      }
      await stream.write(Uint8Array.of(1));
      await stream.end();
    })().catch(() => {});
  }
}
