import assert from "node:assert/strict";
import { SkeinClient, type UploadProgress } from "../../src/client/mod.ts";
import { sampleBytes, sha256, startUpload } from "../files/support.ts";
import { startTestService, type TestService } from "../support/service.ts";

type Options = Partial<ConstructorParameters<typeof SkeinClient>[0]>;

async function withClient(
  run: (sender: SkeinClient, service: TestService) => Promise<void>,
  options: Options = {},
  input = {},
): Promise<void> {
  const service = await startTestService(input);
  const sender = new SkeinClient({
    url: service.url,
    getToken: () => service.token("ann"),
    headStart: 300,
    ...options,
  });
  try {
    await run(sender, service);
  } finally {
    await sender.close();
    await service.stop();
  }
}

async function download(service: TestService, path: string): Promise<Uint8Array> {
  const answer = await fetch(`${service.url}${path}`, {
    headers: { authorization: `Bearer ${await service.token("ann")}` },
  });
  assert.equal(answer.status, 200);
  return new Uint8Array(await answer.arrayBuffer());
}

for (const enableQuic of [true, false]) {
  Deno.test(`upload: a file goes up over ${enableQuic ? "WebTransport" : "WebSocket"}, is announced and comes down as it was`, () =>
    withClient(async (sender, service) => {
      const channel = sender.channel("chat:files");
      const announced = Promise.withResolvers<unknown>();
      await channel.subscribe(({ data }) => announced.resolve(data));
      const bytes = sampleBytes(3_000_000);
      const seen: UploadProgress[] = [];
      const said: string[] = [];
      const send = sender.manager.send.bind(sender.manager) as (type: string, ...rest: unknown[]) => unknown;
      sender.manager.send = ((type: string, ...rest: unknown[]) => {
        said.push(type);
        return send(type, ...rest);
      }) as typeof sender.manager.send;
      const upload = channel.upload(new Blob([bytes], { type: "image/png" }), {
        name: "holiday.png",
        onProgress: (progress) => seen.push(progress),
      });
      const file = await upload.done;
      assert.equal(file.size, bytes.length);
      assert.equal(((await announced.promise) as { file: { fileId: string } }).file.fileId, file.fileId);
      assert.deepEqual(await download(service, file.url), bytes);
      assert.equal(seen.at(-1)?.state, "done");
      const steps = seen.map(({ acknowledged }) => acknowledged);
      assert.deepEqual(steps, steps.toSorted((a, b) => a - b));
      // Nothing overtook another: it was begun once, and complete at the first word.
      for (const once of ["file_upload_start", "file_upload_complete"]) {
        assert.equal(said.filter((type) => type === once).length, 1, once);
      }
    }, { enableQuic }));
}

Deno.test("upload: an upload goes on where it was when the session moves from QUIC to WebSocket and back", () =>
  withClient(async (sender, service) => {
    const channel = sender.channel("chat:files");
    await channel.subscribe();
    const bytes = sampleBytes(8_000_000, 2);
    let moved = 0;
    const upload = channel.upload(new Blob([bytes]), {
      onProgress: ({ acknowledged }) => {
        if (moved++ === 0 && acknowledged < bytes.length) {
          void service.reconfigure({ quic: { enabled: false } });
        }
        if (moved === 12) void service.reconfigure({});
      },
    });
    const file = await upload.done;
    assert.deepEqual(await download(service, file.url), bytes);
    assert.ok(moved > 12);
  }, { probing: { first: 100, max: 200 } }));

Deno.test("upload: a paused upload waits and goes on, a cancelled one leaves nothing", () =>
  withClient(async (sender, service) => {
    const channel = sender.channel("chat:files");
    await channel.subscribe();
    // More than the window: the first acknowledgement comes before all of it is sent.
    const bytes = sampleBytes(9_000_000, 3);
    const paused = Promise.withResolvers<void>();
    let once = false;
    const upload = channel.upload(new Blob([bytes]), {
      onProgress: ({ acknowledged, state }) => {
        if (state === "sending" && acknowledged > 0 && !once) {
          once = true;
          upload.pause();
          paused.resolve();
        }
      },
    });
    await paused.promise;
    assert.equal(upload.progress.state, "paused");
    const early = await Promise.race([
      upload.done,
      new Promise((resolve) => setTimeout(resolve, 100, "waits")),
    ]);
    assert.equal(early, "waits");
    const other = channel.upload(new Blob([sampleBytes(4_000_000, 4)]));
    await other.cancel();
    await assert.rejects(other.done, { error: "closed" });
    upload.resume();
    const file = await upload.done;
    assert.deepEqual(await download(service, file.url), bytes);
  }));

