/**
 * The commands that sessions of this node have given, and those they gave some time ago.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { ProtocolError } from "../protocol/mod.ts";
import { Call, type Seat } from "./bot_call.ts";
import type { Command, CommandLimits } from "./bot_contract.ts";
import type { SessionEvents } from "./session_events.ts";

/** Commands of one user that wait for an answer. */
const MOST_OPEN = 64;
/** Milliseconds for which the end of a command is remembered: a client that was cut off asks again within it. */
const REMEMBERED = 120_000;
/** Characters of all answers that are remembered; older ones go first. */
const MOST_REMEMBERED = 16 * 1024 ** 2;
/** What an answer takes beside its text, about. */
const OVERHEAD = 1024;

/** What the table is made of. */
export interface CallsParts {
  readonly clock: Clock;
  readonly events: SessionEvents;
  readonly limits: () => CommandLimits;
  readonly most: () => number;
}

/** Commands by user and id: of several with one id only the first has an effect. */
export class Calls {
  readonly #parts: CallsParts;
  readonly #calls = new Map<string, Call>();
  /** The same by the asker's session and id, as bots name them. */
  readonly #bySession = new Map<string, Call>();
  readonly #open = new Map<string, number>();
  /** By user and id, the end of what is under way about a command. */
  readonly #giving = new Map<string, Promise<unknown>>();
  /** Calls that are over, the oldest first, and when they ended. */
  readonly #over = new Map<Call, number>();
  #remembered = 0;

  constructor(parts: CallsParts) {
    this.#parts = parts;
    parts.events.listen("bot calls", ({ kind, client: { sessionId } }) => {
      if (kind !== "end") return;
      for (const call of this.#calls.values()) {
        if (call.command.session === sessionId && !call.isOver) call.drop();
      }
    });
  }

  /** Commands that wait for an answer. */
  get open(): number {
    return this.#calls.size - this.#over.size;
  }

  /** A command of a user. */
  get(user: string, id: string): Call | undefined {
    return this.#calls.get(keyOf(user, id));
  }

  /** The command that was given with this id on this session. */
  of(session: string, id: string): Call | undefined {
    return this.#bySession.get(keyOf(session, id));
  }

  /**
   * Gives a command, once whoever gives one with the same id now is done: only then it is known whether there is one.
   */
  async give<T>(user: string, id: string, give: () => Promise<T>): Promise<T> {
    const key = keyOf(user, id);
    const before = this.#giving.get(key);
    const given = before === undefined ? give() : before.then(give);
    const over = given.then(() => {}, () => {});
    this.#giving.set(key, over);
    try {
      return await given;
    } finally {
      if (this.#giving.get(key) === over) this.#giving.delete(key);
    }
  }

  /**
   * Begins a command. `hasOwnTime`: who answers it may be silent as long as it likes, within `longest`. Throws
   * ProtocolError `limit_exceeded`.
   */
  begin(command: Command, seat: Seat, hasOwnTime = false): Call {
    const { clock, most } = this.#parts;
    const { timeout, longest } = this.#parts.limits();
    const limits = { timeout: hasOwnTime ? longest : timeout, longest };
    this.sweep();
    const open = this.#open.get(command.from) ?? 0;
    if (open >= MOST_OPEN) {
      throw new ProtocolError("limit_exceeded", `${MOST_OPEN} commands wait for an answer`);
    }
    this.#open.set(command.from, open + 1);
    const over = (call: Call) => this.#ended(call);
    const call = new Call(command, seat, { clock, limits, most: most(), over });
    this.#calls.set(keyOf(command.from, command.id), call);
    this.#bySession.set(keyOf(command.session, command.id), call);
    return call;
  }

  /** Ends all that wait for an answer: nobody can be told any more. */
  close(): void {
    for (const call of this.#calls.values()) call.drop();
  }

  /** A command that was refused after all: another one may have its id. */
  forget(call: Call): void {
    call.drop();
    this.#remove(call);
  }

  /** The session of a bot is over: what it has not answered it will not. */
  holderEnded(session: string): void {
    for (const call of this.#calls.values()) {
      if (call.holder === session) call.fail("bot_gone", "the bot has gone");
    }
  }

  #ended(call: Call): void {
    const { from } = call.command;
    const open = this.#open.get(from)! - 1;
    if (open === 0) this.#open.delete(from);
    else this.#open.set(from, open);
    this.#over.set(call, this.#parts.clock.now());
    this.#remembered += call.size + OVERHEAD;
    this.sweep();
  }

  /** Forgets what has been over for long enough. */
  sweep(): void {
    const before = this.#parts.clock.now() - REMEMBERED;
    for (const [call, at] of this.#over) {
      if (at > before && this.#remembered <= MOST_REMEMBERED) return;
      this.#remove(call);
    }
  }

  #remove(call: Call): void {
    if (!this.#over.delete(call)) return;
    this.#remembered -= call.size + OVERHEAD;
    const { from, session, id } = call.command;
    this.#calls.delete(keyOf(from, id));
    this.#bySession.delete(keyOf(session, id));
  }
}

function keyOf(user: string, id: string): string {
  return `${user} ${id}`;
}
