/** Lanes that a real browser breaks off: Deno's own clients cannot reset a stream. */

import assert from "node:assert/strict";
import { withChromium } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { startTestService } from "../support/service.ts";
import { until } from "../integration/support.ts";

/** In a page: authenticates, speaks on a lane of each kind, and resets both; `pong` asks on lane 0 afterwards. */
const SCRIPT = (url: string, hash: number[], token: string): string => `
  (async () => {
    const transport = new WebTransport(${JSON.stringify(url)}, {
      serverCertificateHashes: [{ algorithm: "sha-256", value: Uint8Array.from(${JSON.stringify(hash)}) }],
    });
    await transport.ready;
    const frame = (type, payload) => {
      const body = new TextEncoder().encode(JSON.stringify({ type, id: type, timestamp: 0, payload }));
      return [0x40 | body.length >> 8, body.length & 0xff, ...body];
    };
    const said = [];
    const listen = async (readable) => {
      const decoder = new TextDecoder();
      for await (const bytes of readable) said.push(decoder.decode(bytes));
    };
    const heard = async (text) => {
      while (!said.join("").includes(text)) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const control = await transport.createBidirectionalStream();
    listen(control.readable);
    const writer = control.writable.getWriter();
    await writer.write(Uint8Array.from([0, ...frame("auth_request", { token: ${JSON.stringify(token)} })]));
    await heard('"auth_response"');
    const ask = frame("history", { channel: "chat:a" });
    const both = await transport.createBidirectionalStream();
    listen(both.readable).catch(() => {});
    const two = both.writable.getWriter();
    await two.write(Uint8Array.from([5, ...ask]));
    await heard('"history_response"');
    said.length = 0;
    const one = (await transport.createUnidirectionalStream()).getWriter();
    await one.write(Uint8Array.from([6, ...ask]));
    await heard('"history_response"');
    two.abort().catch(() => {});
    one.abort().catch(() => {});
    globalThis.pong = async () => {
      await writer.write(Uint8Array.from(frame("ping", {})));
      await heard('"pong"');
      return true;
    };
    return true;
  })()`;

testWith(
  ["chromium"],
  "lanes: one that Chromium resets is a line, and the session goes on",
  async () => {
    const service = await startTestService({ http: { allowedOrigins: ["*"] } });
    const pages = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("<!doctype html><title>test</title>", { headers: { "content-type": "text/html" } }),
    );
    try {
      const token = await service.token("ann");
      await withChromium(async (page) => {
        await page.goto(`http://127.0.0.1:${pages.addr.port}`);
        await page.evaluateText(SCRIPT(service.webtransportUrl, [...service.certificateHash], token));
        const lines = () => service.lines.filter(({ event }) => event === "lane reset by the client");
        await until("both are told", () => lines().length === 2);
        assert.deepEqual(lines().map(({ lane, user }) => [lane, user]).sort(), [[5, "ann"], [6, "ann"]]);
        assert.equal(await page.evaluateText("globalThis.pong()"), true);
      });
      const ends = service.lines.filter(({ event }) => event === "connection ending");
      assert.deepEqual(ends, []);
    } finally {
      await pages.shutdown();
      await service.stop();
    }
  },
);
