/** Streams over the data channels of real browsers. */

import assert from "node:assert/strict";
import { withEachBrowser } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import type { ReadLate } from "./webrtc_page.ts";

declare const readLate: ReadLate;

async function script(): Promise<Uint8Array<ArrayBuffer>> {
  const entry = decodeURIComponent(new URL("webrtc_page.ts", import.meta.url).pathname);
  const args = ["bundle", "--quiet", "--no-lock", "--platform", "browser", entry];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return stdout;
}

testWith(
  ["chromium", "firefox"],
  "webrtc: a stream that the peer opened before this end was ready is not lost",
  async () => {
    const code = await script();
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
      const isScript = url.endsWith("/page.js");
      const body = isScript ? code : '<!doctype html><script type="module" src="/page.js"></script>';
      return new Response(body, { headers: { "content-type": isScript ? "text/javascript" : "text/html" } });
    });
    await withEachBrowser(async (page) => {
      await page.goto(`http://127.0.0.1:${server.addr.port}`);
      await page.waitFor("globalThis.readLate");
      const read = await page.evaluate(async (text: string) => {
        const late = new Promise<string>((resolve) => setTimeout(resolve, 10_000, "nothing came"));
        return await Promise.race([readLate(text, 300), late]);
      }, "hello");
      assert.equal(read, "hello");
    });
  },
);
