/** Two machines behind one NAT: within the network, and through the outside address where the network keeps them apart. */

import { testWith } from "../support/needs.ts";
import { Peers } from "./lab.ts";
import { LAB_LACKS, type LabNat, NatLab, outside, subnet } from "./natlab.ts";

interface Home {
  readonly nat: Exclude<LabNat, "open">;
  /** The router passes nothing between its machines, as in guest networks. */
  readonly isolated: boolean;
  /** It takes packets from inside to its outside address (RFC 4787 §6: hairpinning). */
  readonly hairpin: boolean;
}

/** Moves machine C behind the NAT of A. */
async function moveHome(lab: NatLab, { nat, isolated, hairpin }: Home): Promise<void> {
  const ip = (name: string, command: string): Promise<unknown> => lab.in(name, ["ip", ...command.split(" ")]);
  await ip("cC", "link del eth0");
  await ip("natA", `route del ${subnet("C")}`);
  await ip("natA", `link add lan1 type veth peer name eth0 netns ${lab.namespace("cC")}`);
  await ip("natA", "addr add 10.0.3.1/24 dev lan1");
  await ip("natA", "link set lan1 up");
  await ip("cC", "addr add 10.0.3.2/24 dev eth0");
  await ip("cC", "link set eth0 up");
  await ip("cC", "route add default via 10.0.3.1");
  await lab.setNat("A", nat);
  const inside = `{ ${subnet("A")}, ${subnet("C")} }`;
  // What comes from outside is for whoever has sent from that port: the NAT itself knows it by its map.
  await lab.nft(
    "natA",
    `table ip home {
      chain prerouting { type nat hook prerouting priority dstnat + 1;
        ${
      hairpin
        ? `ip saddr ${inside} ip daddr ${outside("A")} meta l4proto udp dnat ip to udp dport map @cone`
        : ""
    }
      }
      map cone { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 3m; size 65535; }
      chain postrouting { type nat hook postrouting priority srcnat + 1;
        oif "wan0" ip saddr ${subnet("C")} masquerade
        oif { "lan0", "lan1" } ct status dnat snat to ${outside("A")}
      }
      chain learn { type filter hook postrouting priority 301;
        oif "wan0" ct direction original meta l4proto udp update @cone { ct reply proto-dst : ct original ip saddr . ct original proto-src }
      }
      chain forward { type filter hook forward priority filter + 1;
        ct status dnat accept
        ${isolated ? `ip saddr ${inside} ip daddr ${inside} drop` : ""}
      }
    }
    `,
  );
}

/** Sends a file between the two machines, over the path that they have to find. */
async function sendAtHome(home: Home, path: string): Promise<void> {
  await using lab = await NatLab.start(home.nat, "open");
  await moveHome(lab, home);
  await using peers = await Peers.start(lab, { sides: ["A", "C"] });
  await peers.connect();
  await peers.sendBy(path, 500_000);
}

const NEEDS = ["coturn", "iproute2", "nftables", "conntrack"] as const;

testWith([...NEEDS], "nat: two machines of one network meet within it", async () => {
  await sendAtHome({ nat: "portrestricted", isolated: false, hairpin: false }, "direct");
}, LAB_LACKS);

testWith(
  [...NEEDS],
  "nat: machines that their network keeps apart meet at the NAT's outside address",
  async () => {
    await sendAtHome({ nat: "portrestricted", isolated: true, hairpin: true }, "punched");
  },
  LAB_LACKS,
);

testWith([...NEEDS], "nat: without hairpinning machines that are kept apart take the relay", async () => {
  await sendAtHome({ nat: "portrestricted", isolated: true, hairpin: false }, "relayed");
}, LAB_LACKS);
