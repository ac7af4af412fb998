/**
 * An echo server with a page for browsers: streams and datagrams by WebTransport, on one machine.
 *
 *     deno run -A src/quic/examples/page.ts [http port]
 *
 * @module
 */

import { type BidirectionalStream, type Connection, listen } from "../mod.ts";
import { makeDevelopmentCertificate } from "./certificate.ts";

const { cert, key, hash } = await makeDevelopmentCertificate();
const listener = listen({ hostname: "127.0.0.1", cert, key });
const url = `https://127.0.0.1:${listener.address.port}/echo`;
const library = await bundle();

const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>Echo over WebTransport</title>
<pre id="log"></pre>
<script type="module">
  import { connect, PRIORITY } from "/quic.js";
  const log = (line) => document.querySelector("#log").textContent += line + "\\n";
  try {
    const connection = await connect("${url}", {
      serverCertificateHashes: [Uint8Array.from(${JSON.stringify([...hash])})],
    });
    const words = ["streams", "are", "independent"];
    await Promise.all(words.map(async (word) => {
      const stream = await connection.openBidirectionalStream({ priority: PRIORITY.HIGH });
      await stream.write(new TextEncoder().encode(word));
      await stream.end();
      log("stream: " + await new Response(stream.readable).text());
    }));
    const datagrams = connection.datagrams[Symbol.asyncIterator]();
    await connection.sendDatagram(new TextEncoder().encode("datagram"));
    log("datagram: " + new TextDecoder().decode((await datagrams.next()).value));
    log("round trip: " + (await connection.measureRtt()).toFixed(1) + " ms");
    log("streams closed: " + connection.stats().streamsClosed);
    await connection.close(0, "thanks");
    log("done");
  } catch (error) {
    log(error.name + " " + error.code + ": " + error.message);
  }
</script>
`;

const http = Deno.serve({
  hostname: "127.0.0.1",
  port: Number(Deno.args[0] ?? 8000),
  onListen: ({ port }) => console.log(`Open http://127.0.0.1:${port}/ in a browser.`),
}, (request) => {
  if (new URL(request.url).pathname === "/quic.js") {
    return new Response(library, { headers: { "content-type": "text/javascript" } });
  }
  return new Response(PAGE, { headers: { "content-type": "text/html" } });
});

for await (const connection of listener.connections) void serve(connection);
await http.shutdown();

/** The browser's part of the library as one file. */
async function bundle(): Promise<Uint8Array<ArrayBuffer>> {
  const entry = decodeURIComponent(new URL("../browser.ts", import.meta.url).pathname);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", entry],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return stdout;
}

async function serve(connection: Connection): Promise<void> {
  console.log(`session from ${connection.headers.get("origin")}`);
  void (async () => {
    for await (const bytes of connection.datagrams) await connection.sendDatagram(bytes).catch(() => {});
  })();
  for await (const stream of connection.incomingBidirectionalStreams) void echo(stream);
  const { by, code, reason } = await connection.closed;
  console.log(`session ended: ${by} ${code} ${reason}`);
}

async function echo(stream: BidirectionalStream): Promise<void> {
  try {
    await stream.readable.pipeTo(stream.writable);
  } catch {
    // The connection has ended; its `closed` says how.
  }
}
