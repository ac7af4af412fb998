/** More networks: IPv6 alone, links with delay and loss, and the fast lane through real NATs. */

import assert from "node:assert/strict";
import { openUdpSocket } from "../../src/peer/udp_socket.ts";
import type { DatagramSocket } from "../../src/peer/ports.ts";
import { testWith } from "../support/needs.ts";
import { LabPeer, Peers } from "./lab.ts";
import { LAB_LACKS, type LabNat, NatLab } from "./natlab.ts";
import { SignallingHub } from "./support.ts";

async function run(...command: string[]): Promise<void> {
  const [program, ...args] = command;
  const { success, stderr } = await new Deno.Command(program!, { args, stdin: "null" }).output();
  if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Two machines with nothing but IPv6 between them. */
async function ipv6Only(test: (a: LabPeer, b: LabPeer) => Promise<void>): Promise<void> {
  const names = ["a", "b"].map((side) => `sk6${Deno.pid.toString(36)}-${side}`) as [string, string];
  const peers: LabPeer[] = [];
  try {
    for (const name of names) {
      await run("ip", "netns", "add", name);
      await run("ip", "-n", name, "link", "set", "lo", "up");
    }
    const [a, b] = names;
    await run("ip", "-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b);
    for (const [i, name] of names.entries()) {
      await run("ip", "-n", name, "addr", "add", `2001:db8::${i + 1}/64`, "dev", "eth0", "nodad");
      await run("ip", "-n", name, "link", "set", "eth0", "up");
    }
    for (const name of names) {
      const servers = JSON.stringify({ stun: [], turn: [], expiresIn: 3_600_000 });
      const script = new URL("./lab_peer.ts", import.meta.url).pathname;
      const deno = [Deno.execPath(), "run", "-A", "--unstable-net", "--no-check", "--quiet", script, servers];
      const child = new Deno.Command("ip", {
        args: ["netns", "exec", name, ...deno],
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      peers.push(new LabPeer(child));
    }
    const [ann, bob] = peers as [LabPeer, LabPeer];
    for (const peer of peers) peer.id = (await peer.next("open")).id;
    for (const [from, to] of [[ann, bob], [bob, ann]] as const) {
      from.onSignal = ({ signal }) => to.tell({ do: "signal", from: from.id, signal });
    }
    await test(ann, bob);
  } finally {
    for (const peer of peers) await peer.stop();
    for (const name of names) await run("ip", "netns", "del", name).catch(() => {});
  }
}

for (const fastLane of [false, true]) {
  testWith(
    ["iproute2"],
    `nat: over IPv6 alone peers find each other${fastLane ? ", on the fast lane too" : ""}`,
    async () => {
      await ipv6Only(async (ann, bob) => {
        ann.tell({ do: "connect", peer: bob.id, fastLane });
        await ann.next("connected");
        const path = await ann.next(
          "path",
          (event) => event.kind !== undefined && event.fastLane === fastLane,
        );
        assert.equal(path.kind, "direct");
        assert.equal(path.remote, "2001:db8::2");
        ann.tell({ do: "send", peer: bob.id, bytes: 2_000_000 });
        await ann.next("sent");
      });
    },
    LAB_LACKS,
  );
}

/** A connects to B with the wish for the fast lane; resolves with the path that came of it. */
async function fastPath(
  pair: readonly [LabNat, LabNat],
): Promise<{ kind: string | undefined; fast: boolean }> {
  await using nat = await NatLab.start(...pair);
  await using peers = await Peers.start(nat);
  peers.a.tell({ do: "connect", peer: peers.b.id, fastLane: true });
  await peers.a.next("connected");
  await peers.send(5_000_000);
  const last = peers.a.events.findLast((event) => event.on === "path");
  assert.ok(last?.on === "path");
  return { kind: last.kind, fast: last.fastLane };
}

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: the fast lane goes through NATs",
  async () => {
    assert.deepEqual(await fastPath(["portrestricted", "portrestricted"]), { kind: "punched", fast: true });
    assert.deepEqual(await fastPath(["symmetric", "fullcone"]), { kind: "punched", fast: true });
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: without a direct path a wish for the fast lane leads to the relay",
  async () => {
    assert.deepEqual(await fastPath(["symmetric", "symmetric"]), { kind: "relayed", fast: false });
  },
  LAB_LACKS,
);

/** A UDP socket whose packets take `delay` ms, and of which one in `loses` is lost. */
function slow(socket: DatagramSocket, delay: number, loses: number): DatagramSocket {
  let count = 0;
  const timers = new Set<ReturnType<typeof setTimeout>>();
  return {
    address: socket.address,
    send(bytes, to) {
      if (++count % loses === 0) return;
      const copy = bytes.slice(), address = { hostname: to.hostname, port: to.port };
      const timer = setTimeout(() => {
        timers.delete(timer);
        void socket.send(copy, address);
      }, delay);
      timers.add(timer);
    },
    onDatagram: (listener) => socket.onDatagram(listener),
    close() {
      for (const timer of timers) clearTimeout(timer);
      return socket.close();
    },
  };
}

for (const [rtt, loses] of [[200, Infinity], [40, 20], [200, 100]] as const) {
  const loss = loses === Infinity ? "nothing" : `one packet in ${loses}`;
  Deno.test(`peer link: bytes arrive at ${rtt} ms round trip with ${loss} lost`, async () => {
    const hub = new SignallingHub();
    const openSocket = (options: Parameters<typeof openUdpSocket>[0]): DatagramSocket =>
      slow(openUdpSocket(options), rtt / 2, loses);
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const came = Promise.withResolvers<Uint8Array>();
    const ann = await hub.peer({ openSocket });
    const bob = await hub.peer({
      openSocket,
      onIncoming: (connection) =>
        void (async () => {
          for await (const stream of connection.current!.incomingBidirectionalStreams) {
            came.resolve(await new Response(stream.readable).bytes());
          }
        })().catch(came.reject),
    });
    const stream = await (await ann.connect(bob.id).ready()).openBidirectionalStream();
    await stream.write(bytes);
    await stream.end();
    assert.deepEqual(await came.promise, bytes);
    await Promise.all([ann.close(), bob.close()]);
  });
}
