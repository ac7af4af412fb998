/** A document among three peers on three kinds of path, while paths change. */

import assert from "node:assert/strict";
import { delay } from "../../src/async/deadline.ts";
import { testWith } from "../support/needs.ts";
import { introduce, LabWriter, until } from "./lab_writers.ts";
import { LAB_LACKS, NatLab } from "./natlab.ts";

testWith(
  ["coturn", "iproute2", "nftables", "conntrack"],
  "nat: a document among three peers on three kinds of path converges while paths change",
  async () => {
    // B is open, A and C are behind NATs that let no direct path be found between them.
    await using nat = await NatLab.start("portrestricted", "open", "symmetric");
    await using a = new LabWriter(nat, "A"), b = new LabWriter(nat, "B"), c = new LabWriter(nat, "C");
    const writers = [a, b, c];
    await introduce(writers);
    await until("the three kinds of path", () => {
      const kinds = [[a, b], [b, a], [a, c]].map(([from, to]) => from!.paths.get(to!.id)?.at(-1));
      return Promise.resolve(kinds.join() === "direct,punched,relayed");
    });

    const written = writers.map((writer) => writer.next("written"));
    writers.forEach((writer, i) => writer.tell({ do: "write", times: 300, pause: 15, seed: i + 1 }));
    await delay(500);
    await nat.blockDirect();
    await nat.flush("C");
    await delay(1_500);
    await nat.unblockDirect();
    await nat.changeAddress("A", 77);
    await Promise.all(written);

    await until("all read the same", async () => {
      const read = await Promise.all(writers.map((writer) => writer.read()));
      return read[0]!.text.length > 0 && read.every(({ text }) => text === read[0]!.text);
    });
    assert.ok(
      a.paths.get(b.id)!.includes("relayed"),
      "A went over the relay while the direct path was blocked",
    );
  },
  LAB_LACKS,
);
