/**
 * The cost of files: an upload alone, and the round trip of chat messages on the connection that uploads.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Encoded, uuidv7 } from "../../../src/protocol/mod.ts";
import { type Measure, quantile } from "../scenario.ts";
import { dial, type Dialled, framed, type Kind } from "./dial.ts";
import { startSkein } from "./measure.ts";

type Bytes = Uint8Array<ArrayBuffer>;
// deno-lint-ignore no-explicit-any -- payloads of several shapes
type Payload = Record<string, any>;

const CHANNEL = "chat:bench";
const MB = 1_000_000;
/** Milliseconds between two messages of somebody who chats fast. */
const BETWEEN = 2;
/** Messages of the run without an upload. */
const TRIPS = 500;

const decoder = new TextDecoder();

/** Answers and acknowledgements of one connection, by type. */
class Inbox {
  readonly #waiting = new Map<string, (payload: Payload) => void>();
  onAck: (offset: number) => void = () => {};

  constructor(client: Dialled) {
    client.onFrame = (frame) => {
      const { type, payload } = JSON.parse(typeof frame === "string" ? frame : decoder.decode(frame));
      if (type === "file_chunk_ack") return this.onAck(payload.offset);
      const waiting = this.#waiting.get(type);
      this.#waiting.delete(type);
      if (waiting !== undefined) waiting(payload);
      else if (type === "error") throw new Error(JSON.stringify(payload));
    };
  }

  next(type: string): Promise<Payload> {
    return new Promise((resolve) => this.#waiting.set(type, resolve));
  }
}

/** A file's bytes and their hash, made before anything is timed. */
interface Content {
  readonly bytes: Bytes;
  readonly sha256: string;
}

/**
 * Sends one file. Resolves when it is announced or cancelled, with the milliseconds since the first chunk.
 */
async function upload(
  send: Dialled["send"],
  inbox: Inbox,
  { bytes, sha256 }: Content,
  end: "complete" | "cancel" = "complete",
): Promise<number> {
  const ready = inbox.next("file_upload_ready");
  await send(
    framed("file_upload_start", { channel: CHANNEL, name: "a", type: "", size: bytes.length, sha256 }),
  );
  const { uploadId, chunkSize, window } = await ready;
  let acked = 0;
  let wake = () => {};
  inbox.onAck = (offset) => {
    acked = offset;
    wake();
  };
  // Made beforehand, because the server is measured and not the client.
  const chunks: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += chunkSize) {
    const payload = { uploadId, offset: at, data: bytes.subarray(at, at + chunkSize) };
    const message = { type: "file_chunk", id: uuidv7(), timestamp: Date.now(), payload };
    chunks.push(new Encoded(message).framed("msgpack") as Bytes);
  }
  const begun = performance.now();
  for (let i = 0; i < chunks.length; i++) {
    while ((i + 1) * chunkSize - acked > window) await new Promise<void>((resolve) => wake = resolve);
    await send(chunks[i]!);
  }
  const ended = inbox.next(end === "complete" ? "file_uploaded" : "file_upload_cancelled");
  await send(framed(`file_upload_${end}`, { uploadId }));
  await ended;
  return performance.now() - begun;
}

function content(megabytes: number): Content {
  const bytes = new Uint8Array(megabytes * MB);
  for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** A directory in memory where there is one, because the disk is not measured. */
async function memory(): Promise<{ dir?: string }> {
  return await Deno.stat("/dev/shm").then(() => ({ dir: "/dev/shm" }), () => ({}));
}

async function withService<T>(kind: Kind, run: (client: Dialled, inbox: Inbox) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-", ...await memory() });
  try {
    await using server = await startSkein({
      engine: { kind: "sqlite", sqlite: { path: `${directory}/skein.db`, files: `${directory}/files` } },
      files: { rate: 0, maxSize: "1GiB", userBytes: "16GiB", maxTotal: "16GiB" },
    });
    const client = await dial(server, kind, "ann");
    return await run(client, new Inbox(client));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A file of `megabytes`, until it is kept and announced; megabytes a second. */
export function uploading(kind: Kind, megabytes = 200): Promise<Measure> {
  return withService(kind, async (client, inbox) => {
    const send = await client.openLane(100);
    // A first upload that is cancelled, so that the machine has given the memory: a virtual machine gives it page by page.
    await upload(send, inbox, content(megabytes), "cancel");
    return { value: megabytes / (await upload(send, inbox, content(megabytes)) / 1000) };
  });
}

/**
 * The 99th percentile, in microseconds, from a publish to its acknowledgement, while the same connection uploads so many
 * files, one after the other.
 */
export function chatting(kind: Kind, uploads: number, megabytes = 200): Promise<Measure> {
  return withService(kind, async (client, inbox) => {
    const text = "a".repeat(128);
    const trip = async (): Promise<number> => {
      const answered = inbox.next("message_ack");
      const start = performance.now();
      await client.send(framed("chat_message", { channel: CHANNEL, text }));
      await answered;
      return (performance.now() - start) * 1000;
    };
    for (let i = 0; i < 500; i++) await trip();
    const files = Array.from({ length: uploads }, () => content(megabytes));
    const send = await client.openLane(100);
    let uploading = uploads > 0;
    const done = (async () => {
      for (const file of files) await upload(send, inbox, file);
      uploading = false;
    })();
    const samples: number[] = [];
    while (uploads > 0 ? uploading : samples.length < TRIPS) {
      samples.push(await trip());
      await new Promise((resolve) => setTimeout(resolve, BETWEEN));
    }
    await done;
    const p99 = quantile(samples, 0.99);
    return { value: p99, p50: quantile(samples, 0.5), p99 };
  });
}
