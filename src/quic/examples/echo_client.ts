/**
 * Sends a line over a stream and a datagram, and prints what comes back. Raw QUIC and WebTransport differ only in the URL.
 *
 *     deno run -A src/quic/examples/echo_client.ts URL HASH [text]
 *
 * URL and HASH are printed by `echo_server.ts`.
 *
 * @module
 */

import { connect } from "../mod.ts";

const [url, hash, text = "hello over many streams"] = Deno.args;
if (url === undefined || hash === undefined) {
  console.error("usage: echo_client.ts URL HASH [text]");
  Deno.exit(2);
}

const connection = await connect(url, { serverCertificateHashes: [Uint8Array.fromHex(hash)] });
const started = performance.now();
const stream = await connection.openBidirectionalStream();
const sent = new TextEncoder().encode(text);
await stream.write(sent);
let got = "";
const decoder = new TextDecoder();
for (let left = sent.length; left > 0;) {
  const bytes = await stream.read(new Uint8Array(left));
  if (bytes === null) throw new Error("the server ended the stream early");
  got += decoder.decode(bytes, { stream: true });
  left -= bytes.length;
}
console.log(`stream: ${got} (${(performance.now() - started).toFixed(2)} ms)`);

const datagrams = connection.datagrams[Symbol.asyncIterator]();
const answer = datagrams.next();
await connection.sendDatagram(sent);
console.log(`datagram: ${new TextDecoder().decode((await answer).value)}`);

console.log(connection.stats());
connection.close(0, "thanks");
await connection.closed;
