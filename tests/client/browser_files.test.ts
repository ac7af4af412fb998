/** Files and documents with the SDK as pages get it, in real browsers. */

import assert from "node:assert/strict";
import type { SkeinClient } from "../../src/client/mod.ts";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { buildBundles } from "../web/support.ts";
import { buildSdk } from "./build.ts";

await buildBundles();

/** A page of the service's own origin that has the SDK. */
async function withPage(
  browse: typeof withChromium,
  run: (browser: BrowserPage, service: TestService, origin: string) => Promise<void>,
): Promise<void> {
  const { code } = await buildSdk();
  const service = await startTestService();
  const pages = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const isSdk = new URL(request.url).pathname === "/skein.js";
    const type = isSdk ? "text/javascript" : "text/html";
    return new Response(isSdk ? code : "<!doctype html>", { headers: { "content-type": type } });
  });
  try {
    await browse((browser) => run(browser, service, `http://127.0.0.1:${pages.addr.port}`));
  } finally {
    await pages.shutdown();
    await service.stop();
  }
}

async function exchange(browser: BrowserPage, service: TestService, origin: string): Promise<void> {
  await browser.goto(origin);
  for (const enableQuic of [true, false]) {
    const options = { url: service.url, token: await service.token("ann"), enableQuic, headStart: 30_000 };
    const outcome = await browser.evaluate(async (options) => {
      const { SkeinClient } = await import("/skein.js" as string) as {
        SkeinClient: new (given: object) => SkeinClient;
      };
      const client = new SkeinClient(options);
      const bytes = new Uint8Array(3_000_000);
      for (let i = 0, state = options.enableQuic ? 1 : 2; i < bytes.length; i++) {
        state = Math.imul(state, 1664525) + 1013904223 | 0;
        bytes[i] = state >>> 24;
      }
      const same = (got: Uint8Array, wanted: Uint8Array): boolean =>
        got.length === wanted.length && got.every((byte, i) => byte === wanted[i]);
      let hashed = 0;
      const upload = client.channel("chat:files").upload(new File([bytes], "a.bin"), {
        onProgress: (progress) => hashed = progress.hashed,
      });
      const { fileId, name } = await upload.done;
      const whole = await client.download(fileId).bytes();
      const part = await client.download(fileId, { offset: 70_000, length: 1_500_000 }).blob();
      // As a page saves what is too large to be in memory.
      let piped = 0;
      await client.download(fileId).stream.pipeTo(
        new WritableStream({ write: ({ length }) => void (piped += length) }),
      );
      const link = await client.fileLink(fileId);
      const linked = new Uint8Array(await (await fetch(link.url)).arrayBuffer());
      const outcome = {
        transport: client.manager.getTransportType(),
        name,
        hashed,
        whole: same(whole, bytes),
        part: same(new Uint8Array(await part.arrayBuffer()), bytes.subarray(70_000, 1_570_000)),
        piped,
        linked: same(linked, bytes),
      };
      await client.close();
      return outcome;
    }, options);
    assert.deepEqual(outcome, {
      transport: enableQuic ? "webtransport" : "websocket",
      name: "a.bin",
      hashed: 3_000_000,
      whole: true,
      part: true,
      piped: 3_000_000,
      linked: true,
    });
  }
}

testWith(
  ["chromium"],
  "browser files: Chromium: a file goes up and comes down, whole, in parts and piped, on both transports",
  () => withPage(withChromium, exchange),
);

testWith(
  ["firefox"],
  "browser files: Firefox: a file goes up and comes down, whole, in parts and piped, on both transports",
  () => withPage(withFirefox, exchange),
);

testWith(
  ["chromium"],
  "browser files: Chromium: a document's stream is given back when it idles, and another is opened by the next operation",
  () =>
    withPage(withChromium, async (browser, service, origin) => {
      await browser.goto(origin);
      const options = { url: service.url, token: await service.token("ann"), enableWebSocket: false };
      const outcome = await browser.evaluate(async (options) => {
        type Documents = typeof import("../../src/client/documents.ts");
        const { SkeinClient } = await import(`${options.url}/skein.js`) as {
          SkeinClient: new (given: object) => SkeinClient;
        };
        const { openDocument } = await import(`${options.url}/skein-yjs.js`) as Documents;
        let ended = 0;
        const { prototype } = WebTransport;
        const open = prototype.createBidirectionalStream;
        let opened = 0;
        prototype.createBidirectionalStream = async function (...given) {
          const stream = await open.apply(this, given);
          opened++;
          // The server has ended its half: the SDK's reader is done.
          const getReader = stream.readable.getReader.bind(
            stream.readable,
          ) as typeof stream.readable.getReader;
          stream.readable.getReader = ((...given: []) => {
            const reader = getReader(...given);
            void reader.closed.then(() => ended++, () => {});
            return reader;
          }) as typeof stream.readable.getReader;
          return stream;
        };
        const client = new SkeinClient(options);
        const errors: string[] = [];
        client.on("error", ({ message }) => errors.push(message));
        const document = openDocument(client, "doc:plan", { idle: 50 });
        const told: string[] = [];
        document.on("operation", ({ data }) => told.push(new TextDecoder().decode(data)));
        await document.ready;
        for (let i = 0; i < 3; i++) {
          const before = ended;
          for (let tries = 0; ended === before && tries < 500; tries++) {
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
          await document.send(new TextEncoder().encode(`${i}`));
        }
        const outcome = { opened, ended, told, errors };
        await client.close();
        return outcome;
      }, options);
      // The control stream, and four of the document one after the other.
      const { ended, ...rest } = outcome;
      assert.deepEqual(rest, { opened: 5, told: ["0", "1", "2"], errors: [] });
      assert.ok(ended >= 3, `${ended} ended`);
    }),
);
