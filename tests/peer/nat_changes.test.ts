/** The network changes while bytes flow: paths move, the QUIC connection stays. */

import assert from "node:assert/strict";
import { delay } from "../../src/async/deadline.ts";
import { testWith } from "../support/needs.ts";
import { Peers } from "./lab.ts";
import { LAB_LACKS, type LabNat, NatLab } from "./natlab.ts";

/**
 * Two connected peers, transfers under way, and what happens to them: another begins as long as the change is not over.
 * Checks that every byte arrives.
 */
async function during(
  pair: readonly [LabNat, LabNat],
  change: (nat: NatLab, peers: Peers) => Promise<void>,
  bytes = 40_000_000,
): Promise<void> {
  await using nat = await NatLab.start(...pair);
  await using peers = await Peers.start(nat);
  await peers.connect();
  let isOver = false;
  const sent = (async () => {
    let longest = 0;
    do {
      const { stall } = await peers.send(bytes);
      longest = Math.max(longest, stall);
    } while (!isOver);
    return longest;
  })();
  sent.catch(() => {});
  // In the middle of it: after the first part has gone.
  await delay(300);
  try {
    await change(nat, peers);
  } finally {
    isOver = true;
  }
  const stall = await sent;
  const states = peers.a.events.flatMap((event) => event.on === "state" ? [event.state] : []);
  assert.deepEqual(states.filter((state) => state !== "connected"), [], "the QUIC connection stays");
  console.log(`  longest stall ${stall.toFixed(0)} ms`);
}

const onPath = async (peers: Peers, kind: string): Promise<void> =>
  void await peers.a.next("path", (event) => event.kind === kind);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: a direct path that dies gives way to the relay, and comes back",
  async () => {
    await during(["portrestricted", "portrestricted"], async (nat, peers) => {
      await onPath(peers, "punched");
      await nat.blockDirect();
      await onPath(peers, "relayed");
      await nat.unblockDirect();
      await onPath(peers, "punched");
    }, 100_000_000);
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: a direct path that dies at a round trip of 40 ms is left by both sides, and not taken again",
  async () => {
    await using nat = await NatLab.start("portrestricted", "portrestricted");
    for (const side of ["A", "B"] as const) await nat.slow(side, 10);
    await using peers = await Peers.start(nat);
    await peers.connect();
    await onPath(peers, "punched");
    const before = peers.a.events.length;
    const sent = peers.send(4_000_000);
    await delay(300);
    await nat.blockDirect();
    await onPath(peers, "relayed");
    await sent;
    // Where the transfer was over before, the packets of this one find out.
    peers.a.tell({ do: "echo", peer: peers.b.id, times: 50 });
    await peers.a.next("echoed", undefined, 60_000);
    assert.deepEqual([peers.path(peers.a), peers.path(peers.b)], ["relayed", "relayed"]);
    const later = peers.a.events.slice(before).flatMap((event) => event.on === "path" ? [event.kind] : []);
    assert.deepEqual([...new Set(later)], ["relayed"]);
    const states = peers.a.events.flatMap((event) => event.on === "state" ? [event.state] : []);
    assert.deepEqual(states, ["connecting", "connected"].slice(-states.length), "the QUIC connection stays");
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: a NAT that forgets its mappings is found again",
  async () => {
    await during(["portrestricted", "portrestricted"], (nat) => nat.flush("A"));
    await during(["symmetric", "fullcone"], (nat) => nat.flush("A"));
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: a machine that changes its address goes on",
  async () => {
    await during(["portrestricted", "portrestricted"], (nat) => nat.changeAddress("A", 77));
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: a TURN server that is started anew is used anew",
  async () => {
    await during(["symmetric", "symmetric"], async (nat) => {
      await nat.stopTurn();
      await nat.startTurn();
    });
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: without a TURN server a direct path goes on",
  async () => {
    await during(["restricted", "portrestricted"], (nat) => nat.stopTurn(), 20_000_000);
  },
  LAB_LACKS,
);

testWith(["coturn", "iproute2", "nftables", "conntrack"], "nat: lost packets lose nothing", async () => {
  await during(["portrestricted", "restricted"], (nat) => nat.lose(0.03), 5_000_000);
}, LAB_LACKS);
