/** Slow links that lose packets, in the lab: peers connect over them, and every byte arrives. */

import assert from "node:assert/strict";
import { delay } from "../../src/async/deadline.ts";
import { testWith } from "../support/needs.ts";
import { Peers } from "./lab.ts";
import { LAB_LACKS, type LabNat, NatLab } from "./natlab.ts";

interface Link {
  /** Round trip between the peers in ms. */
  readonly rtt: number;
  /** 0 to 1, on the way between them. */
  readonly loss: number;
  readonly nats: readonly [LabNat, LabNat];
  readonly path: string;
}

const LADDER: readonly Link[] = [
  { rtt: 40, loss: 0.01, nats: ["portrestricted", "restricted"], path: "punched" },
  { rtt: 100, loss: 0.02, nats: ["portrestricted", "portrestricted"], path: "punched" },
  { rtt: 200, loss: 0.05, nats: ["fullcone", "portrestricted"], path: "punched" },
  { rtt: 200, loss: 0.02, nats: ["symmetric", "symmetric"], path: "relayed" },
];

for (const { rtt, loss, nats, path } of LADDER) {
  testWith(
    ["coturn", "iproute2", "nftables", "conntrack"],
    `nat links: ${nats.join(" and ")} at ${rtt} ms and ${loss * 100} % loss connect, and every byte arrives`,
    async () => {
      await using lab = await NatLab.start(...nats);
      // Both links carry a part: of the round trip a quarter each way on each.
      for (const side of ["A", "B"] as const) await lab.slow(side, rtt / 4, loss / 2);
      await using peers = await Peers.start(lab, { signalDelay: rtt / 2 });
      const ms = await peers.connect();
      const sent = await peers.sendBy(path, 300_000);
      console.log(`  connected in ${ms.toFixed(0)} ms, 300 KB in ${sent.ms.toFixed(0)} ms`);
    },
    LAB_LACKS,
  );
}

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat links: a connection without traffic outlives a NAT that forgets after eight seconds",
  async () => {
    await using lab = await NatLab.start("portrestricted", "portrestricted");
    for (const router of ["natA", "natB"]) {
      for (const name of ["udp_timeout", "udp_timeout_stream"]) {
        await lab.in(router, ["sysctl", "-qw", `net.netfilter.nf_conntrack_${name}=8`]);
      }
    }
    await using peers = await Peers.start(lab);
    await peers.connect();
    await peers.reaches("punched");
    const states = peers.a.events.filter(({ on }) => on === "state").length;
    const paths = peers.a.events.filter(({ on }) => on === "path").length;
    // Nobody says anything for three times as long as the NAT remembers.
    await delay(25_000);
    await peers.send(100_000);
    assert.equal(peers.a.events.filter(({ on }) => on === "state").length, states);
    assert.equal(peers.a.events.filter(({ on }) => on === "path").length, paths, "the path stays");
    assert.equal(peers.path(), "punched");
  },
  LAB_LACKS,
);
