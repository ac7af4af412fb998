/** Every pair of NAT types, with real NATs: the path that was predicted, and bytes over it. */

import assert from "node:assert/strict";
import { testWith } from "../support/needs.ts";
import { type LabOptions, Peers } from "./lab.ts";
import { LAB_LACKS, type LabNat, NatLab } from "./natlab.ts";

const CONES = ["open", "fullcone", "restricted", "portrestricted"] as const;

/** What the kernel's NATs of the lab are found to be. */
const BEHAVIOUR: Record<LabNat, string> = {
  open: "none/none",
  fullcone: "endpoint_independent/endpoint_independent",
  restricted: "endpoint_independent/address",
  portrestricted: "endpoint_independent/address_and_port",
  symmetric: "address_and_port/address_and_port",
  udpblocked: "/",
};

function expectedPath(a: LabNat, b: LabNat): string {
  if (a === "udpblocked" || b === "udpblocked") return "relayed";
  const [hard, other] = a === "symmetric" ? [a, b] : [b, a];
  if (hard === "symmetric" && (other === "symmetric" || other === "portrestricted")) return "relayed";
  return b === "open" ? "direct" : "punched";
}

/** One pair: what A's NAT is, the path that A takes, and a file over it, exact to the byte. */
async function tryPair(
  nat: NatLab,
  pair: readonly [LabNat, LabNat],
  options: LabOptions = {},
): Promise<void> {
  const [a, b] = pair;
  await Promise.all([nat.setNat("A", a), nat.setNat("B", b)]);
  await using peers = await Peers.start(nat, options);
  const ms = await peers.connect();
  const path = expectedPath(a, b);
  const { stall } = await peers.sendBy(path, 500_000).catch((cause) => {
    throw new Error(`${a} to ${b}: not ${path} but ${peers.path()}`, { cause });
  });
  console.log(
    `  ${a} to ${b}: ${path}, connected in ${ms.toFixed(0)} ms, longest stall ${stall.toFixed(0)} ms`,
  );
}

testWith(["coturn", "iproute2", "nftables", "conntrack"], "nat: each type is found out", async () => {
  await using nat = await NatLab.start("open", "open");
  for (const kind of Object.keys(BEHAVIOUR) as LabNat[]) {
    await nat.setNat("A", kind);
    await using peers = await Peers.start(nat);
    peers.a.tell({ do: "discover" });
    const { mapping, filtering } = await peers.a.next("discovered");
    assert.equal(`${mapping}/${filtering}`, BEHAVIOUR[kind], kind);
  }
}, LAB_LACKS);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: peers behind cones find a direct path",
  async () => {
    await using nat = await NatLab.start("open", "open");
    for (const a of CONES) for (const b of CONES) await tryPair(nat, [a, b]);
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: a symmetric NAT is met directly or relayed",
  async () => {
    await using nat = await NatLab.start("open", "open");
    for (const b of [...CONES, "symmetric"] as const) await tryPair(nat, ["symmetric", b]);
    for (const a of CONES) await tryPair(nat, [a, "symmetric"]);
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: without UDP the relay is reached over TCP or TLS",
  async () => {
    await using nat = await NatLab.start("open", "open");
    await tryPair(nat, ["udpblocked", "open"]);
    await tryPair(nat, ["portrestricted", "udpblocked"], { turn: ["tls"] });
    await tryPair(nat, ["udpblocked", "udpblocked"], { turn: ["udp", "tls"] });
    await tryPair(nat, ["udpblocked", "symmetric"], { turn: ["udp", "tcp"] });
  },
  LAB_LACKS,
);
