/** What each misuse of files gets, over the wire. */

import assert from "node:assert/strict";
import { KINDS, type TestClient } from "../support/client.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { downloadFile, sampleBytes, sha256, startUpload, uploadFile } from "./support.ts";

async function withService(
  files: Record<string, unknown>,
  run: (service: TestService) => Promise<void>,
): Promise<void> {
  const service = await startTestService({ files, engine: { kind: "sqlite" } });
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

const START = { channel: "chat:a", name: "x", size: 10, type: "text/plain", sha256: "0".repeat(64) };

async function errorOf(client: TestClient, type: string, payload: Record<string, unknown>): Promise<string> {
  const answer = await client.request(type, payload);
  assert.equal(answer.type, "error", JSON.stringify(answer));
  return answer.payload.name;
}

for (const kind of KINDS) {
  Deno.test(`file abuse: every misuse of an upload has an error of its own, and the upload survives it: ${kind}`, () =>
    withService({}, async (service) => {
      const ann = await service.connect(kind, "ann");
      const bob = await service.connect(kind, "bob");
      const bytes = sampleBytes(90_000);
      const { payload: { uploadId } } = await startUpload(ann, { bytes });
      const chunk = (from: number, to: number) => ({
        uploadId,
        offset: from,
        data: bytes.slice(from, to).toBase64(),
      });
      await ann.send("file_chunk", chunk(0, 40_000));
      await ann.next(({ type, payload }) => type === "file_chunk_ack" && payload.offset === 40_000);
      assert.equal(await errorOf(ann, "file_chunk", chunk(50_000, 60_000)), "file_gap");
      assert.equal(await errorOf(ann, "file_chunk", chunk(30_000, 60_000)), "file_overlap");
      assert.equal(await errorOf(ann, "file_chunk", chunk(0, 40_000)), "file_overlap");
      const beyond = { uploadId, offset: 80_000, data: new Uint8Array(20_000).toBase64() };
      assert.equal(await errorOf(ann, "file_chunk", beyond), "file_beyond_end");
      assert.equal(await errorOf(ann, "file_chunk", { ...chunk(0, 1), uploadId: "none" }), "unknown_upload");
      assert.equal(await errorOf(bob, "file_chunk", chunk(40_000, 50_000)), "foreign_upload");
      assert.equal(await errorOf(bob, "file_upload_complete", { uploadId }), "foreign_upload");
      assert.equal(await errorOf(bob, "file_upload_cancel", { uploadId }), "foreign_upload");
      assert.equal(await errorOf(ann, "file_upload_complete", { uploadId: "none" }), "unknown_upload");
      assert.equal(await errorOf(ann, "file_upload_complete", { uploadId }), "file_incomplete");
      assert.equal(await errorOf(ann, "file_chunk", { uploadId, offset: 40_000, data: "" }), "bad_payload");
      assert.equal(await errorOf(ann, "file_chunk", { uploadId, offset: -1, data: "AA==" }), "bad_payload");
      assert.equal(await errorOf(ann, "file_chunk", { uploadId, offset: 0, data: "?" }), "bad_payload");
      await ann.send("file_chunk", chunk(40_000, 80_000));
      await ann.send("file_chunk", chunk(80_000, 90_000));
      const { payload } = await ann.ask("file_upload_complete", { uploadId });
      assert.deepEqual(await downloadFile(ann, payload.fileId), bytes);
      assert.equal(await errorOf(ann, "file_download", { fileId: "none" }), "unknown_file");
      assert.equal(
        await errorOf(ann, "file_download", { fileId: payload.fileId, offset: 90_001 }),
        "file_range",
      );
      await Promise.all([ann.close(), bob.close()]);
    }));
}

Deno.test("file abuse: bytes that do not have the hash are not kept, and not announced", () =>
  withService({}, async (service) => {
    const ann = await service.connect("websocket", "ann");
    const { payload: { uploadId } } = await ann.ask("file_upload_start", {
      ...START,
      sha256: sha256(sampleBytes(10)),
    });
    await ann.send("file_chunk", { uploadId, offset: 0, data: sampleBytes(10, 2).toBase64() });
    assert.equal(await errorOf(ann, "file_upload_complete", { uploadId }), "file_hash_mismatch");
    assert.equal(await errorOf(ann, "file_upload_complete", { uploadId }), "unknown_upload");
    const { payload } = await ann.ask("history", { channel: "chat:a" });
    assert.deepEqual(payload.messages, []);
    const { files } = await service.stats();
    assert.deepEqual([files.files, files.partial, files.uploads], [0, 0, 0]);
    await ann.close();
  }));

Deno.test("file abuse: limits of size, type, number and bytes, and of uploads at once, each by its name", () =>
  withService({
    maxSize: 1000,
    userFiles: 3,
    userBytes: 1500,
    maxUploads: 2,
    deny: ["text/html"],
    allow: ["text/*"],
  }, async (service) => {
    const ann = await service.connect("websocket", "ann");
    const hash = (n: number) => n.toString(16).padStart(64, "0");
    const start = (over: Record<string, unknown>) => errorOf(ann, "file_upload_start", { ...START, ...over });
    assert.equal(await start({ size: 1001 }), "file_too_large");
    assert.equal(await start({ type: "image/png" }), "file_type_refused");
    assert.equal(await start({ type: "text/HTML; charset=utf-8" }), "file_type_refused");
    assert.equal(await start({ channel: "user:bob" }), "permission_denied");
    assert.equal(await start({ channel: "broadcast:all" }), "permission_denied");
    assert.equal(await start({ channel: "admin:x" }), "permission_denied");
    for (
      const bad of [{ size: -1 }, { size: 1.5 }, { sha256: "F".repeat(64) }, { sha256: "0" }, { name: "" }]
    ) {
      assert.equal(await start(bad), "bad_payload", JSON.stringify(bad));
    }
    await ann.ask("file_upload_start", { ...START, size: 800, sha256: hash(1) });
    assert.equal(await start({ size: 800, sha256: hash(2) }), "quota_exceeded");
    await ann.ask("file_upload_start", { ...START, size: 600, sha256: hash(3) });
    assert.equal(await start({ size: 1, sha256: hash(4) }), "too_many_transfers");
    // Going on with one of them is no third one.
    await ann.ask("file_upload_start", { ...START, size: 600, sha256: hash(3) });
    await ann.close();
  }));

Deno.test("file abuse: names are only shown: no path of theirs is ever made", () =>
  withService({}, async (service) => {
    const ann = await service.connect("websocket", "ann");
    const tricks = ["../../../tmp/evil", "/etc/passwd", "..\\..\\x", "a\0b", "CON", "con\u202etxt.exe", "."];
    for (const [n, name] of tricks.entries()) {
      const { uploaded } = await uploadFile(ann, { bytes: sampleBytes(100 + n), name });
      assert.doesNotMatch(uploaded!.name, /[\\/\0\u202e]/);
      const answer = await fetch(service.url + uploaded!.url, {
        headers: { authorization: `Bearer ${await service.token("ann")}` },
      });
      assert.equal((await answer.arrayBuffer()).byteLength, 100 + n);
    }
    const found: string[] = [];
    const walk = async (directory: string) => {
      for await (const entry of Deno.readDir(directory)) {
        if (entry.isDirectory) await walk(`${directory}/${entry.name}`);
        else found.push(entry.name);
      }
    };
    await walk(service.config.engine.sqlite.files);
    assert.deepEqual(found.filter((name) => !/^([0-9a-f]{64}|files\.sqlite.*)$/.test(name)), []);
    await ann.close();
  }));

Deno.test("file abuse: who may read a channel but not publish to it may download and not upload", () =>
  withService({}, async (service) => {
    const ann = await service.connect("quic", "ann");
    const { uploaded } = await uploadFile(ann, { bytes: sampleBytes(50_000), channel: "chat:news" });
    const claims = { channels: [], subscribe: ["chat:news"], publish: [] };
    const reader = await service.connect("quic", "rita", claims);
    assert.equal(
      await errorOf(reader, "file_upload_start", { ...START, channel: "chat:news" }),
      "permission_denied",
    );
    assert.equal((await downloadFile(reader, uploaded!.fileId)).length, 50_000);
    await Promise.all([ann.close(), reader.close()]);
  }));

Deno.test("file abuse: a right that was lost during the upload is missed at its end", () =>
  withService({}, async (service) => {
    const ann = await service.connect("quic", "ann");
    const bytes = sampleBytes(1000);
    const { payload: { uploadId } } = await startUpload(ann, { bytes });
    await ann.send("file_chunk", { uploadId, offset: 0, data: bytes.toBase64() });
    await ann.ask("auth_refresh", { token: await service.token("ann", { channels: ["chat:other"] }) });
    assert.equal(await errorOf(ann, "file_upload_complete", { uploadId }), "permission_denied");
    await ann.close();
  }));

Deno.test("file abuse: a download is cancelled, several at once are bounded, and a client that is gone ends them", () =>
  withService({ maxDownloads: 2 }, async (service) => {
    const ann = await service.connect("quic", "ann");
    const bytes = sampleBytes(6_000_000);
    const { uploaded } = await uploadFile(ann, { bytes });
    const fileId = uploaded!.fileId;
    await ann.close();
    const slow = await service.dial("websocket");
    await slow.authenticate(await service.token("bob"));
    const first = await slow.send("file_download", { fileId });
    const started = await slow.next(({ re }) => re === first);
    assert.equal(started.type, "file_download_ready");
    await slow.send("file_download_cancel", { download: first });
    await slow.send("file_download_cancel", { download: "none" });
    assert.equal(await slow.ask("ping", {}).then(({ type }) => type), "pong");
    const bob = await service.connect("quic", "bob");
    const answers = await Promise.all([1, 2, 3].map(async () => {
      const id = await bob.send("file_download", { fileId });
      return (await bob.next(({ re }) => re === id)).payload.name;
    }));
    assert.deepEqual(answers.filter((name) => name === "too_many_transfers").length, 1);
    await Promise.all([bob.close(), slow.close()]);
    for (let tries = 0; tries < 3_000 && (await service.stats()).files.readers > 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal((await service.stats()).files.readers, 0);
  }));

Deno.test("file abuse: file messages belong on file lanes", () =>
  withService({}, async (service) => {
    const ann = await service.connect("quic", "ann");
    await ann.openLane(1);
    const answer = await ann.request("file_upload_start", START, { lane: 1 });
    assert.equal(answer.payload.name, "wrong_lane");
    await ann.close();
  }));

Deno.test("file abuse: large chunks do not count against the sender's rates: the window holds them back", async () => {
  const rate = { messagesPerSecond: 5, messageBurst: 20, bytesPerSecond: 70_000, byteBurst: 70_000 };
  const service = await startTestService({ session: { rates: { connection: rate } } });
  try {
    const ann = await service.connect("quic", "ann");
    // Ten times the rate's bytes: held back by the window alone, so that chat is not.
    const { uploaded } = await uploadFile(ann, { bytes: sampleBytes(700_000) });
    assert.equal(uploaded!.size, 700_000);
    await ann.close();
  } finally {
    await service.stop();
  }
});
