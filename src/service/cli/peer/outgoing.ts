/**
 * A file on its way to a peer.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { deadline } from "../../../async/deadline.ts";
import type { BidirectionalStream, Connection } from "../../../quic/mod.ts";
import { CommandError } from "./errors.ts";
import { type Answer, encodeFrame, readAnswer } from "./frames.ts";

/** A receiver that says nothing for so many ms has gone: it speaks every second. */
const SILENCE = 8_000;
const CHUNK = 256 * 1024;

/** A file to send. */
export interface OutgoingFile {
  readonly path: string;
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

/** The receiver refuses, or has found the bytes to be others. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Reads a file once, for its hash. Rejects with CommandError when it cannot be sent. */
export async function inspect(
  path: string,
  report: (read: number, size: number) => void,
  signal: AbortSignal,
): Promise<OutgoingFile> {
  try {
    using file = await Deno.open(path);
    const { isFile, size } = await file.stat();
    if (!isFile) throw new CommandError(`${path} is no file; make one of a directory with tar or zip`);
    const hash = createHash("sha256");
    const buffer = new Uint8Array(CHUNK);
    let read = 0;
    for (let n; (n = await file.read(buffer)) !== null;) {
      signal.throwIfAborted();
      hash.update(buffer.subarray(0, n));
      report(read += n, size);
    }
    return { path, name: basename(path), size: read, sha256: hash.digest("hex") };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new CommandError(`${path}: there is no such file`);
    if (error instanceof Deno.errors.PermissionDenied) throw new CommandError(`${path}: may not be read`);
    throw error;
  }
}

/** What is told of a transfer. */
export interface OutgoingEvents {
  /** The receiver has this much of the file already. */
  readonly began: (offset: number) => void;
  /** The receiver has this much of the file by now. */
  readonly received: (bytes: number) => void;
}

/**
 * Sends a file over one connection. Resolves with the name that the receiver keeps it under, once it has checked the hash.
 * Rejects with TransferError when the receiver refuses, and with any other error when the connection breaks.
 */
export async function sendFile(
  quic: Connection,
  file: OutgoingFile,
  events: OutgoingEvents,
): Promise<string> {
  const stream = await quic.openBidirectionalStream({ wait: true });
  const next = async (): Promise<Exclude<Answer, { type: "error" }>> => {
    const answer = await deadline(readAnswer(stream), SILENCE, () => new Error("the receiver is silent"));
    if (answer.type === "error") throw new TransferError(answer.code, answer.message);
    return answer;
  };
  try {
    const { name, size, sha256 } = file;
    await stream.write(encodeFrame({ type: "file/1", name, size, sha256 }));
    let first = await next();
    while (first.type === "received") first = await next();
    if (first.type !== "offset" || first.offset > size) throw new TypeError("the receiver said no offset");
    events.began(first.offset);
    const writing = writeFrom(stream, file.path, first.offset, size);
    const failed = writing.then(() => new Promise<never>(() => {}));
    failed.catch(() => {});
    for (;;) {
      const answer = await Promise.race([next(), failed]);
      if (answer.type === "saved") return answer.name;
      if (answer.type === "received") events.received(answer.received);
    }
  } finally {
    stream.abort();
    stream.cancel();
  }
}

async function writeFrom(
  stream: BidirectionalStream,
  path: string,
  offset: number,
  size: number,
): Promise<void> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const buffer = new Uint8Array(CHUNK);
  for (let left = size - offset; left > 0;) {
    const n = await file.read(buffer.subarray(0, Math.min(left, CHUNK)));
    if (n === null) throw new TransferError("changed", `${path} became shorter while it was sent`);
    await stream.write(buffer.subarray(0, n));
    left -= n;
  }
  await stream.end();
}
