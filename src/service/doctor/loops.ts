/**
 * A loop through each transport: a real listener and a real client on loopback, and bytes that come back.
 *
 * @module
 */

import { makeDevelopmentCertificate } from "../certificates/mod.ts";
import { fail, type Finding, ok, sentence } from "./check.ts";

const LOOPBACK = "127.0.0.1";
const ALPN = "skein-doctor";
/** More than one packet, less than a stream's window. */
const LENGTH = 64 * 1024;

/** QUIC there and back: handshake by certificate hash, a stream of 64 KiB, its end. */
export async function checkQuicLoop(signal: AbortSignal): Promise<Finding> {
  const { cert, key, hash } = await makeDevelopmentCertificate([LOOPBACK]);
  const server = new Deno.QuicEndpoint({ hostname: LOOPBACK, port: 0 });
  const client = new Deno.QuicEndpoint({ hostname: LOOPBACK, port: 0 });
  const stop = () => {
    client.close({ closeCode: 0, reason: "" });
    server.close({ closeCode: 0, reason: "" });
  };
  signal.addEventListener("abort", stop, { once: true });
  const listener = server.listen({ cert, key, alpnProtocols: [ALPN] });
  const echoing = echoQuic(listener).catch(() => {});
  try {
    const before = performance.now();
    // Deno takes the hashes, but its types do not name them yet.
    const trust = { serverCertificateHashes: [{ algorithm: "sha-256", value: hash }] };
    const conn = await Deno.connectQuic({
      hostname: LOOPBACK,
      port: server.addr.port,
      alpnProtocols: [ALPN],
      endpoint: client,
      ...trust,
    });
    const took = Math.round(performance.now() - before);
    const sent = crypto.getRandomValues(new Uint8Array(LENGTH));
    const { readable, writable } = await conn.createBidirectionalStream();
    const [, received] = await Promise.all([send(writable, sent), new Response(readable).bytes()]);
    conn.close({ closeCode: 0, reason: "" });
    return same(sent, received)
      ? ok(`A stream went there and back; the handshake took ${took} ms.`)
      : fail(`${LENGTH} bytes were sent, ${received.length} or others came back.`, BROKEN);
  } catch (error) {
    return fail(
      `QUIC on loopback does not work: ${sentence(error)}.`,
      "Let UDP through on this machine, at least on lo.",
    );
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
    await echoing;
  }
}

/** A WebSocket there and back: upgrade, one binary message, close. */
export async function checkWebSocketLoop(signal: AbortSignal): Promise<Finding> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  signal.addEventListener("abort", stop, { once: true });
  const server = Deno.serve(
    { hostname: LOOPBACK, port: 0, signal: abort.signal, onListen() {} },
    (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => socket.send(data);
      socket.onerror = () => {};
      return response;
    },
  );
  try {
    const sent = crypto.getRandomValues(new Uint8Array(LENGTH));
    const received = await exchange(`ws://${LOOPBACK}:${server.addr.port}`, sent, signal);
    return same(sent, received)
      ? ok("A message went there and back.")
      : fail(`${LENGTH} bytes were sent, ${received.length} or others came back.`, BROKEN);
  } catch (error) {
    return fail(`A WebSocket on loopback does not work: ${sentence(error)}.`, "Let TCP through on lo.");
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
    await server.finished;
  }
}

const BROKEN = "Something between the two ends changes data; look for a proxy or a security product.";

async function echoQuic(listener: Deno.QuicListener): Promise<void> {
  const conn = await (await listener.incoming()).accept();
  conn.closed.catch(() => {});
  for await (const { readable, writable } of conn.incomingBidirectionalStreams) {
    await readable.pipeTo(writable);
  }
}

async function send(
  writable: WritableStream<Uint8Array<ArrayBuffer>>,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const writer = writable.getWriter();
  await writer.write(bytes);
  await writer.close();
}

function exchange(url: string, bytes: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    let answer: Uint8Array | undefined;
    const stop = () => {
      socket.close();
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    socket.onopen = () => socket.send(bytes);
    socket.onmessage = ({ data }) => {
      answer = new Uint8Array(data as ArrayBuffer);
      socket.close(1000);
    };
    socket.onerror = (event) => reject(new Error(event instanceof ErrorEvent ? event.message : "it failed"));
    socket.onclose = ({ code }) => {
      signal.removeEventListener("abort", stop);
      if (answer) resolve(answer);
      else reject(new Error(`closed with code ${code} before the answer`));
    };
  });
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
