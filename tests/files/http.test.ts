/** `GET /files/<id>` of a running service, over HTTP/1.1. */

import assert from "node:assert/strict";
import { startTestService, type TestService } from "../support/service.ts";
import { sampleBytes, uploadFile } from "./support.ts";

interface Kept {
  readonly service: TestService;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly url: string;
  readonly fileId: string;
  /** Who may read it. */
  readonly headers: { authorization: string };
}

async function withFile(
  over: { name?: string; type?: string; bytes?: Uint8Array<ArrayBuffer> },
  run: (kept: Kept) => Promise<void>,
  files: Record<string, unknown> = {},
): Promise<void> {
  const service = await startTestService({ files, engine: { kind: "sqlite" } });
  try {
    const { bytes = sampleBytes(200_000), ...rest } = over;
    const ann = await service.connect("websocket", "ann");
    const { uploaded } = await uploadFile(ann, { bytes, ...rest });
    await ann.close();
    const headers = { authorization: `Bearer ${await service.token("bob")}` };
    await run({
      service,
      bytes,
      headers,
      url: service.url + uploaded!.url,
      fileId: uploaded!.fileId as string,
    });
  } finally {
    await service.stop();
  }
}

const bodyOf = async (answer: Response) => new Uint8Array(await answer.arrayBuffer());

Deno.test("file http: a file comes whole, with what a browser has to know of it", () =>
  withFile({ name: "Übersicht 1.png", type: "image/png" }, async ({ url, headers, bytes }) => {
    const answer = await fetch(url, { headers });
    assert.equal(answer.status, 200);
    assert.deepEqual(await bodyOf(answer), bytes);
    const field = (name: string) => answer.headers.get(name);
    assert.equal(field("content-type"), "image/png");
    assert.equal(field("content-length"), `${bytes.length}`);
    assert.equal(field("accept-ranges"), "bytes");
    assert.equal(
      field("content-disposition"),
      `inline; filename="_bersicht 1.png"; filename*=UTF-8''%C3%9Cbersicht%201.png`,
    );
    assert.equal(field("x-content-type-options"), "nosniff");
    assert.equal(field("content-security-policy"), "default-src 'none'; sandbox");
    assert.match(field("cache-control")!, /private.*no-transform/);
    assert.equal(field("referrer-policy"), "no-referrer");
    assert.match(field("etag")!, /^"[A-Za-z0-9_-]{43}"$/);
  }));

Deno.test("file http: what a browser would run is saved, and scripts are only bytes", async () => {
  for (
    const [type, served] of [
      ["text/html", "text/html; charset=utf-8"],
      ["image/svg+xml", "image/svg+xml"],
      ["text/javascript", "application/octet-stream"],
    ] as const
  ) {
    await withFile({ name: "x", type, bytes: sampleBytes(10) }, async ({ url, headers }) => {
      const answer = await fetch(url, { headers });
      assert.equal(answer.headers.get("content-type"), served);
      assert.match(answer.headers.get("content-disposition")!, /^attachment;/);
      await answer.body?.cancel();
    });
  }
});

Deno.test("file http: parts of a file, and parts it does not have", () =>
  withFile({}, async ({ url, headers, bytes }) => {
    const get = (range: string, more: Record<string, string> = {}) =>
      fetch(url, { headers: { ...headers, range, ...more } });
    const size = bytes.length;
    for (
      const [range, start, end] of [
        ["bytes=0-0", 0, 1],
        ["bytes=1000-150000", 1000, 150_001],
        ["bytes=199999-", 199_999, size],
        ["bytes=-70000", 130_000, size],
        ["bytes=5-999999999", 5, size],
      ] as const
    ) {
      const answer = await get(range);
      assert.equal(answer.status, 206, range);
      assert.equal(answer.headers.get("content-range"), `bytes ${start}-${end - 1}/${size}`);
      assert.equal(answer.headers.get("content-length"), `${end - start}`);
      assert.deepEqual(await bodyOf(answer), bytes.slice(start, end));
    }
    for (const range of ["bytes=200000-", "bytes=-0"]) {
      const answer = await get(range);
      assert.equal(answer.status, 416, range);
      assert.equal(answer.headers.get("content-range"), `bytes */${size}`);
      assert.equal((await bodyOf(answer)).length, 0);
    }
    for (const range of ["bytes=0-1,5-6", "bytes=9-3", "lines=1-2"]) {
      const answer = await get(range);
      assert.equal(answer.status, 200, range);
      assert.equal((await bodyOf(answer)).length, size);
    }
    const etag = (await fetch(url, { method: "HEAD", headers })).headers.get("etag")!;
    for (const [ifRange, status] of [[etag, 206], ['"other"', 200], [`W/${etag}`, 200]] as const) {
      const answer = await get("bytes=0-9", { "if-range": ifRange });
      assert.equal(answer.status, status, ifRange);
      await answer.body?.cancel();
    }
  }));

