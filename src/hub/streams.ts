/**
 * Streamed messages: pieces of clients on their way to the engine. The first piece is committed at once; those that come
 * within the next moment wait for one another and are committed as one, so that a fast sender costs twenty commits a
 * second, however many pieces it sends.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { deferred } from "../async/deferred.ts";
import type { Underway } from "../async/underway.ts";
import type {
  Grown,
  Growth,
  GrowthRefusal,
  Log,
  MaybePromise,
  Published,
  StreamEnd,
} from "../engine/contract.ts";
import { type ErrorName, ERRORS, type KeptType, ProtocolError } from "../protocol/mod.ts";
import type { EndedPublication, PiecePublication } from "./publication.ts";

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

/** Who is asked before a message grows, and told when it is over; see `PublishHooks`. */
export interface PieceHooks {
  readonly seesPieces: boolean;
  beforePiece(piece: PiecePublication): MaybePromise<void>;
  readonly seesEnds: boolean;
  ended(publication: EndedPublication, published: Published): Promise<unknown> | undefined;
}

/** Where pieces come from. */
export interface PieceSource {
  readonly origin: PiecePublication["origin"];
  /** How many functions answered each other's messages until this one. */
  readonly depth: number;
}

interface Waiting {
  readonly growth: Growth;
  resolve(length: number): void;
  reject(error: unknown): void;
}

/** A message that has grown a moment ago. */
interface Stream {
  readonly channel: string;
  readonly source: PieceSource;
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
  readonly #underway: Underway;
  /** By channel, message and sender: what one user sends must not spoil the commit of another's. Emptied within a moment. */
  readonly #streams = new Map<string, Stream>();
  #closed = false;

  /**
   * `failed` is told when hooks could not be told of a message that the engine has ended. `underway` gets commits, and what
   * hooks are told.
   */
  constructor(
    log: Log,
    clock: Clock,
    hooks: PieceHooks,
    failed: (error: unknown, stage: string) => void,
    underway: Underway,
  ) {
    this.#log = log;
    this.#underway = underway;
    this.#hooks = hooks;
    this.#clock = clock;
    log.onInterruption((channel, target) => {
      if (!hooks.seesEnds) return;
      const end = { final: "interrupted", origin: "service", depth: 0, duplicate: false } as const;
      const told = this.#tellEnd(channel, target, end);
      void underway.add(told.catch((error) => failed(error, "streamed message")));
    });
  }

  /** From now on nothing waits for the next commit of its message. */
  close(): void {
    this.#closed = true;
    for (const [key, stream] of this.#streams) if (!stream.busy) this.#commitNow(key, stream);
  }

  /**
   * Makes a message longer; resolves with its length once that is committed. Rejects with ProtocolError:
   * `unknown_message`, `foreign_message`, `wrong_epoch`, `stream_ended`, `stream_gap`, `bad_payload`,
   * `message_too_large`, what a hook refuses with, or what the engine says.
   */
  append(
    channel: string,
    growth: Growth,
    source: PieceSource = { origin: "client", depth: 0 },
  ): Promise<number> {
    const key = `${channel} ${growth.target} ${growth.from} ${growth.epoch} ${source.origin}`;
    let stream = this.#streams.get(key);
    const { promise, resolve, reject } = deferred<number>();
    const waiting = { growth, resolve, reject };
    if (stream === undefined) {
      stream = { channel, source, waiting: [waiting], busy: false, cancel: undefined };
      this.#streams.set(key, stream);
      this.#commitNow(key, stream);
    } else {
      stream.waiting.push(waiting);
      // Its reader has nothing more to wait for.
      if (growth.end !== undefined && !stream.busy) this.#commitNow(key, stream);
    }
    return promise;
  }

  #commitNow(key: string, stream: Stream): void {
    void this.#underway.add(this.#commit(key, stream));
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
    if (waiting.length === 0 && (!goesOn || this.#closed)) return void this.#streams.delete(key);
    if (this.#closed || waiting.some(({ growth }) => growth.end !== undefined)) {
      return this.#commit(key, stream);
    }
    stream.cancel = this.#clock.after(HOLD, () => {
      if (stream.waiting.length > 0) this.#commitNow(key, stream);
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

  #grow({ channel, source }: Stream, growth: Growth): MaybePromise<Grown> {
    return this.#hooks.seesPieces
      ? this.#growAsked(channel, growth, source)
      : this.#growAndTell(channel, growth, source);
  }

  /** Lets hooks know when a growth was the last one. Rejects when one that is to be waited for does. */
  #growAndTell(channel: string, growth: Growth, source: PieceSource): MaybePromise<Grown> {
    const { end } = growth;
    return end !== undefined && this.#hooks.seesEnds
      ? this.#growLast(channel, { ...growth, end }, source)
      : this.#log.grow(channel, growth);
  }

  async #growLast(
    channel: string,
    growth: Growth & { readonly end: StreamEnd },
    source: PieceSource,
  ): Promise<Grown> {
    const { target, end: final } = growth;
    const { record } = await this.#log.get(channel, target);
    const grown = await this.#log.grow(channel, growth);
    if (grown.refused === undefined) {
      await this.#tellEnd(channel, target, {
        ...source,
        final,
        duplicate: record?.payload.stream !== "open",
      });
    }
    return grown;
  }

  async #tellEnd(
    channel: string,
    target: number,
    { duplicate, ...end }: Pick<EndedPublication, "final" | "origin" | "depth"> & { duplicate: boolean },
  ): Promise<void> {
    const { record, epoch } = await this.#log.get(channel, target);
    if (record === undefined) return;
    const { id, from, payload } = record;
    const type = record.type as KeptType;
    const publication = { ...end, channel, type, id, from, payload };
    await this.#hooks.ended(
      { ...publication, client: undefined, edit: undefined, kept: undefined },
      { epoch, offset: target, duplicate },
    );
  }

  /** Lets hooks see what is new of a growth. What the engine refuses anyway is left to it. */
  async #growAsked(
    channel: string,
    growth: Growth,
    source: PieceSource,
  ): Promise<Grown> {
    const { target, from, at, content, end } = growth;
    const { record } = await this.#log.get(channel, target);
    const kept = record?.payload.stream === "open" && record.from === from
      ? record.payload.text ?? record.payload.data
      : undefined;
    const grow = (growth: Growth) => this.#growAndTell(channel, growth, source);
    if (kept === undefined || typeof kept !== typeof content) return await grow(growth);
    const { length } = kept as string | unknown[];
    const added = content.slice(Math.max(0, length - at));
    if (at > length || added.length === 0) return await grow(growth);
    const { type, payload: said } = record!;
    const piece: PiecePublication = {
      origin: source.origin,
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
        await grow({ ...growth, at: length, content: added.slice(0, 0), end: "failed" });
      }
      throw error;
    }
    return await grow({ ...growth, at: length, content: piece.content });
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
