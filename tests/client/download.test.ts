/** Downloads of the SDK from the real service, on the three transports, and what interrupts them. */

import assert from "node:assert/strict";
import { type Download, type DownloadProgress, type SkeinClient, SkeinError } from "../../src/client/mod.ts";
import { sampleBytes, sha256 } from "../files/support.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";
import { crowd, pause, until } from "./crowd.ts";
import { ALONE, Restartable } from "./restartable.ts";

const KINDS = ["webtransport", "quic", "websocket"] as const;

async function upload(client: SkeinClient, bytes: Uint8Array<ArrayBuffer>, channel = "chat:files") {
  return await client.channel(channel).upload(new Blob([bytes], { type: "image/png" })).done;
}

/** Reads all of a stream as one who takes his time: `between` is awaited before each piece. */
async function read(download: Download, between: (got: number) => Promise<void> | void): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let got = 0;
  const reader = download.stream.getReader();
  for (;;) {
    await between(got);
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value);
    got += value.length;
  }
}

for (const kind of KINDS) {
  Deno.test(`download: a file comes down as it went up, whole and in parts, on ${kind}`, async () => {
    await using people = await crowd();
    const ann = people.join("ann", ALONE[kind]);
    const bytes = sampleBytes(3_000_001);
    const { fileId } = await upload(ann, bytes);
    const seen: DownloadProgress[] = [];
    const whole = ann.download(fileId, { onProgress: (progress) => seen.push(progress) });
    const blob = await whole.blob();
    assert.equal(ann.manager.getTransportType(), kind);
    assert.equal(blob.type, "image/png");
    assert.deepEqual(new Uint8Array(await blob.arrayBuffer()), bytes);
    const { name, size, sha256: hash, type } = await whole.info;
    assert.deepEqual([name, size, hash, type], ["file", bytes.length, sha256(bytes), "image/png"]);
    const steps = seen.map(({ received }) => received);
    assert.deepEqual(steps, steps.toSorted((a, b) => a - b));
    assert.deepEqual(seen.at(-1), { received: bytes.length, size: bytes.length, state: "done" });
    assert.ok(seen.slice(0, -1).every(({ state }) => state === "receiving"));
    for (
      const [offset, length] of [
        [0, 1],
        [1000, 700_000],
        [2_999_990, 100],
        [3_000_001, 10],
        [5, 0],
        [1_500_000, undefined],
      ] as const
    ) {
      const part = ann.download(fileId, length === undefined ? { offset } : { offset, length });
      const expected = bytes.subarray(offset, length === undefined ? undefined : offset + length);
      assert.deepEqual(await part.bytes(), expected, `${offset} ${length}`);
      assert.equal(part.progress.size, expected.length);
    }
    const empty = await upload(ann, new Uint8Array());
    assert.deepEqual(await ann.download(empty.fileId).bytes(), new Uint8Array());
  });

  Deno.test(`download: a download goes on where it was after the service was restarted, on ${kind}`, async () => {
    await using place = await Restartable.open();
    const ann = place.join("ann", ALONE[kind]);
    const bytes = sampleBytes(5_000_000, 2);
    const { fileId } = await upload(ann, bytes);
    const received: number[] = [];
    const download = ann.download(fileId, { onProgress: (progress) => received.push(progress.received) });
    let restarted = 0;
    const got = await read(download, async (at) => {
      if (at < (restarted + 1) * 1_200_000 || restarted === 3) return;
      restarted++;
      await place.restart();
    });
    assert.deepEqual(got, bytes);
    assert.equal(restarted, 3);
    // Never a byte twice.
    assert.ok(received.every((at, i) => i === 0 || at >= received[i - 1]!));
  });

  Deno.test(`download: chat goes on beside a reader that has stopped, and no more is asked for than it takes, on ${kind}`, async () => {
    await using people = await crowd();
    const ann = people.join("ann", ALONE[kind]);
    const bob = people.join("bob", ALONE[kind]);
    const bytes = sampleBytes(20_000_000, 3);
    const { fileId } = await upload(bob, bytes);
    const before = ann.manager.measure().traffic.bytesIn;
    const stuck = ann.download(fileId);
    await until("it has begun", () => stuck.progress.received > 0);
    const heard: string[] = [];
    await ann.channel("chat:talk").subscribe(({ text }) => heard.push(text!));
    for (let i = 0; i < 50; i++) {
      await bob.channel("chat:talk").publish(`${i}`);
      await until("it is heard", () => heard.length === i + 1, 5000);
      await pause(4);
    }
    const { received } = stuck.progress;
    assert.ok(received < 6_000_000, `${received} bytes without a reader`);
    // What the server would send unasked would come now.
    assert.ok(ann.manager.measure().traffic.bytesIn - before < 9_000_000);
    assert.equal((await people.service.stats()).files.readers, 0);
    assert.deepEqual(await stuck.bytes(), bytes);
  });
}

