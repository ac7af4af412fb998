/**
 * What answers commands, whatever it is: a function, a connection with the `bot` claim, the service itself.
 *
 * @module
 */

import type { Published } from "../engine/contract.ts";
import type { BotCommandSpec, Content } from "../protocol/mod.ts";

/** What can be asked of a bot. */
export interface BotProfile {
  /** The name of the bot. */
  readonly name: string;
  /** For people. */
  readonly description?: string | undefined;
  /** Read at each use, so that they may change. */
  readonly commands: readonly BotCommandSpec[];
}

/** Answers the commands of one bot on this node. */
export interface CommandResponder extends BotProfile {
  /** The user id that its messages are from. @default its name */
  readonly user?: string;
  /** It ends its answers within a time of its own: the bound on silence does not count. @default false */
  readonly hasOwnTime?: boolean;
  /**
   * Carries out a command, whose arguments fit their schema. The first of `reply`, `end` and `fail` ends it; else it ends
   * when this returns or the promise resolves. One that rejects is a failure: the asker is told so, with the error's own
   * text for a ProtocolError.
   */
  answer(command: Command, answering: Answering): void | Promise<void>;
}

/** A command as who answers it sees it. */
export interface Command {
  /** The asker's message id; with `session` it names the command. */
  readonly id: string;
  readonly bot: string;
  readonly command: string;
  /** By the names of the arguments, with defaults filled in. Any JSON value when the bot has registered no commands. */
  readonly args: unknown;
  /** The conversation it is about: the asker may read it. */
  readonly channel: string | undefined;
  /** The asker may publish in the channel. */
  readonly mayPublish: boolean;
  /** The user id of the asker. */
  readonly from: string;
  /** The session of the asker. */
  readonly session: string;
}

/** How a command is answered. What comes after its end is refused. */
export interface Answering {
  /** Aborted when nothing more can be said: it took too long, or the session of the asker is over. */
  readonly signal: AbortSignal;
  /** Says how far it is, and that it goes on: the time for an answer begins anew. Throws ProtocolError `command_over`. */
  progress(done?: number, text?: string): void;
  /**
   * Adds to a streamed answer for the asker alone. Throws ProtocolError `command_over`, and `message_too_large` for an
   * answer beyond its limit, which ends it.
   */
  append(text: string): void;
  /** Ends a streamed answer. Throws as `append`. */
  end(text?: string): void;
  /** Answers the asker alone. Throws ProtocolError `command_over`, `message_too_large`. */
  reply(content: Content): void;
  /** There is no answer, and why. Throws ProtocolError `command_over`. */
  fail(text: string): void;
  /**
   * Answers in the channel, as often as there is something to say: a message said by the bot. Rejects with ProtocolError: `bad_request` without a channel,
   * `permission_denied` when the asker may not publish there, and as `Hub.publish`.
   */
  publish(content: Content): Promise<Published>;
  /** Begins an answer in the channel that grows; `text`: what it says at first. Rejects as `publish`. */
  stream(text?: string): Promise<AnswerStream>;
}

/** An answer in a channel that grows. */
export interface AnswerStream {
  /** Resolves when it is committed. Rejects with ProtocolError as `Hub.append`. */
  append(text: string): Promise<void>;
  /** All is said. */
  end(text?: string): Promise<void>;
  /** Gives up: readers see that it is not all. */
  fail(): Promise<void>;
}

/** Bounds of commands. */
export interface CommandLimits {
  /** Milliseconds that a bot may say nothing. @default 30000 */
  readonly timeout: number;
  /** Milliseconds that an answer may take in all. @default 600000 */
  readonly longest: number;
}