Deno.test("upload: a file that is refused says why", () =>
  withClient(
    async (sender) => {
      const upload = sender.channel("chat:files").upload(new Blob([sampleBytes(2000)]));
      await assert.rejects(upload.done, { error: "file_too_large" });
      assert.equal(upload.progress.state, "failed");
    },
    {},
    { files: { maxSize: 1000 } },
  ));

/** Payloads of the messages of a type that a client sends from now on. */
function watch(client: SkeinClient, watched: string): Record<string, unknown>[] {
  const said: Record<string, unknown>[] = [];
  const send = client.manager.send.bind(client.manager) as (type: string, ...rest: unknown[]) => unknown;
  client.manager.send = ((type: string, payload: Record<string, unknown>, ...rest: unknown[]) => {
    if (type === watched) said.push({ ...payload });
    return send(type, payload, ...rest);
  }) as typeof client.manager.send;
  return said;
}

/** Resolves when a part of it has arrived. */
async function underWay(upload: { readonly progress: UploadProgress }): Promise<void> {
  while (upload.progress.acknowledged === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}

for (const enableQuic of [true, false]) {
  const name = enableQuic ? "WebTransport" : "WebSocket";
  Deno.test(`upload: an upload waits until a full disk has room again, over ${name}`, () =>
    withClient(
      async (sender, service) => {
        const channel = sender.channel("chat:files");
        const bytes = sampleBytes(9_000_000, 5);
        // Its place on the disk is made, and then every write to it finds the device full.
        const elsewhere = await service.connect("websocket", "ann");
        await startUpload(elsewhere, { bytes });
        await elsewhere.close();
        const folder = `${service.config.engine.sqlite.files}/partial`;
        const [partial] = [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`);
        Deno.removeSync(partial!);
        Deno.symlinkSync("/dev/full", partial!);
        const refused = Promise.withResolvers<void>();
        sender.on("error", ({ error }) => error === "not_available" && refused.resolve());
        const upload = channel.upload(new Blob([bytes]));
        await refused.promise;
        Deno.removeSync(partial!);
        assert.deepEqual(await download(service, (await upload.done).url), bytes);
      },
      { enableQuic },
      { engine: { kind: "sqlite" } },
    ));

  Deno.test(`upload: an upload whose answers are slow is one file, announced once, over ${name}`, () =>
    withClient(
      async (sender) => {
        const channel = sender.channel("chat:files");
        const upload = channel.upload(new Blob([sampleBytes(1_500_000, 6)]));
        const { fileId } = await upload.done;
        const { messages } = await channel.history();
        const announced = messages.map(({ data }) => (data as { file: { fileId: string } }).file.fileId);
        assert.deepEqual(announced, [fileId]);
      },
      // The window is larger than what is acknowledged in the time an answer may take.
      { enableQuic, requestTimeout: 300 },
      { files: { rate: 1_000_000 } },
    ));
}

Deno.test("upload: a chunk that is refused is no concern of the other uploads", () =>
  withClient(
    async (sender, service) => {
      const channel = sender.channel("chat:files");
      const [mine, other] = [sampleBytes(6_000_000, 7), sampleBytes(6_000_000, 8)];
      const starts = watch(sender, "file_upload_start");
      const upload = channel.upload(new Blob([other]));
      const taken = channel.upload(new Blob([mine]));
      await Promise.all([underWay(upload), underWay(taken)]);
      // Another session of the user begins the same file: what this one sends of it is refused.
      const elsewhere = await service.connect("websocket", "ann");
      await startUpload(elsewhere, { bytes: mine });
      await Promise.all([upload.done, taken.done]);
      const begun = (bytes: Uint8Array) =>
        starts.filter((payload) => payload.sha256 === sha256(bytes)).length;
      assert.deepEqual([begun(other), begun(mine) > 1], [1, true]);
      await elsewhere.close();
    },
    { enableQuic: false },
    { files: { rate: 4_000_000 } },
  ));

for (const enableQuic of [true, false]) {
  Deno.test(`upload: an upload begun after the limits were raised keeps to those of its connection, over ${enableQuic ? "WebTransport" : "WebSocket"}`, () =>
    withClient(async (sender, service) => {
      await sender.connect();
      await service.reconfigure({
        session: { maxMessage: "1MiB", maxOutbox: "4MiB" },
        files: { maxChunk: "256KiB" },
      });
      const bytes = sampleBytes(1_000_000, 9);
      const { url, fileId } = await sender.channel("chat:files").upload(new Blob([bytes])).done;
      assert.deepEqual(await download(service, url), bytes);
      assert.deepEqual(await sender.download(fileId).bytes(), bytes);
    }, { enableQuic }));
}
