/** The listener against real browsers: their own WebTransport, and the library's door for browsers. */

import assert from "node:assert/strict";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { bytes, first, readAll, testCertificate, text, within } from "./adapters.ts";
import { serve, type TestServer } from "./setup.ts";
import type { ConnectRequest, ListenOptions } from "../../src/quic/mod.ts";

interface Setup extends AsyncDisposable {
  readonly server: TestServer;
  /** What a page dials with. */
  readonly target: { readonly url: string; readonly hash: number[] };
  readonly origin: string;
  readonly requests: ConnectRequest[];
}

/** A listener, and a web server with a blank page and the library: WebTransport is for secure contexts, as 127.0.0.1 is. */
async function setup(options: Partial<ListenOptions> = {}): Promise<Setup> {
  const { hash } = await testCertificate();
  const requests: ConnectRequest[] = [];
  const server = await serve({
    admit: (request) => {
      requests.push(request);
      return request.url.pathname === "/no" ? { accept: false, status: 403 } : { accept: true };
    },
    ...options,
  });
  const library = await bundle();
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const isLibrary = request.url.endsWith("/quic.js");
    return new Response(isLibrary ? library : "<!doctype html><title>test</title>", {
      headers: { "content-type": isLibrary ? "text/javascript" : "text/html" },
    });
  });
  return {
    server,
    target: { url: `https://127.0.0.1:${server.port}`, hash: [...hash] },
    origin: `http://127.0.0.1:${http.addr.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await http.shutdown();
    },
  };
}

let library: Promise<Uint8Array<ArrayBuffer>> | undefined;

/** The door for browsers as one file. */
function bundle(): Promise<Uint8Array<ArrayBuffer>> {
  return library ??= (async () => {
    const entry = decodeURIComponent(new URL("../../src/quic/browser.ts", import.meta.url).pathname);
    const args = ["bundle", "--quiet", "--platform", "browser", entry];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return stdout;
  })();
}

/** Runs source text in a page, with a session as `transport`. */
function inSession(
  page: BrowserPage,
  { url, hash }: Setup["target"],
  path: string,
  body: string,
): Promise<unknown> {
  const result = page.evaluateText(`(async () => {
    const transport = new WebTransport(${JSON.stringify(url + path)}, {
      serverCertificateHashes: [{ algorithm: "sha-256", value: Uint8Array.from(${JSON.stringify(hash)}) }],
    });
    await transport.ready;
    ${body}
  })()`);
  result.catch(() => {});
  return result;
}

testWith(
  ["chromium"],
  "browser: Chromium exchanges streams of both kinds, stream ends and datagrams, and sends Origin and query",
  async () => {
    await using s = await setup();
    await withChromium(async (page) => {
      await page.goto(s.origin);
      const inPage = inSession(
        page,
        s.target,
        "/chat?room=1",
        `
        const encoder = new TextEncoder();
        const all = (stream) => new Response(stream).text();
        const send = async (stream, what) => {
          const writer = stream.getWriter();
          await writer.write(encoder.encode(what));
          await writer.close();
        };
        const both = await transport.createBidirectionalStream();
        await send(both.writable, "bidirectional");
        const echoed = await all(both.readable);
        await send(await transport.createUnidirectionalStream(), "unidirectional");
        const uni = await transport.incomingUnidirectionalStreams.getReader().read();
        const fromServer = await all(uni.value);
        const bidi = await transport.incomingBidirectionalStreams.getReader().read();
        const asked = await all(bidi.value.readable);
        await send(bidi.value.writable, "answer");
        const reader = transport.datagrams.readable.getReader();
        await transport.datagrams.writable.getWriter().write(encoder.encode("datagram"));
        const { value } = await reader.read();
        return { echoed, fromServer, asked, datagram: new TextDecoder().decode(value) };`,
      );
      const connection = await s.server.next();
      assert.equal(connection.headers.get("origin"), s.origin);
      assert.equal(s.requests[0]!.origin, s.origin);
      assert.equal(connection.url?.search, "?room=1");
      const both = await first(connection.incomingBidirectionalStreams);
      await both.write(await within(readAll(both)));
      await both.end();
      const uni = await first(connection.incomingUnidirectionalStreams);
      assert.equal(text(await within(readAll(uni))), "unidirectional");
      const out = await connection.openUnidirectionalStream();
      await out.write(bytes("from the server"));
      await out.end();
      const question = await connection.openBidirectionalStream();
      await question.write(bytes("question"));
      await question.end();
      assert.equal(text(await within(readAll(question))), "answer");
      await connection.sendDatagram(await first(connection.datagrams));
      assert.deepEqual(await within(inPage), {
        echoed: "bidirectional",
        fromServer: "from the server",
        asked: "question",
        datagram: "datagram",
      });
      assert.equal(connection.stats().streamsActive, 0);
    });
  },
);

testWith(["chromium"], "browser: close codes reach Chromium and come from it", async () => {
  await using s = await setup();
  await withChromium(async (page) => {
    await page.goto(s.origin);
    const closed = inSession(
      page,
      s.target,
      "/a",
      `
      const { closeCode, reason } = await transport.closed;
      return { closeCode, reason };`,
    );
    void (await s.server.next()).close(3001, "shutdown ✓");
    assert.deepEqual(await within(closed), { closeCode: 3001, reason: "shutdown ✓" });

    const closing = inSession(
      page,
      s.target,
      "/b",
      `
      transport.close({ closeCode: 4321, reason: "from the page" });
      await transport.closed;`,
    );
    const connection = await s.server.next();
    await within(closing);
    assert.deepEqual(await within(connection.closed), { code: 4321, reason: "from the page", by: "remote" });
  });
});

testWith(["chromium"], "browser: Chromium sees a refused session as a failed handshake", async () => {
  await using s = await setup();
  await withChromium(async (page) => {
    await page.goto(s.origin);
    await assert.rejects(inSession(page, s.target, "/no", ""), /WebTransportError/);
  });
});

testWith(
  ["firefox"],
  "browser: Firefox exchanges a stream, its end, a datagram and close codes",
  async () => {
    await using s = await setup();
    await withFirefox(async (page) => {
      await page.goto(s.origin);
      const inPage = inSession(
        page,
        s.target,
        "/",
        `
        const stream = await transport.createBidirectionalStream();
        const writer = stream.writable.getWriter();
        await writer.write(new TextEncoder().encode("hello"));
        await writer.close();
        const echoed = await new Response(stream.readable).text();
        const reader = transport.datagrams.readable.getReader();
        await transport.datagrams.writable.getWriter().write(Uint8Array.of(7));
        const { value } = await reader.read();
        transport.close({ closeCode: 1234, reason: "from the page" });
        return [echoed, value[0]];`,
      );
      const connection = await s.server.next();
      const stream = await first(connection.incomingBidirectionalStreams);
      await stream.write(await within(readAll(stream)));
      await stream.end();
      await connection.sendDatagram(await first(connection.datagrams));
      assert.deepEqual(await within(inPage), ["hello", 7]);
      assert.deepEqual(await within(connection.closed), {
        code: 1234,
        reason: "from the page",
        by: "remote",
      });

      const closed = inSession(
        page,
        s.target,
        "/",
        `
        const { closeCode, reason } = await transport.closed;
        return [closeCode, reason];`,
      );
      void (await s.server.next()).close(3001, "shutdown");
      assert.deepEqual(await within(closed), [3001, "shutdown"]);
    });
  },
);

async function checkDoor(open: typeof withChromium): Promise<void> {
  await using s = await setup();
  const options = `{ serverCertificateHashes: [Uint8Array.from(${JSON.stringify(s.target.hash)})] }`;
  await open(async (page) => {
    await page.goto(s.origin);
    const inPage = page.evaluateText(`(async () => {
      const { connect, createClient, DialError, PRIORITY } = await import("/quic.js");
      const client = createClient(${options});
      const connection = await client.connect("${s.target.url}");
      const stream = await connection.openBidirectionalStream({ priority: PRIORITY.CRITICAL });
      await stream.write(new TextEncoder().encode("hello"));
      const echoed = new TextDecoder().decode(await stream.readExact(5));
      const rtt = await connection.measureRtt();
      await stream.end();
      const { bytesSent, bytesReceived, streamsOpened } = connection.stats();
      const refused = await connect("${s.target.url}/no", ${options}).catch((error) => error);
      await client.close(42, "bye");
      const late = await stream.write(new Uint8Array(1)).catch((error) => error.code);
      return {
        echoed, measured: typeof rtt, bytesSent, bytesReceived, streamsOpened, late,
        refused: refused instanceof DialError && refused.code, active: client.stats().connectionsActive,
      };
    })()`);
    inPage.catch(() => {});
    const connection = await s.server.next();
    const stream = await first(connection.incomingBidirectionalStreams);
    await stream.write(await within(stream.readExact(5)));
    assert.deepEqual(await within(inPage), {
      echoed: "hello",
      // Firefox's clock has steps of a millisecond, so it may be 0.
      measured: "number",
      bytesSent: 5,
      bytesReceived: 5,
      streamsOpened: 1,
      late: "stream_ended",
      refused: "dial_failed",
      active: 0,
    });
    assert.deepEqual(await within(connection.closed), { code: 42, reason: "bye", by: "remote" });
  });
}

testWith(["chromium"], "browser: the library's own door works in Chromium", () => checkDoor(withChromium));
testWith(["firefox"], "browser: the library's own door works in Firefox", () => checkDoor(withFirefox));
