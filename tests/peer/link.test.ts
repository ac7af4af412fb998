/** What a link does with a path that carries checks and nothing else: only copies by another path reach the peer. */

import assert from "node:assert/strict";
import { deadline, delay } from "../../src/async/deadline.ts";
import type { PeerConnection, PeerNode } from "../../src/peer/mod.ts";
import type { DatagramListener, DatagramSocket } from "../../src/peer/ports.ts";
import { ATTRIBUTE, attributeOf, decodeStun } from "../../src/peer/stun/message.ts";
import { SignallingHub } from "./support.ts";

/** Networks in memory that all hosts are on, each with one address. Both sides prefer the first: it is faster. */
const NETWORKS = ["192.0.2", "198.51.100"] as const;
const DELAYS: Record<string, number> = { [NETWORKS[0]]: 1, [NETWORKS[1]]: 15 };

/** Who hears what, and the network that carries checks alone. */
interface Networks {
  readonly listeners: Map<number, DatagramListener>;
  blocked?: (typeof NETWORKS)[number];
  /** On which networks a host has said that it hears nothing. */
  readonly silences: string[];
}

/** The socket of one host, on all networks. */
function socketOf(host: number, net: Networks): DatagramSocket {
  return {
    address: { hostname: "0.0.0.0", port: 1 },
    send(bytes, to) {
      const [network, other] = [to.hostname.replace(/\.\d+$/, ""), Number(to.hostname.split(".").at(-1))];
      const message = decodeStun(bytes);
      if (message === undefined && network === net.blocked) return;
      if (message !== undefined && attributeOf(message, ATTRIBUTE.silence) !== undefined) {
        net.silences.push(network);
      }
      const copy = bytes.slice();
      const arrive = (): void => {
        void net.listeners.get(other)?.(copy, { hostname: `${network}.${host}`, port: 1 });
      };
      setTimeout(arrive, DELAYS[network]);
    },
    onDatagram: (listener) => void net.listeners.set(host, listener),
    close: () => void net.listeners.delete(host),
  };
}

/** Sends back what comes on streams. */
async function echo({ current }: PeerConnection): Promise<void> {
  for await (const stream of current!.incomingBidirectionalStreams) {
    void stream.readable.pipeTo(stream.writable).catch(() => {});
  }
}

Deno.test("peer link: what a path no longer carries goes by another one, in both directions", async () => {
  const hub = new SignallingHub();
  const net: Networks = { listeners: new Map(), silences: [] };
  const open = (host: number): Promise<PeerNode> =>
    hub.peer({
      openSocket: ({ hostname }) => {
        if (hostname === "::") throw new Error("no IPv6 here");
        return socketOf(host, net);
      },
      interfaces: () => NETWORKS.map((network) => `${network}.${host}`),
      onIncoming: (connection) => void echo(connection).catch(() => {}),
    });
  const [ann, bob] = [await open(1), await open(2)];
  try {
    const connection = ann.connect(bob.id);
    const stream = await (await connection.ready()).openBidirectionalStream();
    const trip = async (text: string): Promise<void> => {
      await stream.write(new TextEncoder().encode(text));
      const late = (): Error => new Error(`no answer by ${connection.path?.remote.hostname}`);
      const answer = await deadline(stream.readExact(text.length), 30_000, late);
      assert.equal(new TextDecoder().decode(answer), text);
    };
    await trip("before");
    const paths = (): unknown[] =>
      [connection, bob.connections.get(ann.id)!].map(({ path }) => path?.remote.hostname);
    for (let i = 0; i < 1_500 && paths().join() !== `${NETWORKS[0]}.2,${NETWORKS[0]}.1`; i++) await delay(20);
    // Each side is heard by the path that the other one uses.
    await trip("on the faster one");
    net.blocked = NETWORKS[0];
    let left = false;
    // Its checks are answered, so it is tried again later.
    connection.on({ path: (path) => left ||= path?.remote.hostname === `${NETWORKS[1]}.2` });
    for (let i = 0; i < 20; i++) await trip(`after ${i}`);
    assert.ok(left);
    assert.equal(net.silences[0], NETWORKS[1]);
  } finally {
    await Promise.all([ann.close(), bob.close()]);
  }
});
