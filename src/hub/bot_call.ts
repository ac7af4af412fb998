/**
 * One command on its way: what has been said of it, and what its asker has been sent of that.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import {
  type BotResponse,
  contentOf,
  type FailureReason,
  fitsEveryForm,
  isJson,
  type Message,
  type Payload,
  ProtocolError,
  uuidv7,
} from "../protocol/mod.ts";
import type { Command, CommandLimits } from "./bot_contract.ts";

/** Characters of one piece at most; what waits is put together up to that. */
const PIECE = 8192;

/** Where the asker is. */
export interface Seat {
  /** Sends to the asker; a promise: nothing more until it has resolved. False: it is not there any more. */
  send(message: Message): boolean | Promise<boolean>;
}

/** A response, and who gave it. */
export interface Response extends Omit<BotResponse, "to" | "command"> {
  /** The id of its message: the same response may come twice. */
  readonly id: string;
  /** The bot's user id. */
  readonly from: string;
  /** Of an answer in a channel. */
  readonly channel?: string;
}

/** What a call is made of. */
export interface CallParts {
  readonly clock: Clock;
  readonly limits: CommandLimits;
  /** Characters of a streamed answer. */
  readonly most: number;
  /** Called once, when nothing more can be said. */
  readonly over: (call: Call) => void;
}

/** A command and its answer. A streamed answer is kept until some time after its end: who lost a part asks again. */
export class Call {
  #command: Command;
  /** The session of the bot's connection that has it; undefined: none, or not known yet. */
  holder: string | undefined;
  /** Said once: aborted when nothing more can be said. */
  readonly #abort = new AbortController();
  readonly #parts: CallParts;
  readonly #began: number;
  #seat: Seat | undefined;
  /** The seat that a message is on its way to: nothing more is sent there meanwhile. */
  #busy: Seat | undefined;
  #text = "";
  /** How much of `#text` the asker has been sent. */
  #sent = 0;
  #from: string;
  #progress: Payload | undefined;
  /** The payload that ends it. */
  #end: Payload | undefined;
  #endSize = 0;
  /** The id of the response that ended it. */
  #endedBy: string | undefined;
  #endSent = false;
  #cancel: () => void = () => {};

  constructor(command: Command, seat: Seat, parts: CallParts) {
    this.#command = command;
    this.#seat = seat;
    this.#parts = parts;
    this.#from = command.bot;
    this.#began = parts.clock.now();
    this.#await();
  }

  /** Without its arguments once nothing more can be said. */
  get command(): Command {
    return this.#command;
  }

  /** Nothing more can be said. */
  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Aborted when nothing more can be said. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Where the answer in the channel is, when the response `id` was it. */
  takenAt(id: string): number | undefined {
    return this.#endedBy === id ? this.#end?.offset as number | undefined : undefined;
  }

  /** Characters and bytes of the answer it holds. */
  get size(): number {
    return this.#text.length + this.#endSize;
  }

  /** The asker says the command again, from another connection perhaps: it gets what follows `since`. */
  again(seat: Seat, since: number): void {
    this.#seat = seat;
    this.#sent = Math.min(since, this.#text.length);
    this.#endSent = false;
    this.#flush();
  }

  /**
   * Takes what is said of the command; resolves to what is had of a streamed answer. Throws ProtocolError
   * `command_over`, `stream_gap`, and `message_too_large`, which ends it.
   */
  take(response: Response): number {
    const { kind = "answer", id, from, at = 0, text = "", final } = response;
    if (this.isOver) {
      if (this.#endedBy === id) return this.#text.length;
      throw new ProtocolError("command_over");
    }
    this.#from = from;
    const said = this.#fitting(shown(response));
    this.#await();
    if (kind === "progress") this.#progress = said;
    else if (kind === "piece") this.#append(at, text, final, id);
    else this.#finish({ ...said, ...(kind === "failed" ? { reason: "refused" } : {}) }, id);
    this.#flush();
    return this.#text.length;
  }

  /** Ends it without an answer. */
  fail(reason: FailureReason, text: string): void {
    if (this.isOver) return;
    this.#finish({ kind: "failed", reason, text }, undefined);
    this.#flush();
  }

  /** Nobody can be told any more. */
  drop(): void {
    this.#seat = undefined;
    this.fail("timeout", "the session is over");
  }

  /** What can be sent to the asker; throws, and ends the command when it is too large. */
  #fitting(said: Payload): Payload {
    const { data } = said;
    if (data !== undefined && !(data instanceof Uint8Array) && !isJson(data)) {
      throw new Error("a command was answered with what is no JSON value of at most 32 levels");
    }
    if (fitsEveryForm(said, this.#parts.most)) return said;
    this.fail("too_large", `the answer is larger than ${this.#parts.most} bytes`);
    throw new ProtocolError("message_too_large");
  }

  #append(at: number, text: string, final: BotResponse["final"], id: string): void {
    const have = this.#text.length;
    if (at > have) throw new ProtocolError("stream_gap");
    const added = text.slice(have - at);
    if (have + added.length > this.#parts.most) {
      this.fail("too_large", `the answer is longer than ${this.#parts.most} characters`);
      throw new ProtocolError("message_too_large");
    }
    this.#text += added;
    if (final !== undefined) this.#finish({ kind: "piece", final }, id);
  }

  #finish(end: Payload, id: string | undefined): void {
    this.#cancel();
    this.#end = end;
    this.#endSize = sizeOf(end);
    // It is remembered for the sake of its answer.
    this.#command = { ...this.#command, args: undefined };
    this.#endedBy = id;
    this.#progress = undefined;
    this.#abort.abort(new ProtocolError("command_over"));
    this.#parts.over(this);
  }

