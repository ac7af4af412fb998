/**
 * What functions say of messages before they are published.
 *
 * @module
 */

import { type Answers, type Call, type Event, FunctionError, type Outcome } from "../../functions/mod.ts";
import { grownOf, type PiecePublication, pieceWithin, type Publication } from "../../hub/mod.ts";
import { type Payload, ProtocolError } from "../../protocol/mod.ts";
import { isOwn, messageEvent, verdictOf } from "./messages.ts";
import type { FunctionSet } from "./set.ts";

/** What filters need. */
export interface FilterOptions {
  readonly set: FunctionSet;
  readonly call: (name: string, call: Call) => Promise<Outcome>;
  /** What becomes of a message when a function that has to see it fails. */
  readonly onFailure: () => "refuse" | "allow";
  /** What a function may say meanwhile. */
  readonly answers: (name: string, event: Event, depth: number) => Answers | undefined;
}

/** Milliseconds of all calls that hold a message: less than hooks have. */
const BEFORE_TIMEOUT = 4000;
/** Milliseconds of them that are left to each function behind a slow one: enough for the start of its isolate. */
const LEFT_TO_EACH = 250;
/** Asks functions about messages. */
export class Filters {
  readonly #options: FilterOptions;

  constructor(options: FilterOptions) {
    this.#options = options;
  }

  /** Asks about a message; undefined: no function has to see it. Rejects with ProtocolError. */
  before(publication: Publication): Promise<void> | undefined {
    const names = this.#askedBefore(publication);
    return names.length === 0 ? undefined : this.#ask(names, publication);
  }

  /** Which functions have to see a message before it is published. */
  #askedBefore(said: Pick<Publication, "channel" | "from" | "origin">): string[] {
    const { set, onFailure } = this.#options;
    // What has not loaded may be what has to see it.
    if (said.origin !== "function" && set.unloaded.mayFilter(said.channel) && onFailure() === "refuse") {
      throw new ProtocolError("not_available", "a function that may have to see it has not loaded");
    }
    return set.functions
      .filter(({ name, manifest }) => {
        const message = manifest!.message;
        return message?.when === "before" && message.matches(said.channel) && !isOwn(said, name);
      })
      .map(({ name }) => name);
  }

  async #ask(names: readonly string[], publication: Publication): Promise<void> {
    const timeoutOf = sharedTimeouts(names.length);
    for (const name of names) {
      const { channel, type, id, from, payload, depth } = publication;
      const event = messageEvent("before", { channel, type, id, from, payload });
      const change = await this.#judge(name, event, depth, timeoutOf());
      if (change === undefined) continue;
      const { text: _text, data: _data, bytes: _bytes, ...rest } = payload;
      publication.payload = { ...rest, ...change };
      const { target: _target, ...content } = publication.payload;
      if (publication.edit?.kind === "replace") publication.edit = { ...publication.edit, content };
    }
  }

  /** Asks about a piece of a streamed message, which functions see with what was said before. Rejects with ProtocolError. */
  async beforePiece(piece: PiecePublication): Promise<void> {
    const { channel, from, type, content, target } = piece;
    if (content.length === 0) return;
    const names = this.#askedBefore(piece);
    const timeoutOf = sharedTimeouts(names.length);
    for (const name of names) {
      const payload = { ...grownOf(piece) };
      const event = messageEvent("before", { channel, type, id: `${target}`, from, payload });
      const change = await this.#judge(name, event, 0, timeoutOf());
      if (change !== undefined) piece.content = pieceWithin(piece, change);
    }
  }

  /** The content that a function wants instead; undefined: the message may pass. Rejects with ProtocolError. */
  async #judge(
    name: string,
    event: Event,
    depth: number,
    timeout: number,
  ): Promise<Payload | undefined> {
    const { call, onFailure, answers } = this.#options;
    let value: unknown;
    try {
      ({ value } = await call(name, {
        event,
        depth,
        timeout,
        answers: answers(name, event, depth),
      }));
    } catch (error) {
      // A function that was removed a moment ago has nothing to say.
      if (error instanceof FunctionError && error.kind === "unknown") return undefined;
      if (onFailure() === "allow") return undefined;
      throw new ProtocolError("not_available", "what has to see the message first did not answer", {
        cause: error,
      });
    }
    return verdictOf(value);
  }
}

/** Gives each of `count` calls in turn its time: together they never take longer than the message may be held. */
function sharedTimeouts(count: number): () => number {
  const until = performance.now() + BEFORE_TIMEOUT;
  let behind = count;
  return () => {
    const left = Math.max(1, until - performance.now());
    behind--;
    return Math.max(left - behind * LEFT_TO_EACH, left / (behind + 1));
  };
}