Deno.test("download: a download goes on where it was after its connection was cut", async () => {
  await using people = await crowd();
  const { port } = people.service.service.addresses.http;
  const proxy = new TcpProxy({ target: { hostname: "127.0.0.1", port } });
  try {
    const ann = people.join("ann", {
      url: undefined as never,
      websocketUrl: `ws://127.0.0.1:${proxy.port}/connection/websocket`,
    });
    const bytes = sampleBytes(16_000_000, 4);
    const { fileId } = await upload(ann, bytes);
    let cuts = 0;
    ann.on("disconnected", () => cuts++);
    const download = ann.download(fileId, {
      // In the middle of a range, not between two.
      onProgress: ({ received }) => {
        if (received > (cuts + 1) * 1_500_000 && cuts < 3) proxy.cut();
      },
    });
    assert.deepEqual(await download.bytes(), bytes);
    assert.ok(cuts >= 3, `${cuts} cuts`);
  } finally {
    await proxy.close();
  }
});

Deno.test("download: a download goes on where it was when the session moves from QUIC to WebSocket and back", async () => {
  await using people = await crowd();
  const ann = people.join("ann", { probing: { first: 100, max: 200 } });
  const bytes = sampleBytes(8_000_000, 5);
  const { fileId } = await upload(ann, bytes);
  const kinds = new Set<string | null>();
  const { service } = people;
  const generous = { session: { perIp: { connections: 1000, rate: 10_000, burst: 10_000 } } };
  let moves = 0;
  const got = await read(ann.download(fileId), async (at) => {
    kinds.add(ann.manager.getTransportType());
    if (moves === 0 && at > 1_000_000) {
      moves = 1;
      await service.reconfigure({ ...generous, quic: { enabled: false } });
      await until("it is on WebSocket", () => ann.manager.getTransportType() === "websocket");
    } else if (moves === 1 && at > 5_000_000) {
      moves = 2;
      await service.reconfigure(generous);
      await until("it is on QUIC again", () => ann.manager.getTransportType() === "webtransport");
    }
  });
  assert.deepEqual(got, bytes);
  assert.equal(moves, 2);
  assert.deepEqual([...kinds].filter((kind) => kind !== null).sort(), ["websocket", "webtransport"]);
});

Deno.test("download: a download that is cancelled ends for its reader and at the server", async () => {
  await using people = await crowd();
  const ann = people.join("ann", ALONE.webtransport);
  const { fileId } = await upload(ann, sampleBytes(4_000_000, 6));
  const closed = (error: unknown) => error instanceof SkeinError && error.error === "closed";
  const abort = new AbortController();
  const ways: ((download: Download) => unknown)[] = [
    (download) => download.cancel(),
    () => abort.abort(),
    (download) => download.stream.cancel(),
  ];
  for (const [i, end] of ways.entries()) {
    const download = ann.download(fileId, i === 1 ? { signal: abort.signal } : {});
    await until("it has begun", () => download.progress.received > 0);
    await end(download);
    assert.equal(download.progress.state, "failed");
    if (i === 2) continue;
    await assert.rejects(download.bytes(), closed);
  }
  await assert.rejects(ann.download(fileId, { signal: abort.signal }).bytes(), closed);
  const unread = ann.download(fileId, { signal: abort.signal });
  await assert.rejects(unread.info, closed);
  for (let i = 0; (await people.service.stats()).files.readers > 0; i++) {
    assert.ok(i < 200, "a reader is left open");
    await pause(10);
  }
  // Nothing is left of them that would be in the way of others.
  const others = Array.from({ length: 12 }, () => ann.download(fileId, { offset: 3_000_000 }).bytes());
  for (const bytes of await Promise.all(others)) assert.equal(bytes.length, 1_000_000);
});

Deno.test("download: a download that is refused says why, in its stream and in what is known of it", async () => {
  await using people = await crowd();
  const ann = people.join("ann");
  const { fileId } = await upload(ann, sampleBytes(1000), "chat:a");
  const token = await people.service.token("eve", { channels: ["chat:eve"] });
  const eve = people.join("eve", { getToken: () => token });
  const refused = async (download: Download, error: string): Promise<void> => {
    await assert.rejects(download.bytes(), { error });
    await assert.rejects(download.info, { error });
    assert.equal(download.progress.state, "failed");
  };
  await refused(ann.download("none"), "unknown_file");
  await refused(eve.download(fileId), "permission_denied");
  await refused(ann.download(fileId, { offset: 1001 }), "file_range");
  await refused(ann.download(""), "bad_payload");
  for (const part of [{ offset: -1 }, { length: 0.5 }, { offset: NaN }, { offset: 2 ** 53 - 1, length: 2 }]) {
    assert.throws(() => ann.download(fileId, part), { error: "bad_argument" });
  }
  await ann.close();
  await refused(ann.download(fileId), "closed");
});

