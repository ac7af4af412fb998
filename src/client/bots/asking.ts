/**
 * The asker's side of commands: the answer of a bot, whole or as it grows, through cuts.
 *
 * @module
 */

import { deferred, handled } from "../../async/deferred.ts";
import { uuidv7 } from "../../protocol/core.ts";
import type { BotCommands, BotList, BotResponseDelivery, FailureReason } from "../../protocol/mod.ts";
import { type Clock, systemClock } from "../clock.ts";
import type { SkeinClient } from "../client.ts";
import { SkeinError } from "../errors.ts";

/** A command to give. */
export interface AskBotOptions {
  readonly bot: string;
  readonly command: string;
  /** By the names of the arguments. @default none */
  readonly args?: unknown;
  /** The conversation it is about. */
  readonly channel?: string;
  /** @default the runtime's */
  readonly clock?: Clock;
}

/** A part of an answer, while it comes. */
export type BotPart =
  /** How far the bot is. */
  | { readonly kind: "progress"; readonly done?: number; readonly text?: string }
  /** More of a streamed answer. */
  | { readonly kind: "piece"; readonly text: string };

/** What a command came to. */
export interface BotResult {
  /** `answer`: for the asker alone; `channel`: it is a message in the channel; `done`: there is nothing to say. */
  readonly kind: "answer" | "channel" | "done";
  /** Of an answer: its text, all of a streamed one. */
  readonly text?: string;
  /** Of an answer that is no text. */
  readonly data?: unknown;
  /** Where it is, of `channel`. */
  readonly channel?: string;
  readonly offset?: number;
}

/** There is no answer, or not all of it. */
export class BotError extends Error {
  override readonly name = "BotError";
  /** Why: the bot says so, took too long, has gone, said too much, or gave up in the middle. */
  readonly reason: FailureReason | "failed";
  /** What had been said. */
  readonly text: string;

  constructor(reason: FailureReason | "failed", message: string, text: string) {
    super(message);
    this.reason = reason;
    this.text = text;
  }
}

/** Milliseconds of silence after which the command is said again: the server tells what was lost. */
const SILENCE = 15_000;

/** Gives a command. What fails is told by the answer. */
export function askBot(
  client: SkeinClient,
  { bot, command, args = {}, channel, clock = systemClock }: AskBotOptions,
): BotAnswer {
  const payload = channel === undefined ? { bot, command, args } : { bot, command, args, channel };
  return new BotAnswer({ client, clock, id: uuidv7(), payload });
}

/**
 * Says a line in a channel. Resolves with the answer when it was a command (`/poll start ...`), and with undefined when it
 * was published. Rejects as `Channel.publish` does, with `unknown_command` and `bad_arguments` too.
 */
