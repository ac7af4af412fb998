/**
 * Files that peers send: kept beside their place until they are whole and their hash is right.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { deadline } from "../../../async/deadline.ts";
import type { BidirectionalStream } from "../../../quic/mod.ts";
import { type Answer, encodeFrame, type Offer, readOffer } from "./frames.ts";
import { TransferError } from "./outgoing.ts";
import { numbered, safeName } from "./safe_name.ts";

const CHUNK = 256 * 1024;
/** Files at once, of all peers. */
const MAX_TRANSFERS = 16;
/** The receiver speaks at least this often, in ms. */
const SPEAK_EVERY = 1_000;
/** Progress is told this often, in ms. */
const TELL_EVERY = 200;
/** A sender from whom no byte comes for so many ms is given up: what came is kept. */
const SILENCE = 60_000;
/** Files of one name. */
const MAX_NUMBER = 10_000;

/** What is told of a file. */
export interface IncomingEvents {
  readonly began?: (name: string, offset: number, size: number) => void;
  readonly received?: (name: string, bytes: number, size: number) => void;
}

/** A file that was kept. */
export interface KeptFile {
  readonly name: string;
  readonly size: number;
  /** Bytes that came over this connection. */
  readonly moved: number;
  readonly sha256: string;
}

/** Takes files into one directory. */
export class Inbox {
  readonly #directory: string;
  /** Transfers under way, by hash: one that begins again ends the one of the connection before. */
  readonly #active = new Map<string, { stop: () => void; ended: Promise<unknown> }>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Takes what one stream brings. Rejects when it breaks, or with TransferError, which the sender is told. */
  async take(stream: BidirectionalStream, events: IncomingEvents = {}): Promise<KeptFile> {
    // One write at a time: a frame that comes while one is written waits for it.
    let writing: Promise<void> = Promise.resolve();
    const tell = (answer: Answer): Promise<void> =>
      writing = writing.catch(() => {}).then(() => stream.write(encodeFrame(answer)));
    try {
      const offer = await deadline(readOffer(stream), SILENCE, () => new Error("no offer came"));
      const kept = await this.#exclusively(offer, stream, () => this.#receive(stream, offer, tell, events));
      await tell({ type: "saved", name: kept.name });
      await stream.end();
      return kept;
    } catch (error) {
      const { code, message } = error instanceof TransferError
        ? error
        : fileProblem(error) ?? { code: "failed", message: "the receiver could not take it" };
      await deadline(
        tell({ type: "error", code, message }).then(() => stream.end()),
        SPEAK_EVERY,
        () => error,
      )
        .catch(() => {});
      stream.cancel();
      const problem = fileProblem(error);
      throw problem === undefined ? error : new TransferError(problem.code, problem.message);
    }
  }

  async #exclusively<T>(offer: Offer, stream: BidirectionalStream, work: () => Promise<T>): Promise<T> {
    const before = this.#active.get(offer.sha256);
    if (before === undefined && this.#active.size >= MAX_TRANSFERS) {
      throw new TransferError("busy", "the receiver takes too many files at once");
    }
    before?.stop();
    const running = (before?.ended ?? Promise.resolve()).then(work);
    const entry = { stop: () => stream.cancel(), ended: running.catch(() => {}) };
    this.#active.set(offer.sha256, entry);
    try {
      return await running;
    } finally {
      if (this.#active.get(offer.sha256) === entry) this.#active.delete(offer.sha256);
    }
  }

  async #receive(
    stream: BidirectionalStream,
    offer: Offer,
    tell: (answer: Answer) => Promise<void>,
    events: IncomingEvents,
  ): Promise<KeptFile> {
    const { size, sha256 } = offer;
    const name = safeName(offer.name);
    const part = join(this.#directory, `.skein-${sha256.slice(0, 32)}.part`);
    let received = 0;
    // One that waits is enough: a sender that reads nothing must not make the others pile up.
    let waiting = false;
    const speak = (): void => {
      if (waiting) return;
      waiting = true;
      tell({ type: "received", received }).catch(() => {}).finally(() => waiting = false);
    };
    const speaking = setInterval(speak, SPEAK_EVERY);
    try {
      using file = await openPart(part);
      const { hash, offset } = await hashPart(file, size);
      await this.#checkSpace(size - offset);
      received = offset;
      events.began?.(name, offset, size);
      await tell({ type: "offset", offset });
      let toldAt = performance.now();
      await receiveBytes(stream, file, hash, size - offset, (bytes) => {
        received += bytes;
        const now = performance.now();
        if (now - toldAt < TELL_EVERY) return;
        toldAt = now;
        speak();
        events.received?.(name, received, size);
      });
      if (hash.digest("hex") !== sha256) {
        await Deno.remove(part);
        throw new TransferError("corrupted", "the bytes that came are not those that were offered");
      }
      await file.sync();
      return { name: await place(part, this.#directory, name), size, moved: size - offset, sha256 };
    } finally {
      clearInterval(speaking);
    }
  }

  async #checkSpace(needed: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#directory);
    if (needed > bavail * bsize) throw new TransferError("no_space", "the receiver has no room for it");
  }
}

/** A link in the part's place would lead out of the directory. */
async function openPart(path: string): Promise<Deno.FsFile> {
  const found = await Deno.lstat(path).catch(() => undefined);
  if (found !== undefined && !found.isFile) throw new TransferError("failed", `${path} is in the way`);
  return await Deno.open(path, { read: true, write: true, create: true });
}

/** The hash of what came before; the file is left at its end. More than the whole file is none of it. */
async function hashPart(file: Deno.FsFile, size: number): Promise<{ hash: Hash; offset: number }> {
  const hash = createHash("sha256");
  if ((await file.stat()).size > size) await file.truncate(0);
  const buffer = new Uint8Array(CHUNK);
  let offset = 0;
  for (let n; (n = await file.read(buffer)) !== null; offset += n) hash.update(buffer.subarray(0, n));
  return { hash, offset };
}

async function receiveBytes(
  stream: BidirectionalStream,
  file: Deno.FsFile,
  hash: Hash,
  expected: number,
  report: (bytes: number) => void,
): Promise<void> {
  let buffer = new Uint8Array(CHUNK);
  for (let left = expected; left > 0;) {
    const part = await deadline(stream.read(buffer), SILENCE, () => new Error("the sender is silent"));
    // A stream that was given up ends like one that is complete: the count tells them apart.
    if (part === null) throw new Error("the sender has stopped");
    if (part.length > left) throw new TransferError("corrupted", "more came than was offered");
    hash.update(part);
    for (let at = 0; at < part.length;) at += await file.write(part.subarray(at));
    left -= part.length;
    report(part.length);
    buffer = new Uint8Array(part.buffer);
  }
}

/** Gives a file its name, or the next one that is free. */
async function place(part: string, directory: string, name: string): Promise<string> {
  for (let n = 0; n < MAX_NUMBER; n++) {
    const chosen = numbered(name, n);
    const target = join(directory, chosen);
    try {
      // Taken first, so that what is renamed over it is this empty file and nobody else's.
      (await Deno.open(target, { write: true, createNew: true })).close();
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) continue;
      throw error;
    }
    await Deno.rename(part, target);
    return chosen;
  }
  throw new TransferError("failed", `there are too many files named ${name}`);
}

/** What the sender may know of a failure of this machine's files. */
function fileProblem(error: unknown): { code: string; message: string } | undefined {
  const code = (error as { code?: string } | null)?.code;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return { code: "no_space", message: "the receiver has no room for it" };
  }
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotFound) {
    return { code: "failed", message: "the receiver cannot write into its directory" };
  }
  return undefined;
}
