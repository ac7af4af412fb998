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
const got = new TextDecoder().decode(await stream.readExact(sent.length));
console.log(`stream: ${got} (${(performance.now() - started).toFixed(2)} ms)`);

const datagrams = connection.datagrams[Symbol.asyncIterator]();
const answer = datagrams.next();
await connection.sendDatagram(sent);
console.log(`datagram: ${new TextDecoder().decode((await answer).value)}`);

const rtt = await connection.measureRtt();
console.log(`round trip: ${rtt?.toFixed(2)} ms`);
console.log(connection.stats());
await connection.close(0, "thanks");
