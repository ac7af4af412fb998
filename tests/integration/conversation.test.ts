/** Real browsers and programs in one conversation, each on its own transport. */

import assert from "node:assert/strict";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { startTestService, type TestService } from "../support/service.ts";

/** What a browser does, with nothing but the web platform and PROTOCOL.md: joins, says hello, waits for the others. */
async function converse(
  argument: { url: string; hash: number[]; token: string; name: string; others: string[] },
) {
  const { url, hash, token, name, others } = argument;
  const transport = new WebTransport(url, {
    serverCertificateHashes: [{ algorithm: "sha-256", value: new Uint8Array(hash) }],
  });
  await transport.ready;
  const { readable, writable } = await transport.createBidirectionalStream();
  const writer = writable.getWriter(), reader = readable.getReader();
  await writer.write(new Uint8Array([0]));
  let n = 0;
  const send = (type: string, payload: unknown) => {
    const body = new TextEncoder().encode(
      JSON.stringify({ type, id: `${name}-${n++}`, timestamp: Date.now(), payload }),
    );
    const framed = new Uint8Array(body.length + 4);
    new DataView(framed.buffer).setUint32(0, (0x80000000 | body.length) >>> 0);
    framed.set(body, 4);
    return writer.write(framed);
  };
  let bytes = new Uint8Array();
  const heard: string[] = [];
  const seen: string[] = [];
  let where = "";
  await send("auth_request", { token });
  while (heard.length < others.length) {
    const { value, done } = await reader.read();
    if (done) throw new Error("ended");
    const more = new Uint8Array(bytes.length + value.length);
    more.set(bytes);
    more.set(value, bytes.length);
    bytes = more;
    for (;;) {
      const size = bytes.length === 0 ? 0 : 1 << (bytes[0]! >> 6);
      if (size === 0 || bytes.length < size) break;
      let length = bytes[0]! & 0x3f;
      for (let i = 1; i < size; i++) length = length * 256 + bytes[i]!;
      if (bytes.length < size + length) break;
      const message = JSON.parse(new TextDecoder().decode(bytes.subarray(size, size + length)));
      bytes = bytes.slice(size + length);
      seen.push(message.type);
      if (message.type === "auth_response") {
        where = message.payload.transport;
        await send("subscribe", { channel: "chat:general" });
      } else if (message.type === "subscribed") {
        await send("chat_message", { channel: "chat:general", text: `hello from ${name}` });
      } else if (message.type === "chat_message" && others.includes(message.payload.from)) {
        heard.push(message.payload.from);
      } else if (message.type === "error") throw new Error(JSON.stringify(message.payload));
    }
  }
  // The good-bye is a close code of its own.
  transport.close({ closeCode: 1000, reason: "bye" });
  return { where, heard: heard.sort(), seen };
}

async function inBrowser(service: TestService, page: BrowserPage, name: string, others: string[]) {
  await page.goto(`${service.url}/`);
  return await page.evaluate(converse, {
    url: service.webtransportUrl,
    hash: [...service.certificateHash],
    token: await service.token(name),
    name,
    others,
  });
}

testWith(
  ["chromium", "firefox"],
  "conversation: Chromium and Firefox over WebTransport, raw QUIC and WebSocket are in one conversation",
  async () => {
    const service = await startTestService({
      // Browsers take their time to start on a loaded machine, and the bare clients here send no pings.
      session: { heartbeat: { interval: "20s", timeout: "90s" } },
    });
    try {
      const names = ["chromium", "firefox", "program", "socket"];
      const others = (name: string) => names.filter((other) => other !== name);
      await using program = await service.connect("quic", "program");
      await using socket = await service.connect("websocket", "socket");
      for (const client of [program, socket]) await client.ask("subscribe", { channel: "chat:general" });
      const joined = (client: typeof program, name: string) =>
        client.next((message) => message.type === "user_online" && message.payload.userId === name, 60_000);
      const talk = (async () => {
        for (const client of [program, socket]) {
          for (const name of ["chromium", "firefox"]) {
            await joined(client, name);
          }
        }
        await program.ask("chat_message", { channel: "chat:general", text: "hello from program" });
        await socket.ask("chat_message", { channel: "chat:general", text: "hello from socket" });
      })();
      const results: Awaited<ReturnType<typeof inBrowser>>[] = [];
      await withFirefox(async (firefox) => {
        await withChromium(async (chromium) => {
          // The first browser has to hear the second one too: both are there before either speaks last.
          const first = inBrowser(service, firefox, "firefox", others("firefox"));
          await program.next(
            (message) => message.type === "chat_message" && message.payload.from === "firefox",
            60_000,
          );
          results.push(await inBrowser(service, chromium, "chromium", ["program", "socket"]), await first);
        });
      });
      await talk;
      const [chromium, firefox] = results;
      assert.equal(chromium!.where, "webtransport");
      assert.equal(firefox!.where, "webtransport");
      assert.deepEqual(chromium!.heard, ["program", "socket"]);
      assert.deepEqual(firefox!.heard, others("firefox"));
      for (const [client, name] of [[program, "program"], [socket, "socket"]] as const) {
        const from = client.messages.filter(({ type }) => type === "chat_message").map(({ payload }) =>
          payload.from
        );
        assert.deepEqual([...new Set(from)].sort(), names, `${name} heard everybody`);
      }
      const { transports } = await service.stats();
      assert.equal(transports.webtransport.total, 2);
    } finally {
      await service.stop();
    }
  },
);
