/** Files on several whole services that share one store. */

import assert from "node:assert/strict";
import { downloadFile, sampleBytes, uploadFile } from "../files/support.ts";
import { api, Cluster, tokenOf } from "./support.ts";

for (const kind of ["quic", "websocket"] as const) {
  Deno.test(`nodes files: an upload goes on at another node after its own has died, over ${kind}`, async () => {
    await using cluster = await Cluster.start(2, { files: { window: "256KiB" } });
    const [one, two] = cluster.nodes;
    const bytes = sampleBytes(2_000_000);
    const first = await cluster.connect(one!, kind, "ann");
    await uploadFile(first, { bytes, stopAt: 700_000 });
    one!.kill();
    const second = await cluster.connect(two!, "websocket", "ann");
    const { from, uploaded } = await uploadFile(second, { bytes });
    assert.ok(from >= 700_000, `${from}`);
    assert.deepEqual(await downloadFile(second, uploaded!.fileId), bytes);
    await Promise.all([first.close(), second.close()]);
  });
}

Deno.test("nodes files: a file is announced to the other node, and read and linked there", async () => {
  await using cluster = await Cluster.start(2);
  const [one, two] = cluster.nodes;
  const ann = await cluster.connect(one!, "websocket", "ann");
  const bob = await cluster.connect(two!, "websocket", "bob");
  await bob.ask("subscribe", { channel: "chat:files" });
  const bytes = sampleBytes(300_000);
  await uploadFile(ann, { bytes });
  const { payload } = await bob.next("chat_message");
  const { fileId } = payload.data.file;
  assert.deepEqual(await downloadFile(bob, fileId), bytes);
  const { payload: { url } } = await ann.ask("file_link", { fileId });
  for (const node of [one!, two!]) {
    const answer = await fetch(`${node.url}${url}`);
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), bytes);
  }
  const plain = await fetch(`${two!.url}/files/${fileId}`, {
    headers: { authorization: `Bearer ${await tokenOf("bob")}`, range: "bytes=1000-1999" },
  });
  assert.deepEqual(new Uint8Array(await plain.arrayBuffer()), bytes.slice(1000, 2000));
  await Promise.all([ann.close(), bob.close()]);
});

Deno.test("nodes files: the quota of a user holds over all nodes", async () => {
  await using cluster = await Cluster.start(2, { files: { userFiles: 3 } });
  const answers = await Promise.all(cluster.nodes.flatMap((node, at) =>
    [1, 2, 3, 4].map(async (n) => {
      const ann = await cluster.connect(node, "websocket", "ann");
      const sha256 = `${at}${n}`.padStart(64, "0");
      const file = { channel: "chat:files", name: "a", size: 1000, type: "", sha256 };
      const { type, payload } = await ann.request("file_upload_start", file);
      await ann.close();
      return type === "error" ? payload.name : type;
    })
  ));
  assert.equal(answers.filter((answer) => answer === "file_upload_ready").length, 3);
  assert.equal(answers.filter((answer) => answer === "quota_exceeded").length, 5);
});

Deno.test("nodes files: a file that a back end deletes at one node is gone at all", async () => {
  await using cluster = await Cluster.start(2);
  const [one, two] = cluster.nodes;
  const ann = await cluster.connect(one!, "websocket", "ann");
  const bob = await cluster.connect(two!, "websocket", "bob");
  const { uploaded } = await uploadFile(ann, { bytes: sampleBytes(1000) });
  const { fileId: file } = uploaded!;
  assert.equal((await downloadFile(bob, file)).length, 1000);
  assert.deepEqual(await api(two!, "file_delete", { file }), { deleted: true });
  assert.deepEqual(await api(one!, "file_delete", { file }), { deleted: false });
  for (const client of [ann, bob]) {
    const { payload } = await client.request("file_download", { fileId: file });
    assert.equal(payload.name, "unknown_file");
    await client.close();
  }
  const answer = await fetch(`${one!.url}/files/${file}`, {
    headers: { authorization: `Bearer ${await tokenOf("ann")}` },
  });
  assert.equal(answer.status, 404);
  await answer.body?.cancel();
});
