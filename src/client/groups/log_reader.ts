/**
 * The log of a group: a document whose operations are entries, read one after the other. Now and then a member puts the
 * newest entries into a snapshot, so that the log does not grow for ever.
 *
 * @module
 */

import type { Document } from "../documents/document.ts";
import { SkeinError } from "../errors.ts";
import type { Position } from "../session/inbox.ts";
import { decodeSnapshot, encodeSnapshot } from "./entries.ts";

/** What reads the log. Its functions are called one after the other. */
export interface LogListener {
  take(entry: Uint8Array): Promise<void>;
  /** All that the log had has been taken. */
  synced(): Promise<void>;
  failed(error: unknown): void;
  closed(error: SkeinError | undefined): void;
}

/** What a snapshot keeps at most: who is away for more entries is let in anew. */
const KEPT = { entries: 512, bytes: 4 * 2 ** 20 };
/** Entries after which the log is made shorter. */
const LONG = 256;

/** Reads a log. */
export class LogReader {
  readonly document: Document;
  readonly #listener: LogListener;
  readonly #off: (() => void)[];
  #last: Promise<unknown> = Promise.resolve();
  #newest: Uint8Array[] = [];
  #size = 0;
  /** Entries since the last snapshot that this reader knows of. */
  #since = 0;
  #isCompacting = false;
  #isClosed = false;
  /** All that the log had was taken, and there is a connection. */
  live = false;
  /** The last entry that was taken. */
  position: Position | undefined;

  constructor(document: Document, listener: LogListener) {
    this.document = document;
    this.#listener = listener;
    this.#off = [
      document.on("reset", ({ data }) => this.#reset(data)),
      document.on("operation", ({ data, offset }) => {
        const { epoch } = document.position!;
        this.#keep(data);
        this.run(async () => {
          await listener.take(data);
          this.position = { epoch, offset };
        });
      }),
      document.on("synced", (at) =>
        this.run(async () => {
          this.position = { ...at };
          this.live = document.synced;
          if (this.live) await listener.synced();
        })),
      document.on("offline", () => void (this.live = false)),
      document.on("full", () => this.#compact()),
      document.on("error", (error) => listener.failed(error)),
      document.on("closed", (error) => listener.closed(error)),
    ];
  }

  /** Runs `act` after everything before it; not any more once it is closed. */
  run(act: () => Promise<void>): void {
    const unlessClosed = (): Promise<void> | undefined => this.#isClosed ? undefined : act();
    this.#last = this.#last.then(unlessClosed).catch((error) => this.#listener.failed(error));
  }

  /** Makes the log shorter when it has become long. */
  tidy(): void {
    if (this.#since >= LONG && this.#newest.length >= LONG / 2) this.#compact();
  }

  /** Resolves when nothing is being done any more. */
  async idle(): Promise<void> {
    await this.#last;
  }

  /** Reads no more. */
  close(): void {
    this.#isClosed = true;
    for (const off of this.#off) off();
    this.live = false;
    this.document.close();
  }

  #reset(data: Uint8Array | undefined): void {
    const entries = data === undefined ? [] : decodeSnapshot(data);
    this.#newest = [];
    this.#size = this.#since = 0;
    for (const entry of entries) this.#keep(entry);
    this.#since = 0;
    this.run(async () => {
      for (const entry of entries) await this.#listener.take(entry);
    });
  }

  #keep(entry: Uint8Array): void {
    this.#newest.push(entry);
    this.#size += entry.length;
    this.#since++;
    while (this.#newest.length > KEPT.entries || this.#size > KEPT.bytes) {
      this.#size -= this.#newest.shift()!.length;
    }
  }

  #compact(): void {
    if (this.#isCompacting || this.#newest.length === 0) return;
    this.#isCompacting = true;
    this.#since = 0;
    this.document.snapshot(encodeSnapshot(this.#newest))
      // Another member does it when as many entries have come again.
      .catch((error) => this.#listener.failed(error))
      .finally(() => void (this.#isCompacting = false));
  }
}

/** An error as the SDK's. */
export function skeinError(cause: unknown): SkeinError {
  if (cause instanceof SkeinError) return cause;
  return new SkeinError("bad_payload", cause instanceof Error ? cause.message : String(cause), { cause });
}
