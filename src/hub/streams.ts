/**
 * Streamed messages: pieces of clients on their way to the engine. The first piece is committed at once; those that come
 * within the next moment wait for one another and are committed as one, so that a fast sender costs twenty commits a
 * second, however many pieces it sends.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { deferred } from "../async/deferred.ts";
import type { Grown, Growth, GrowthRefusal, Log, MaybePromise } from "../engine/contract.ts";
import { type ErrorName, ERRORS, type KeptType, ProtocolError } from "../protocol/mod.ts";
import type { PiecePublication } from "./publication.ts";

/** Milliseconds from one commit of a message to its next. A reader does not see text come in smoother steps than that. */
const HOLD = 50;

/** What an engine's refusal is to a client. */
const REFUSALS: Readonly<Record<GrowthRefusal, ErrorName>> = {
  unknown: "unknown_message",
  foreign: "foreign_message",
  epoch: "wrong_epoch",
  ended: "stream_ended",
  gap: "stream_gap",
  kind: "bad_payload",
  size: "message_too_large",
};

/** Who is asked before a message grows; see `PublishHooks`. */
export interface PieceHooks {
  readonly seesPieces: boolean;
  beforePiece(piece: PiecePublication): MaybePromise<void>;
}

interface Waiting {
  readonly growth: Growth;
  resolve(length: number): void;
  reject(error: unknown): void;
}

/** A message that has grown a moment ago. */
interface Stream {
  readonly channel: string;
  readonly origin: PiecePublication["origin"];
  waiting: Waiting[];
  /** A commit is under way. */
  busy: boolean;
  /** Cancels the wait for the next commit. */
  cancel: (() => void) | undefined;
}

/** The pieces on this node. */
export class Streams {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #hooks: PieceHooks;
  /** By channel, message and sender: what one user sends must not spoil the commit of another's. Emptied within a moment. */
  readonly #streams = new Map<string, Stream>();

  constructor(log: Log, clock: Clock, hooks: PieceHooks) {
    this.#log = log;
    this.#hooks = hooks;
    this.#clock = clock;
  }

  /**
   * Makes a message longer; resolves with its length once that is committed. Rejects with ProtocolError:
   * `unknown_message`, `foreign_message`, `wrong_epoch`, `stream_ended`, `stream_gap`, `bad_payload`,
   * `message_too_large`, what a hook refuses with, or what the engine says.
   */
  append(channel: string, growth: Growth, origin: PiecePublication["origin"] = "client"): Promise<number> {
    const key = `${channel} ${growth.target} ${growth.from} ${growth.epoch} ${origin}`;
    let stream = this.#streams.get(key);
    const { promise, resolve, reject } = deferred<number>();
    const waiting = { growth, resolve, reject };
    if (stream === undefined) {
      stream = { channel, origin, waiting: [waiting], busy: false, cancel: undefined };
      this.#streams.set(key, stream);
      void this.#commit(key, stream);
    } else {
      stream.waiting.push(waiting);
      // Its reader has nothing more to wait for.
      if (growth.end !== undefined && !stream.busy) void this.#commit(key, stream);
    }
    return promise;
  }

  async #commit(key: string, stream: Stream): Promise<void> {
    stream.cancel?.();
    const pieces = stream.waiting;
    stream.waiting = [];
    stream.busy = true;
    let goesOn = false;
    for (const run of runsOf(pieces)) goesOn = await this.#commitRun(stream, run);
    stream.busy = false;
    const { waiting } = stream;
    if (!goesOn && waiting.length === 0) return void this.#streams.delete(key);
    if (waiting.some(({ growth }) => growth.end !== undefined)) return this.#commit(key, stream);
    stream.cancel = this.#clock.after(HOLD, () => {
      if (stream.waiting.length > 0) void this.#commit(key, stream);
      else this.#streams.delete(key);
    });
  }

  /** Commits pieces that follow one another as one; never rejects. True: more of the message may follow. */
  async #commitRun(stream: Stream, run: readonly Waiting[]): Promise<boolean> {
    let goesOn = false;
    try {
      const { length, refused } = await this.#grow(stream, joined(run));
      if (refused === undefined) {
        run.forEach(({ resolve }) => resolve(length));
        goesOn = run.at(-1)!.growth.end === undefined;
      } else if (run.length > 1) {
        // The first ones may fit.
        for (const piece of run) goesOn = await this.#commitRun(stream, [piece]);
      } else throw new ProtocolError(REFUSALS[refused]);
    } catch (error) {
      run.forEach(({ reject }) => reject(error));
    }
    return goesOn;
  }

  #grow({ channel, origin }: Stream, growth: Growth): MaybePromise<Grown> {
    return this.#hooks.seesPieces
      ? this.#growAsked(channel, growth, origin)
      : this.#log.grow(channel, growth);
  }

  /** Lets hooks see what is new of a growth. What the engine refuses anyway is left to it. */
  async #growAsked(
    channel: string,
    growth: Growth,
    origin: PiecePublication["origin"],
  ): Promise<Grown> {
    const { target, from, at, content, end } = growth;
    const { record } = await this.#log.get(channel, target);
    const kept = record?.payload.stream === "open" && record.from === from
      ? record.payload.text ?? record.payload.data
      : undefined;
    if (kept === undefined || typeof kept !== typeof content) return await this.#log.grow(channel, growth);
    const { length } = kept as string | unknown[];
    const added = content.slice(Math.max(0, length - at));
    if (at > length || added.length === 0) return await this.#log.grow(channel, growth);
    const { type, payload: said } = record!;
    const piece: PiecePublication = {
      origin,
      channel,
      target,
      from,
      type: type as KeptType,
      said,
      content: added,
      end,
    };
    try {
      await this.#hooks.beforePiece(piece);
      if (typeof piece.content !== typeof added || piece.content.length !== added.length) {
        throw new TypeError("a hook may change a piece, but not its length");
      }
    } catch (error) {
      // What was said before the refusal stays: its readers are to see that nothing more comes.
      if (!(error instanceof ProtocolError && ERRORS[error.error].temporary)) {
        await this.#log.grow(channel, { ...growth, at: length, content: added.slice(0, 0), end: "failed" });
      }
      throw error;
    }
    return await this.#log.grow(channel, { ...growth, at: length, content: piece.content });
  }
}

/** Puts pieces together that begin where the one before them ends. What comes after an end stands alone. */
function runsOf(pieces: readonly Waiting[]): Waiting[][] {
  const runs: Waiting[][] = [];
  for (const piece of pieces) {
    const last = runs.at(-1)?.at(-1)?.growth;
    const { at, content } = piece.growth;
    const follows = last !== undefined && last.end === undefined && last.at + last.content.length === at &&
      typeof last.content === typeof content;
    if (follows) runs.at(-1)!.push(piece);
    else runs.push([piece]);
  }
  return runs;
}

function joined(run: readonly Waiting[]): Growth {
  const first = run[0]!.growth;
  if (run.length === 1) return first;
  const contents = run.map(({ growth }) => growth.content);
  const content = typeof first.content === "string"
    ? contents.join("")
    : contents.flatMap((each) => [...each]);
  return { ...first, content, end: run.at(-1)!.growth.end };
}
