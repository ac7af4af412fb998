import assert from "node:assert/strict";
import { type Browser, chromium, type Page } from "playwright-core";
import puppeteer from "puppeteer-core";
import { bytes, first, readAll, testCertificate, text, within } from "./adapters.ts";
import { type Connection, type ConnectRequest, listen, type Listener } from "../../src/quic/mod.ts";

interface Setup extends AsyncDisposable {
  readonly page: Page;
  readonly url: string;
  readonly hash: number[];
  readonly origin: string;
  readonly requests: ConnectRequest[];
  next(): Promise<Connection>;
}

async function setup(): Promise<Setup> {
  const { cert, key, hash } = await testCertificate();
  const requests: ConnectRequest[] = [];
  const listener: Listener = listen({
    hostname: "127.0.0.1",
    cert,
    key,
    admit: (request) => {
      requests.push(request);
      return request.url.pathname === "/no" ? { accept: false, status: 403 } : { accept: true };
    },
  });
  // A page of its own: WebTransport is for secure contexts, and 127.0.0.1 is one.
  const http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("<!doctype html><title>test</title>", { headers: { "content-type": "text/html" } }),
  );
  const browser: Browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  const page = await browser.newPage();
  const origin = `http://127.0.0.1:${http.addr.port}`;
  await page.goto(origin);
  const connections = listener.connections[Symbol.asyncIterator]();
  return {
    page,
    url: `https://127.0.0.1:${listener.address.port}`,
    hash: [...hash],
    origin,
    requests,
    next: async () => (await within(connections.next())).value!,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await listener.close();
      await http.shutdown();
    },
  };
}

// Playwright's own timers and pipes outlive a test.
const loose = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "browser: Chromium exchanges streams of both kinds, stream ends and datagrams, and sends Origin and query",
  loose,
  async () => {
    await using s = await setup();
    const inPage = s.page.evaluate(async ({ url, hash }) => {
      const transport = new WebTransport(`${url}/chat?room=1`, {
        serverCertificateHashes: [{ algorithm: "sha-256", value: Uint8Array.from(hash) }],
      });
      await transport.ready;
      const encoder = new TextEncoder();
      const all = (stream: ReadableStream) => new Response(stream).text();
      const send = async (stream: WritableStream, what: string) => {
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
      return { echoed, fromServer, asked, datagram: new TextDecoder().decode(value) };
    }, { url: s.url, hash: s.hash });
    inPage.catch(() => {});
    const connection = await s.next();
    assert.equal(connection.headers.get("origin"), s.origin);
    assert.equal(s.requests[0]!.origin, s.origin);
    assert.equal(connection.url?.search, "?room=1");
    const both = await first(connection.incomingBidirectionalStreams);
    const got = await within(readAll(both));
    await both.write(got);
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
    const datagram = await first(connection.datagrams);
    await connection.sendDatagram(datagram);
    assert.deepEqual(await within(inPage), {
      echoed: "bidirectional",
      fromServer: "from the server",
      asked: "question",
      datagram: "datagram",
    });
    assert.equal(connection.stats().streamsActive, 0);
  },
);

Deno.test(
  "browser: close codes reach Chromium and come from it",
  loose,
  async () => {
    await using s = await setup();
    const dial = `async ({ url, hash }) => {
    const transport = new WebTransport(url, {
      serverCertificateHashes: [{ algorithm: "sha-256", value: Uint8Array.from(hash) }],
    });
    await transport.ready;
    return transport;
  }`;
    const { hash } = s;
    const closed = s.page.evaluate(
      `(async () => {
      const transport = await (${dial})(${JSON.stringify({ url: `${s.url}/a`, hash })});
      const { closeCode, reason } = await transport.closed;
      return { closeCode, reason };
    })()`,
    );
    (await s.next()).close(3001, "shutdown ✓");
    assert.deepEqual(await within(closed), { closeCode: 3001, reason: "shutdown ✓" });

    const closing = s.page.evaluate(
      `(async () => {
      const transport = await (${dial})(${JSON.stringify({ url: `${s.url}/b`, hash })});
      transport.close({ closeCode: 4321, reason: "from the page" });
      await transport.closed;
    })()`,
    );
    const connection = await s.next();
    await within(closing);
    assert.deepEqual(await within(connection.closed), { code: 4321, reason: "from the page", by: "remote" });

    const refused = await s.page.evaluate(
      `(${dial})(${
        JSON.stringify({ url: `${s.url}/no`, hash })
      }).then(() => "admitted", (error) => error.name)`,
    );
    assert.equal(refused, "WebTransportError");
  },
);

Deno.test("browser: Firefox exchanges a stream, its end, a datagram and close codes", loose, async () => {
  const { cert, key, hash } = await testCertificate();
  const listener = listen({ hostname: "127.0.0.1", cert, key });
  const http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("<!doctype html><title>test</title>", { headers: { "content-type": "text/html" } }),
  );
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: "/usr/bin/firefox-esr",
    headless: true,
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${http.addr.port}`);
    const connections = listener.connections[Symbol.asyncIterator]();
    const run = (body: string): Promise<unknown> => {
      const result = page.evaluate(`(async () => {
        const transport = new WebTransport("https://127.0.0.1:${listener.address.port}/", {
          serverCertificateHashes: [{ algorithm: "sha-256", value: Uint8Array.from(${
        JSON.stringify([...hash])
      }) }],
        });
        await transport.ready;
        ${body}
      })()`);
      result.catch(() => {});
      return result;
    };
    const inPage = run(`
      const stream = await transport.createBidirectionalStream();
      const writer = stream.writable.getWriter();
      await writer.write(new TextEncoder().encode("hello"));
      await writer.close();
      const echoed = await new Response(stream.readable).text();
      const reader = transport.datagrams.readable.getReader();
      await transport.datagrams.writable.getWriter().write(Uint8Array.of(7));
      const { value } = await reader.read();
      transport.close({ closeCode: 1234, reason: "from the page" });
      return [echoed, value[0]];`);
    const connection: Connection = (await within(connections.next(), 30_000)).value!;
    const stream = await first(connection.incomingBidirectionalStreams);
    const got = await within(readAll(stream));
    await stream.write(got);
    await stream.end();
    await connection.sendDatagram(await first(connection.datagrams));
    assert.deepEqual(await within(inPage), ["hello", 7]);
    assert.deepEqual(await within(connection.closed), { code: 1234, reason: "from the page", by: "remote" });

    const closed = run("const { closeCode, reason } = await transport.closed; return [closeCode, reason];");
    (await within(connections.next())).value!.close(3001, "shutdown");
    assert.deepEqual(await within(closed), [3001, "shutdown"]);
  } finally {
    await browser.close();
    await listener.close();
    await http.shutdown();
  }
});
