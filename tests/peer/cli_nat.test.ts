/** `skein peer` on two machines behind real NATs: the path it takes, and what it says of it. */

import assert from "node:assert/strict";
import { testWith } from "../support/needs.ts";
import { Devices } from "./cli_support.ts";
import { LAB_LACKS, type LabNat, NatLab } from "./natlab.ts";

/** Sends a file from A to B and returns the line that says how. */
async function sendFile(lab: NatLab, nats: readonly [LabNat, LabNat]): Promise<string> {
  await Promise.all([lab.setNat("A", nats[0]), lab.setNat("B", nats[1])]);
  await using devices = await Devices.start(lab);
  const content = await devices.file("A", "data.bin", 2_000_000);
  await using receiver = devices.run("B", ["receive", "--once"]);
  const id = (await receiver.match(/This peer is (\S+)/))[1]!;
  await receiver.match(/Waiting/);
  await using sender = devices.run("A", ["send", id, "data.bin"]);
  assert.equal(await sender.end(), 0, sender.err);
  assert.equal(await receiver.end(), 0, receiver.err);
  const kept = await Deno.readFile(`${devices.directory}/B/data.bin`);
  assert.ok(kept.length === content.length && kept.every((byte, i) => byte === content[i]));
  return sender.out;
}

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "peer cli: a file goes through two symmetric NATs by the relay",
  async () => {
    await using lab = await NatLab.start("symmetric", "symmetric");
    assert.match(
      await sendFile(lab, ["symmetric", "symmetric"]),
      /^Sent data\.bin: 1\.9 MiB in .*, relayed$/m,
    );
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "peer cli: a file goes directly through two port-restricted NATs",
  async () => {
    await using lab = await NatLab.start("portrestricted", "portrestricted");
    assert.match(await sendFile(lab, ["portrestricted", "portrestricted"]), /^Sent data\.bin: .*, punched$/m);
  },
  LAB_LACKS,
);

/** What doctor says of each kind of NAT: its name, and the paths to a port-restricted and a symmetric one. */
const REPORTS: Record<LabNat, readonly [name: RegExp, portRestricted: RegExp, symmetric: RegExp]> = {
  open: [/^NAT +none: /m, /punched/, /punched/],
  fullcone: [/^NAT +full cone: /m, /punched/, /punched/],
  restricted: [/^NAT +restricted cone: /m, /punched/, /punched/],
  portrestricted: [/^NAT +port-restricted cone: /m, /punched/, /relayed/],
  symmetric: [/^NAT +symmetric: /m, /relayed/, /relayed/],
  udpblocked: [/^NAT +UDP is blocked: /m, /relayed/, /relayed/],
};

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "peer cli: doctor names each NAT, the servers it reaches, and the paths to expect",
  async () => {
    await using lab = await NatLab.start("open", "open");
    await using devices = await Devices.start(lab);
    for (const [nat, [name, portRestricted, symmetric]] of Object.entries(REPORTS)) {
      await lab.setNat("A", nat as LabNat);
      await using doctor = devices.run("A", ["doctor"]);
      assert.equal(await doctor.end(), 0, doctor.err);
      assert.match(doctor.out, name, nat);
      const path = (to: string): string => new RegExp(`^  ${to} +(.*)$`, "m").exec(doctor.out)?.[1] ?? "";
      assert.match(path("port-restricted cone"), portRestricted, `${nat}: ${doctor.out}`);
      assert.match(path("symmetric"), symmetric, `${nat}: ${doctor.out}`);
      assert.match(path("UDP blocked"), /relayed/, nat);
      const udp = nat === "udpblocked" ? "FAILS" : "ok";
      const server = "203\\.0\\.113\\.1";
      assert.match(doctor.out, new RegExp(`stun:${server} +UDP +${udp} `), nat);
      assert.match(doctor.out, new RegExp(`turn:${server} +UDP +${udp} `), nat);
      assert.match(
        doctor.out,
        new RegExp(`turn:${server}\\?transport=tcp +TCP +ok .* relays from ${server}`),
        nat,
      );
      assert.match(doctor.out, new RegExp(`turns:${server} +TLS +ok .* relays from ${server}`), nat);
    }
  },
  LAB_LACKS,
);

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "peer cli: doctor fails where no server answers",
  async () => {
    await using lab = await NatLab.start("udpblocked", "open");
    await using devices = await Devices.start(lab);
    await lab.stopTurn();
    await using doctor = devices.run("A", ["doctor", "--json"]);
    assert.equal(await doctor.end(), 1, doctor.err);
    const report = JSON.parse(doctor.out);
    assert.equal(report.ok, false);
    assert.deepEqual(
      report.servers.map(({ address }: { address?: unknown }) => address),
      Array(4).fill(undefined),
    );
  },
  LAB_LACKS,
);
