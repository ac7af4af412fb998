/** `GET /files/<id>` of a running service over HTTP/3: by a bare client, and by Chromium. */

import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import type { FieldLine } from "../../src/quic/h3/qpack.ts";
import { Http3Peer } from "../quic/h3_peer.ts";
import { withChromium } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { sampleBytes, uploadFile } from "./support.ts";

interface Kept {
  readonly service: TestService;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly path: string;
  readonly token: string;
  /** A path that needs no token. */
  readonly link: string;
}

async function withFile(run: (kept: Kept) => Promise<void>): Promise<void> {
  const service = await startTestService({ engine: { kind: "sqlite" } });
  try {
    const bytes = sampleBytes(1_500_000);
    const ann = await service.connect("websocket", "ann");
    const { uploaded } = await uploadFile(ann, { bytes, name: "a.png", type: "image/png" });
    const { payload } = await ann.ask("file_link", { fileId: uploaded!.fileId });
    await ann.close();
    const token = await service.token("bob");
    await run({ service, bytes, path: uploaded!.url as string, token, link: payload.url });
  } finally {
    await service.stop();
  }
}

Deno.test("file http3: a file comes over HTTP/3 whole and in parts, and is not sent to who has it", () =>
  withFile(async ({ service, bytes, path, token, link }) => {
    const peer = await Http3Peer.connect(service.quicPort, service.certificateHash);
    try {
      await peer.control();
      const ask = (method: string, target: string, ...more: FieldLine[]) =>
        peer.request([
          [":method", method],
          [":scheme", "https"],
          [":authority", `127.0.0.1:${service.quicPort}`],
          [":path", target],
          ...more,
        ]);
      const bearer: FieldLine = ["authorization", `Bearer ${token}`];
      const whole = await ask("GET", path, bearer);
      assert.equal(whole.status, 200);
      assert.deepEqual(whole.body, bytes);
      assert.equal(whole.headers.get("content-type"), "image/png");
      assert.equal(whole.headers.get("content-length"), `${bytes.length}`);
      assert.match(whole.headers.get("content-disposition")!, /filename="a\.png"/);
      assert.equal(whole.headers.get("content-security-policy"), "default-src 'none'; sandbox");

      const etag = whole.headers.get("etag")!;
      const part = await ask("GET", path, bearer, ["range", "bytes=1000-699999"], ["if-range", etag]);
      assert.equal(part.status, 206);
      assert.equal(part.headers.get("content-range"), `bytes 1000-699999/${bytes.length}`);
      assert.deepEqual(part.body, bytes.slice(1000, 700_000));
      const other = await ask("GET", path, bearer, ["range", "bytes=0-9"], ["if-range", '"other"']);
      assert.deepEqual([other.status, other.body.length], [200, bytes.length]);
      const beyond = await ask("GET", path, bearer, ["range", `bytes=${bytes.length}-`]);
      assert.deepEqual([beyond.status, beyond.headers.get("content-range")], [
        416,
        `bytes */${bytes.length}`,
      ]);

      const known = await ask("GET", path, bearer, ["if-none-match", etag]);
      assert.deepEqual([known.status, known.headers.get("etag"), known.body.length], [304, etag, 0]);
      const head = await ask("HEAD", path, bearer);
      assert.deepEqual(
        [head.status, head.headers.get("content-length"), head.body.length],
        [200, `${bytes.length}`, 0],
      );

      assert.deepEqual((await ask("GET", link)).body, bytes);
      assert.equal((await ask("GET", path)).status, 401);
      assert.equal((await ask("GET", path, ["authorization", "Bearer nonsense"])).status, 401);
      assert.equal((await ask("GET", "/files/none", bearer)).status, 404);
      assert.equal((await ask("POST", path, bearer)).status, 405);
    } finally {
      peer.close();
    }
    for (let tries = 0; tries < 3_000 && (await service.stats()).files.readers > 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal((await service.stats()).files.readers, 0);
  }));

testWith(
  ["chromium"],
  "file http3: Chromium takes a file over HTTP/3, a part of it, and is told when it has it",
  () =>
    withFile(async ({ service, bytes, path, token }) => {
      const { certificates } = service.config;
      const pem = await Deno.readTextFile(await certificateIn(certificates.directory!));
      const key = new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" });
      const chromiumFlags = [
        `--origin-to-force-quic-on=127.0.0.1:${service.quicPort}`,
        `--ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")}`,
      ];
      await withChromium(async (page) => {
        await page.goto(`https://127.0.0.1:${service.quicPort}/healthz`);
        const answers = await page.evaluate(async ({ path, token }) => {
          const digest = async (answer: Response): Promise<string> => {
            const bytes = await crypto.subtle.digest("SHA-256", await answer.arrayBuffer());
            return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
          };
          const get = (more: Record<string, string> = {}) =>
            fetch(path, { headers: { authorization: `Bearer ${token}`, ...more }, cache: "no-store" });
          const whole = await get();
          const etag = whole.headers.get("etag")!;
          const part = await get({ range: "bytes=5-99999" });
          const known = await get({ "if-none-match": etag });
          const entries = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
          const bare = await fetch(path);
          return {
            whole: [whole.status, await digest(whole)],
            part: [part.status, part.headers.get("content-range"), await digest(part)],
            known: [known.status, (await known.arrayBuffer()).byteLength],
            bare: bare.status,
            protocols: [...new Set(entries.map(({ nextHopProtocol }) => nextHopProtocol))],
          };
        }, { path, token });
        const hashOf = (part: Uint8Array) => createHash("sha256").update(part).digest("hex");
        assert.deepEqual(answers, {
          whole: [200, hashOf(bytes)],
          part: [206, `bytes 5-99999/${bytes.length}`, hashOf(bytes.slice(5, 100_000))],
          known: [304, 0],
          bare: 401,
          protocols: ["h3"],
        });
      }, { chromiumFlags });
    }),
);

async function certificateIn(directory: string): Promise<string> {
  for await (const { name } of Deno.readDir(directory)) {
    if (/\.(crt|pem)$/.test(name) && !name.includes("key")) return `${directory}/${name}`;
  }
  throw new Error("no certificate");
}
