/** Files through a running service, on the three transports. */

import assert from "node:assert/strict";
import { KINDS } from "../support/client.ts";
import { startTestService } from "../support/service.ts";
import { downloadFile, sampleBytes, startUpload, uploadFile } from "./support.ts";

/** Files in a directory that outlives the service; its messages do not. */
function onDisk(directory: string) {
  return { kind: "sqlite", sqlite: { files: directory } } as const;
}

for (const kind of KINDS) {
  for (const [form, engine] of [["json", "sqlite"], ["msgpack", "sqlite"], ["msgpack", "memory"]] as const) {
    Deno.test(`files in the service: a file goes up, is announced, and comes down whole: ${kind}, ${form}, ${engine}`, async () => {
      const service = await startTestService({ engine: { kind: engine } });
      try {
        const bytes = sampleBytes(1_500_000, 7);
        const ann = await service.dial(kind, { form });
        await ann.authenticate(await service.token("ann"));
        const bob = await service.connect("websocket", "bob");
        await bob.ask("subscribe", { channel: "chat:files" });
        await ann.openLane(100);
        const { uploaded } = await uploadFile(ann, {
          bytes,
          form,
          lane: 100,
          name: "../../ä b.png",
          type: "image/png",
        });
        assert.equal(uploaded!.name, "ä b.png");
        assert.equal(uploaded!.size, bytes.length);
        assert.equal(uploaded!.channel, "chat:files");
        const { payload } = await bob.next("chat_message");
        const { channel: _, expiresAt: __, ...file } = uploaded!;
        assert.deepEqual(payload.data, { file });
        assert.equal(payload.from, "ann");
        assert.deepEqual(await downloadFile(ann, file.fileId, {}, 100), bytes);
        assert.deepEqual(
          await downloadFile(bob, file.fileId, { offset: 1000, length: 70_000 }),
          bytes.slice(1000, 71_000),
        );
        assert.deepEqual(await downloadFile(bob, file.fileId, { offset: bytes.length }), new Uint8Array());
        await Promise.all([ann.close(), bob.close()]);
      } finally {
        await service.stop();
      }
    });
  }

  Deno.test(`files in the service: an upload goes on where it was after the service was restarted: ${kind}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "skein-files-" });
    const engine = onDisk(directory);
    const bytes = sampleBytes(3_000_000, 3);
    try {
      let service = await startTestService({ files: { window: "1MiB" }, engine });
      let acked: number;
      try {
        const ann = await service.connect(kind, "ann");
        await ann.openLane(101);
        ({ acked } = await uploadFile(ann, { bytes, lane: 101, stopAt: 1_000_000 }));
        await ann.close();
      } finally {
        await service.stop();
      }
      service = await startTestService({ files: { window: "1MiB" }, engine });
      try {
        const ann = await service.connect(kind, "ann");
        await ann.openLane(101);
        const { from, uploaded } = await uploadFile(ann, { bytes, lane: 101 });
        assert.ok(from >= acked && acked >= 1_000_000, `${from} ${acked}`);
        assert.deepEqual(await downloadFile(ann, uploaded!.fileId, {}, 101), bytes);
        await ann.close();
      } finally {
        await service.stop();
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("files in the service: an upload goes on over another transport after its connection was cut", async () => {
  const service = await startTestService();
  try {
    const bytes = sampleBytes(2_500_000, 5);
    const first = await service.connect("quic", "ann");
    await first.openLane(100);
    await uploadFile(first, { bytes, lane: 100, stopAt: 600_000 });
    await first.close();
    const second = await service.connect("websocket", "ann");
    const { from, uploaded } = await uploadFile(second, { bytes });
    assert.ok(from >= 600_000);
    assert.deepEqual(await downloadFile(second, uploaded!.fileId), bytes);
    await second.close();
  } finally {
    await service.stop();
  }
});

Deno.test("files in the service: saying complete again with the same id has one effect, also after a restart of the service", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-files-" });
  const engine = onDisk(directory);
  const bytes = sampleBytes(100_000, 9);
  const completeId = "complete-once";
  try {
    let service = await startTestService({ engine });
    let first: Record<string, unknown>;
    try {
      const ann = await service.connect("websocket", "ann");
      const { uploadId, uploaded } = await uploadFile(ann, { bytes, completeId });
      first = uploaded!;
      const again = await ann.ask("file_upload_complete", { uploadId }, { id: completeId });
      assert.deepEqual(again.payload, first);
      const { payload } = await ann.ask("history", { channel: "chat:files" });
      assert.equal(payload.messages.length, 1);
      const other = await ann.request("file_upload_complete", { uploadId });
      assert.equal(other.payload.name, "unknown_upload");
      await ann.close();
    } finally {
      await service.stop();
    }
    service = await startTestService({ engine });
    try {
      const ann = await service.connect("websocket", "ann");
      const again = await ann.ask("file_upload_complete", { uploadId: "gone" }, { id: completeId });
      assert.deepEqual(again.payload, first);
      // Nothing of the conversation was kept, and so no id of it is known: the store says that it was announced.
      assert.deepEqual((await ann.ask("history", { channel: "chat:files" })).payload.messages, []);
      await ann.close();
    } finally {
      await service.stop();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("files in the service: the memory engine takes as many files as it may", async () => {
  const service = await startTestService({ engine: { kind: "memory", memory: { files: "1MiB" } } });
  try {
    const ann = await service.connect("websocket", "ann");
    await uploadFile(ann, { bytes: sampleBytes(700_000) });
    const payload = { channel: "chat:files", name: "a", type: "", size: 700_000, sha256: "0".repeat(64) };
    assert.equal((await ann.request("file_upload_start", payload)).payload.name, "not_available");
    assert.deepEqual((await service.stats()).files, {
      files: 1,
      bytes: 700_000,
      partial: 0,
      uploads: 0,
      readers: 0,
    });
    await ann.close();
  } finally {
    await service.stop();
  }
});

Deno.test("files in the service: what the store has is not asked for again, but only of those who may read it", async () => {
  const service = await startTestService();
  try {
    const bytes = sampleBytes(200_000, 11);
    const ann = await service.connect("websocket", "ann");
    const { uploaded } = await uploadFile(ann, { bytes, channel: "chat:secret" });
    const again = await startUpload(ann, { bytes, channel: "chat:other" });
    assert.deepEqual([again.payload.exists, again.payload.offset], [true, bytes.length]);
    const done = await ann.ask("file_upload_complete", { uploadId: again.payload.uploadId });
    assert.notEqual(done.payload.fileId, uploaded!.fileId);
    assert.deepEqual(await downloadFile(ann, done.payload.fileId), bytes);
    const eve = await service.connect("websocket", "eve", { channels: ["chat:eve"] });
    const hers = await startUpload(eve, { bytes, channel: "chat:eve" });
    assert.deepEqual([hers.payload.exists, hers.payload.offset], [undefined, 0]);
    await uploadFile(eve, { bytes, channel: "chat:eve" });
    const stats = await service.stats();
    assert.deepEqual([stats.files.files, stats.files.bytes], [3, bytes.length]);
    await Promise.all([ann.close(), eve.close()]);
  } finally {
    await service.stop();
  }
});

Deno.test("files in the service: metrics tell how many there are, their bytes, and uploads under way", async () => {
  const service = await startTestService();
  try {
    const figure = async (name: string) => {
      const text = await (await fetch(`${service.url}/metrics`)).text();
      return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
    };
    const figures = () =>
      Promise.all(
        ["skein_files", "skein_files_bytes", "skein_files_partial", "skein_file_uploads"].map(figure),
      );
    const ann = await service.connect("websocket", "ann");
    await ann.ask("subscribe", { channel: "chat:files" });
    assert.deepEqual(await figures(), [0, 0, 0, 0]);
    const bytes = sampleBytes(100_000, 1);
    await uploadFile(ann, { bytes });
    // The same content again is kept once.
    await uploadFile(ann, { bytes, name: "copy.bin" });
    await startUpload(ann, { bytes: sampleBytes(5000, 2) });
    assert.deepEqual(await figures(), [2, 100_000, 1, 1]);
    await ann.close();
  } finally {
    await service.stop();
  }
});
