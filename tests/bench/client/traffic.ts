/**
 * What goes over the wire in the client's scenarios, on both sides alike.
 *
 * @module
 */

type Bytes = Uint8Array<ArrayBuffer>;

/** Messages of one scenario. */
export const MESSAGES = 50_000;
/** Text of a message. */
export const TEXT = "a".repeat(128);
/** Messages that come together, as from people who talk at once. */
const BURST = 10;
/** Milliseconds between bursts. */
const EVERY = 2;

const id = "01931f6a-9d3c-7b1e-8a52-6f0c1d2e3b4a";
/** An answer as long as the service's acknowledgement. */
export const ACK = JSON.stringify({
  type: "message_ack",
  id,
  timestamp: 1731963600000,
  re: id,
  payload: { channel: "chat:bench", offset: 10_000, epoch: "aaaaaaaaaaaa", duplicate: false },
});
/** A message as long as one of the service's. */
export const DELIVERY = JSON.stringify({
  type: "chat_message",
  id,
  timestamp: 1731963600000,
  payload: { channel: "chat:bench", text: TEXT, from: "bob", offset: 10_000, prev: 9_999 },
});

const encoder = new TextEncoder();

/** A text with two bytes of length before it. */
export function framed(text: string): Bytes {
  const bytes = new Uint8Array(2 + text.length);
  encoder.encodeInto(text, bytes.subarray(2));
  bytes[0] = text.length >> 8;
  bytes[1] = text.length & 255;
  return bytes;
}

/** Counts whole frames in the chunks of one stream. */
export function countFrames(onFrame: (frame: Bytes) => void = () => {}): (chunk: Bytes) => number {
  let rest: Bytes = new Uint8Array();
  return (chunk) => {
    let bytes = chunk;
    if (rest.length > 0) {
      bytes = new Uint8Array(rest.length + chunk.length);
      bytes.set(rest);
      bytes.set(chunk, rest.length);
    }
    let at = 0, count = 0;
    while (at + 2 <= bytes.length) {
      const end = at + 2 + (bytes[at]! << 8 | bytes[at + 1]!);
      if (end > bytes.length) break;
      onFrame(bytes.subarray(at + 2, end));
      at = end;
      count++;
    }
    // The chunk's memory may be read into again.
    rest = bytes.slice(at);
    return count;
  };
}

/** Calls `send` `count` times, in bursts; resolves when the last one is out. */
export async function bursts(count: number, send: () => void): Promise<void> {
  for (let done = 0; done < count; done += BURST) {
    for (let i = 0; i < BURST && done + i < count; i++) send();
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}