Deno.test("download: a client that is closed in the middle ends its downloads and uploads with `closed`", async () => {
  await using people = await crowd();
  for (const end of ["close", "disconnect"] as const) {
    const ann = people.join("ann");
    const { fileId } = await upload(ann, sampleBytes(5_000_000, 8));
    const download = ann.download(fileId);
    const sending = ann.channel("chat:files").upload(new Blob([sampleBytes(9_000_000, 9)]));
    await until("both have begun", () => download.progress.received > 0 && sending.progress.acknowledged > 0);
    await ann[end]();
    await assert.rejects(sending.done, { error: "closed" });
    await assert.rejects(download.bytes(), { error: "closed" });
  }
});

Deno.test("download: a link is an address that needs no token", async () => {
  await using people = await crowd();
  const { url, websocketUrl, webtransportUrl } = people.service;
  const bytes = sampleBytes(5000, 7);
  const ann = people.join("ann");
  const { fileId } = await upload(ann, bytes);
  for (const over of [{}, { url: undefined as never, websocketUrl }]) {
    const link = await people.join("ann", over).fileLink(fileId);
    assert.ok(link.url.startsWith(`${url}/files/`), link.url);
    assert.ok(link.expiresIn > 0);
    const answer = await fetch(link.url);
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), bytes);
  }
  await assert.rejects(ann.fileLink("none"), { error: "unknown_file" });
  const nowhere = people.join("ann", { url: undefined as never, quicUrl: webtransportUrl });
  await assert.rejects(nowhere.fileLink(fileId), { error: "bad_argument" });
});

Deno.test("download: a whole file with other bytes than were said is refused at its end, a part of it has no hash", async () => {
  await using people = await crowd({ engine: { kind: "sqlite" } });
  const ann = people.join("ann");
  const bytes = sampleBytes(2_000_000, 10);
  const { fileId } = await upload(ann, bytes);
  const hash = sha256(bytes);
  const { files } = people.service.config.engine.sqlite;
  const path = `${files}/blobs/${hash.slice(0, 2)}/${hash}`;
  await Deno.chmod(path, 0o600);
  const file = await Deno.open(path, { write: true });
  await file.seek(1_234_567, Deno.SeekMode.Start);
  await file.write(new Uint8Array([bytes[1_234_567]! ^ 1]));
  file.close();
  const download = ann.download(fileId);
  await assert.rejects(download.bytes(), { error: "file_hash_mismatch" });
  assert.equal(download.progress.state, "failed");
  assert.equal(download.progress.received, bytes.length);
  assert.equal((await download.info).sha256, hash);
  const part = await ann.download(fileId, { offset: 1_234_567, length: 1 }).bytes();
  assert.deepEqual([...part], [bytes[1_234_567]! ^ 1]);
});

Deno.test("download: many downloads at once take their turns, also at a service that allows one", async () => {
  await using people = await crowd({ files: { maxDownloads: 1 } });
  const ann = people.join("ann", ALONE.websocket);
  const bytes = sampleBytes(1_200_000, 11);
  const { fileId } = await upload(ann, bytes);
  assert.deepEqual(
    await Promise.all([0, 1].map((offset) => ann.download(fileId, { offset }).bytes())),
    [bytes, bytes.subarray(1)],
  );
  await using generous = await crowd();
  const bob = generous.join("bob");
  const own = await upload(bob, bytes);
  const refusals: string[] = [];
  bob.on("error", ({ error }) => refusals.push(error));
  const all = Array.from({ length: 20 }, (_, offset) => bob.download(own.fileId, { offset }).bytes());
  for (const [offset, got] of (await Promise.all(all)).entries()) {
    assert.deepEqual(got, bytes.subarray(offset));
  }
  assert.deepEqual(refusals, []);
});

Deno.test("download: a service that will not give the file any more says so in the middle", async () => {
  await using people = await crowd();
  const ann = people.join("ann");
  const { fileId } = await upload(ann, sampleBytes(12_000_000, 12));
  const download = ann.download(fileId);
  await until("it has begun", () => download.progress.received > 0);
  await people.service.reconfigure({
    session: { perIp: { connections: 1000, rate: 10_000, burst: 10_000 } },
    files: { enabled: false },
  });
  // It is temporary: asked for again, until it is given up.
  let ended = false;
  const got = download.bytes().finally(() => ended = true);
  await pause(1500);
  assert.equal(ended, false);
  await people.service.reconfigure({
    session: { perIp: { connections: 1000, rate: 10_000, burst: 10_000 } },
  });
  assert.equal((await got).length, 12_000_000);
});