Deno.test("file http: who has the content is told so, and HEAD says what GET would", () =>
  withFile({}, async ({ service, url, headers, bytes }) => {
    const head = await fetch(url, { method: "HEAD", headers });
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("content-length"), `${bytes.length}`);
    assert.equal((await bodyOf(head)).length, 0);
    for (const range of ["bytes=0-9", `bytes=${bytes.length}-`]) {
      const part = await fetch(url, { method: "HEAD", headers: { ...headers, range } });
      assert.deepEqual([part.status, part.headers.get("content-length")], [200, `${bytes.length}`]);
    }
    const etag = head.headers.get("etag")!;
    for (const known of [etag, `"x", W/${etag}`, "*"]) {
      const answer = await fetch(url, { headers: { ...headers, "if-none-match": known } });
      assert.equal(answer.status, 304, known);
      assert.equal(answer.headers.get("etag"), etag);
      assert.equal((await bodyOf(answer)).length, 0);
    }
    const other = await fetch(url, { headers: { ...headers, "if-none-match": '"x"' } });
    assert.equal(other.status, 200);
    await other.body?.cancel();
    const post = await fetch(url, { method: "POST", headers });
    assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
    await post.body?.cancel();
    // Nothing that was asked for half is left open.
    for (let tries = 0; tries < 3_000 && (await service.stats()).files.readers > 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal((await service.stats()).files.readers, 0);
  }));

Deno.test("file http: an empty file has no parts", () =>
  withFile({ bytes: new Uint8Array() }, async ({ url, headers }) => {
    const answer = await fetch(url, { headers });
    assert.deepEqual([answer.status, (await bodyOf(answer)).length], [200, 0]);
    const part = await fetch(url, { headers: { ...headers, range: "bytes=0-" } });
    assert.equal(part.status, 416);
    await part.body?.cancel();
  }));

Deno.test("file http: only those who may read the channel may read the file, and a link is for whoever has it", () =>
  withFile({}, async ({ service, url, headers, bytes, fileId }) => {
    const status = async (address: string, given: Record<string, string> = {}) => {
      const answer = await fetch(address, { headers: given });
      await answer.body?.cancel();
      return answer.status;
    };
    assert.equal(await status(url), 401);
    const bare = await fetch(url);
    assert.equal(bare.headers.get("www-authenticate"), "Bearer");
    await bare.body?.cancel();
    assert.equal(await status(url, { authorization: "Bearer nonsense" }), 401);
    const eve = `Bearer ${await service.token("eve", { channels: ["chat:eve"] })}`;
    assert.equal(await status(url, { authorization: eve }), 403);
    assert.equal(await status(`${service.url}/files/none`, headers), 404);
    assert.equal(await status(`${service.url}/files/..%2f..%2fetc%2fpasswd`, headers), 404);
    // Whose it is may read it, whatever else the token says.
    assert.equal(
      await status(url, { authorization: `Bearer ${await service.token("ann", { channels: [] })}` }),
      200,
    );
    // A token is not for URLs.
    assert.equal(await status(`${url}?token=${headers.authorization.slice(7)}`), 401);

    const bob = await service.connect("websocket", "bob");
    const { payload } = await bob.ask("file_link", { fileId });
    assert.deepEqual(await bodyOf(await fetch(service.url + payload.url)), bytes);
    assert.ok(payload.expiresIn > 590 && payload.expiresIn <= 600);
    assert.equal(await status(`${service.url}${payload.url}x`), 401);
    assert.equal(await status(`${service.url}/files/other?${payload.url.split("?")[1]}`), 401);
    const refused = await bob.request("file_link", { fileId: "none" });
    assert.equal(refused.payload.name, "unknown_file");
    await bob.close();
    const hers = await service.connect("websocket", "eve", { channels: ["chat:eve"] });
    assert.equal((await hers.request("file_link", { fileId })).payload.name, "permission_denied");
    assert.equal((await hers.request("file_download", { fileId })).payload.name, "permission_denied");
    await hers.close();
    const secret = payload.url.split("token=")[1];
    assert.ok(
      !service.lines.some((line) => JSON.stringify(line).includes(secret)),
      "a link's token was logged",
    );
  }));

Deno.test("file http: pages of other origins may ask with a token", () =>
  withFile({}, async ({ url, headers }) => {
    const origin = "https://app.example.com";
    const before = await fetch(url, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-headers": "authorization, range" },
    });
    assert.equal(before.status, 204);
    assert.match(before.headers.get("access-control-allow-headers")!, /authorization, range/);
    const answer = await fetch(url, { headers: { ...headers, origin } });
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    assert.match(answer.headers.get("access-control-expose-headers")!, /content-range/);
    await answer.body?.cancel();
  }));

Deno.test("file http: files that are switched off are not given out, and come back", () =>
  withFile({}, async ({ service, url, headers, bytes }) => {
    await service.reconfigure({ files: { enabled: false } });
    const answer = await fetch(url, { headers });
    assert.equal(answer.status, 503);
    await answer.body?.cancel();
    const ann = await service.connect("websocket", "ann");
    const refused = await ann.request("file_upload_start", {
      channel: "chat:files",
      name: "x",
      size: 1,
      type: "",
      sha256: "0".repeat(64),
    });
    assert.equal(refused.payload.name, "not_available");
    await ann.close();
    await service.reconfigure({});
    assert.deepEqual(await bodyOf(await fetch(url, { headers })), bytes);
  }));

Deno.test("file http: a reader that goes away in the middle leaves nothing open", () =>
  withFile({ bytes: sampleBytes(4_000_000) }, async ({ service, url, headers }) => {
    for (let i = 0; i < 5; i++) {
      const stop = new AbortController();
      const answer = await fetch(url, { headers, signal: stop.signal });
      const reader = answer.body!.getReader();
      await reader.read();
      stop.abort();
      await reader.closed.catch(() => {});
    }
    for (let tries = 0; tries < 3_000 && (await service.stats()).files.readers > 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal((await service.stats()).files.readers, 0);
  }));
