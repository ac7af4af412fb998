// @ts-check
/**
 * What carries messages: a WebTransport session or a WebSocket, behind one small interface. JSON frames.
 *
 * @module
 */

/**
 * @typedef {{type: string, id: string, timestamp: number, re?: string, payload: Record<string, any>}} Message
 * @typedef {{
 *   transport: "webtransport" | "websocket",
 *   send(message: Message, lane: number): void,
 *   sendLossy(message: Message): void,
 *   openLane(lane: number): Promise<void>,
 *   close(): void,
 * }} Wire `sendLossy` is a datagram where there are any.
 * @typedef {{message(message: Message): void, closed(reason: string): void}} WireEvents
 */

/** Milliseconds a dial may take. Where UDP is dropped, WebTransport alone would wait for half a minute. */
const DIAL_TIMEOUT = 4000;

/** @param {string} url @param {WireEvents} events @returns {Promise<Wire>} */
export function dialWebSocket(url, events) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    const timer = setTimeout(() => (socket.close(), reject(new Error("WebSocket: no answer"))), DIAL_TIMEOUT);
    /** @type {Wire} */
    const wire = {
      transport: "websocket",
      send: (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message)),
      sendLossy: (message) => wire.send(message, 0),
      openLane: () => Promise.resolve(),
      close: () => socket.close(),
    };
    socket.onopen = () => (clearTimeout(timer), resolve(wire));
    socket.onmessage = ({ data }) => typeof data === "string" && events.message(JSON.parse(data));
    socket.onclose = ({ reason }) => {
      clearTimeout(timer);
      reject(new Error("WebSocket: no connection"));
      events.closed(reason || "connection lost");
    };
  });
}

/** @param {string} url @param {string[]} hashes @param {WireEvents} events @returns {Promise<Wire>} */
export async function dialWebTransport(url, hashes, events) {
  const serverCertificateHashes = hashes.map((hash) => ({
    algorithm: "sha-256",
    value: Uint8Array.from(atob(hash), (c) => c.charCodeAt(0)),
  }));
  const session = new WebTransport(url, hashes.length > 0 ? { serverCertificateHashes } : {});
  let open = false;
  session.closed.then(
    ({ reason }) => open && events.closed(reason || "connection closed"),
    () => open && events.closed("connection lost"),
  );
  try {
    await within(session.ready, DIAL_TIMEOUT, "WebTransport: no answer");
  } catch (error) {
    // One that never opened must not go on dialling in the background.
    try {
      session.close();
    } catch { /* It is closed already. */ }
    throw error;
  }
  /** @type {Map<number, WritableStreamDefaultWriter<Uint8Array>>} */
  const lanes = new Map();
  const failed = () => {/* `closed` tells. */};
  const datagrams = session.datagrams.writable.getWriter();
  datagrams.closed.catch(failed);
  /** @type {Wire} */
  const wire = {
    transport: "webtransport",
    send(message, lane) {
      const writer = lanes.get(lane) ?? lanes.get(0);
      writer?.write(framed(message)).catch(failed);
    },
    sendLossy: (message) =>
      void datagrams.write(new TextEncoder().encode(JSON.stringify(message))).catch(failed),
    async openLane(lane) {
      const stream = await session.createBidirectionalStream();
      const writer = stream.writable.getWriter();
      writer.closed.catch(failed);
      // The first varint on a stream is its lane; all of ours fit into one byte.
      await writer.write(Uint8Array.of(lane));
      lanes.set(lane, writer);
      readFrames(stream.readable, events.message).catch(failed);
    },
    close: () => session.close(),
  };
  await wire.openLane(0);
  readDatagrams(session.datagrams.readable, events.message).catch(failed);
  open = true;
  return wire;
}

/** @template T @param {Promise<T>} promise @param {number} ms @param {string} says @returns {Promise<T>} */
function within(promise, ms, says) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(says)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** A frame: its length as a QUIC varint (RFC 9000 §16), then JSON. @param {Message} message */
export function framed(message) {
  const body = new TextEncoder().encode(JSON.stringify(message));
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, 0x80000000 + body.length);
  frame.set(body, 4);
  return frame;
}

/**
 * Calls `onMessage` for each frame in `bytes` and returns what is left of them.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes @param {(message: Message) => void} onMessage
 */
export function takeFrames(bytes, onMessage) {
  let at = 0;
  for (;;) {
    if (at >= bytes.length) break;
    const first = Number(bytes[at]);
    const size = 1 << (first >> 6);
    if (at + size > bytes.length) break;
    let length = first & 0x3f;
    for (let i = 1; i < size; i++) length = length * 256 + Number(bytes[at + i]);
    if (at + size + length > bytes.length) break;
    onMessage(JSON.parse(new TextDecoder().decode(bytes.subarray(at + size, at + size + length))));
    at += size + length;
  }
  return bytes.subarray(at);
}

/** @param {ReadableStream<Uint8Array>} readable @param {(message: Message) => void} onMessage */
async function readFrames(readable, onMessage) {
  const reader = readable.getReader();
  let rest = new Uint8Array();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(rest.length + value.length);
    joined.set(rest);
    joined.set(value, rest.length);
    rest = takeFrames(joined, onMessage);
  }
}

/** @param {ReadableStream<Uint8Array>} readable @param {(message: Message) => void} onMessage */
async function readDatagrams(readable, onMessage) {
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    try {
      onMessage(JSON.parse(new TextDecoder().decode(value)));
    } catch { /* Half a datagram is none. */ }
  }
}