  /** Waits for the next thing that is said. */
  #await(): void {
    this.#cancel();
    const { clock, limits: { timeout, longest } } = this.#parts;
    const left = Math.min(timeout, longest - (clock.now() - this.#began));
    this.#cancel = clock.after(
      Math.max(0, left),
      () =>
        this.fail(
          "timeout",
          `the bot did not answer within ${Math.round(Math.min(timeout, longest) / 1000)} s`,
        ),
    );
  }

  /** Sends what the asker has not been sent, as fast as it takes it. Never rejects. */
  #flush(): void {
    while (this.#seat !== undefined && this.#seat !== this.#busy) {
      const seat = this.#seat;
      const message = this.#next();
      if (message === undefined) return;
      const sent = seat.send(message);
      if (sent instanceof Promise) {
        this.#busy = seat;
        void sent.catch(() => false).then((isThere) => {
          if (this.#busy === seat) this.#busy = undefined;
          // The asker may be at another seat by now, and has got it there.
          if (!isThere && this.#seat === seat) this.#seat = undefined;
          this.#flush();
        });
      } else if (!sent) this.#seat = undefined;
    }
  }

  /** The next message for the asker; it counts as sent. */
  #next(): Message | undefined {
    if (this.#seat === undefined || this.#endSent) return undefined;
    const progress = this.#progress;
    if (progress !== undefined) {
      this.#progress = undefined;
      return this.#message(progress);
    }
    const at = this.#sent;
    const isPiece = this.#end === undefined || this.#end.kind === "piece";
    if (at < this.#text.length) {
      this.#sent = cutAt(this.#text, at + PIECE);
      const isLast = this.#end !== undefined && isPiece && this.#sent === this.#text.length;
      this.#endSent = isLast;
      return this.#message({
        kind: "piece",
        at,
        text: this.#text.slice(at, this.#sent),
        ...(isLast ? this.#end : {}),
      });
    }
    if (this.#end === undefined) return undefined;
    this.#endSent = true;
    return this.#message(isPiece ? { at, text: "", ...this.#end } : this.#end);
  }

  #message(payload: Payload): Message {
    const { id, bot, command } = this.command;
    return {
      type: "bot_response",
      id: uuidv7(),
      timestamp: this.#parts.clock.wall(),
      re: id,
      payload: { bot, from: this.#from, command, ...payload },
    };
  }
}

/** What the asker is shown of a response. */
function shown(response: Response): Payload {
  const { kind = "answer", text, data, done, offset, channel } = response;
  const said: Payload = { kind };
  if (kind === "channel") return { kind, channel, offset };
  if (kind === "piece") return said;
  if (kind === "progress" && done !== undefined) said.done = done;
  if (text !== undefined || data !== undefined) Object.assign(said, contentOf(response));
  return said;
}

/** Characters of a text or of data as JSON, or bytes. */
function sizeOf({ text = "", data }: Payload): number {
  if (data === undefined) return (text as string).length;
  return data instanceof Uint8Array ? data.length : JSON.stringify(data).length;
}

/** A place in a text that is no half of a character, at most `at`. */
function cutAt(text: string, at: number): number {
  if (at >= text.length) return text.length;
  const unit = text.charCodeAt(at - 1);
  return unit >= 0xd800 && unit < 0xdc00 ? at - 1 : at;
}