export async function sayCommand(
  client: SkeinClient,
  channel: string,
  text: string,
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<BotAnswer | undefined> {
  const id = uuidv7();
  // The answer may be here before the acknowledgement is looked at.
  const answer = new BotAnswer({ client, clock, id, payload: undefined });
  try {
    const { command } = await client.manager.send("chat_message", { channel, text }, id);
    if (command !== undefined) return answer;
  } catch (error) {
    answer.cancel();
    throw error;
  }
  answer.cancel();
  return undefined;
}

/** The commands there are, of all bots, for completion. Rejects with the server's error. */
export function botCommands(client: SkeinClient, query: BotCommands = {}): Promise<BotList> {
  return client.manager.send("bot_commands", { ...query });
}

interface Parts {
  readonly client: SkeinClient;
  readonly clock: Clock;
  readonly id: string;
  /** Of the command; undefined: it was typed, and the outbox says it again. */
  readonly payload: Record<string, unknown> | undefined;
}

/**
 * An answer on its way: `result` resolves with it, and the object itself is iterated, once, for what comes meanwhile. The
 * command is given once, whatever happens to connections.
 */
export class BotAnswer implements AsyncIterable<BotPart> {
  /** The id of the command. */
  readonly id: string;
  /**
   * Resolves when the command is over. Rejects with BotError when there is no answer, and with SkeinError: the server's
   * error (`unknown_bot`, `unknown_command`, `bad_arguments`, ...), `connection_lost` and `command_over` when the session or
   * its node was lost and with it what becomes of the command, `closed` after `cancel`.
   */
  readonly result: Promise<BotResult>;
  readonly #parts: Parts;
  readonly #result = deferred<BotResult>();
  readonly #offs: (() => void)[];
  readonly #waiting: BotPart[] = [];
  #text = "";
  #over = false;
  #isSent = false;
  #wake = () => {};
  #cancelWatch = () => {};

  /** Made by `askBot` and `sayCommand`. */
  constructor(parts: Parts) {
    const { client, id } = this.#parts = parts;
    this.id = id;
    this.result = handled(this.#result.promise);
    this.#offs = [
      client.on("message", ({ type, re, payload }) => {
        if (type === "bot_response" && re === id) this.#take(payload as unknown as BotResponseDelivery);
      }),
      client.on("error", (error) => error.re === id && this.#fail(error)),
      client.on("connected", ({ resumed }) => this.#again(resumed)),
      client.on("status", (status) => status === "closed" && this.#fail(SkeinError.closed())),
    ];
    if (parts.payload !== undefined) this.#send();
  }

  /** Stops waiting; the bot is not told. */
  cancel(): void {
    this.#fail(SkeinError.closed());
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BotPart, void, undefined> {
    while (true) {
      for (let part = this.#waiting.shift(); part !== undefined; part = this.#waiting.shift()) yield part;
      if (this.#over) return;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  #send(): void {
    const { client, id, payload } = this.#parts;
    this.#watch();
    if (payload === undefined || !client.manager.isConnected()) return;
    const again = this.#isSent ? { since: this.#text.length } : {};
    this.#isSent = true;
    client.manager.send("bot_command", { ...payload, ...again }, id)
      // Without a connection it is said on the next one.
      .catch((error: SkeinError) => error.error !== "connection_lost" && this.#fail(error));
  }

  #again(resumed: boolean): void {
    // Another session: the one before is over, and its commands with it.
    if (this.#isSent && !resumed) {
      return this.#fail(SkeinError.temporary("connection_lost", "what became of the command is not known"));
    }
    this.#send();
  }

  #watch(): void {
    this.#cancelWatch();
    this.#cancelWatch = this.#parts.clock.after(SILENCE, () => this.#send());
  }

  #take({ kind, text = "", data, at = 0, final, done, channel, offset, reason }: BotResponseDelivery): void {
    this.#watch();
    if (kind === "progress") {
      const said = text === "" ? {} : { text };
      return this.#tell(done === undefined ? { kind, ...said } : { kind, done, ...said });
    }
    if (kind === "failed") {
      return this.#fail(new BotError(reason ?? "refused", text || "no answer", this.#text));
    }
    if (kind !== "piece") {
      if (kind === "channel") return this.#end({ kind, channel: channel!, offset: offset! });
      if (kind !== "answer") return this.#end({ kind: "done" });
      return this.#end(data === undefined ? { kind, text } : { kind, data });
    }
    // A piece before it was lost with its lane.
    if (at > this.#text.length) return this.#send();
    const added = text.slice(this.#text.length - at);
    this.#text += added;
    if (added !== "") this.#tell({ kind, text: added });
    if (final === "ended") this.#end({ kind: "answer", text: this.#text });
    else if (final !== undefined) this.#fail(new BotError("failed", "the bot gave up", this.#text));
  }

  #tell(part: BotPart): void {
    if (this.#over) return;
    this.#waiting.push(part);
    this.#wake();
  }

  #end(result: BotResult): void {
    this.#close();
    this.#result.resolve(result);
  }

  #fail(error: Error): void {
    this.#close();
    this.#result.reject(error);
  }

  #close(): void {
    this.#over = true;
    this.#cancelWatch();
    for (const off of this.#offs.splice(0)) off();
    this.#wake();
  }
}
