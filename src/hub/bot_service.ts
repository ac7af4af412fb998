/**
 * Commands: from whoever gives one to whoever answers for the bot, on whichever node, and the answer back.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import type { Underway } from "../async/underway.ts";
import {
  type BotCommandDelivery,
  Encoded,
  type ErrorName,
  LANES,
  type Message,
  type Payload,
  ProtocolError,
} from "../protocol/mod.ts";
import type { Client, StateKey } from "../router/types.ts";
import { carryOut } from "./bot_answering.ts";
import { type AnswersHub, BotAnswers } from "./bot_answers.ts";
import type { Call } from "./bot_call.ts";
import { Calls } from "./bot_calls.ts";
import type { BotProfile, Command, CommandLimits, CommandResponder } from "./bot_contract.ts";
import { BotDirectory } from "./bot_directory.ts";
import { HELP, HELP_PROFILE, helpText, listed, unknown } from "./bot_help.ts";
import { checkArguments } from "./bot_line.ts";
import { argumentsOf, findTyped, refuseTyped, type Typed } from "./bot_typed.ts";
import { Bots } from "./bots.ts";
import { type NamespaceLookup, refusePublish } from "./settings.ts";

const [BOT_LANE] = LANES.bot;
const GIVE = "bot_command";
const AGAIN = "bot_again";

/**
 * A receiver without room is not sent to: messages of bots are never dropped, and too many of them would end its
 * connection. Milliseconds until the sender may try again.
 */
const BUSY = { retryAfter: 1000 };

/** Of a client, the end of its last command: the next one waits until that is on its way, so that they keep their order. */
const LAST: StateKey<{ over: Promise<unknown> }> = { create: () => ({ over: Promise.resolve() }) };

/** The hub that the service of bots is a part of; see `Hub`. */
export interface BotHub extends AnswersHub {
  readonly namespace: NamespaceLookup;
  /** Why a client may not read what a channel keeps, or undefined. */
  refuseRead(client: Client, channel: string): ErrorName | undefined;
}

/** How the service of bots works. */
export interface BotServiceOptions {
  readonly clock: Clock;
  /** @default 30 seconds of silence, 10 minutes in all */
  readonly limits?: (() => CommandLimits) | undefined;
  /** Characters of a streamed answer. */
  readonly most: () => number;
  /** Told of failures that nobody waits for. */
  readonly failed: (error: unknown, stage: string) => void;
  /** Gets answers that are being made. */
  readonly underway: Underway;
}

const LIMITS: CommandLimits = { timeout: 30_000, longest: 600_000 };

/** A command that a client gives. */
export interface Asking {
  readonly client: Client;
  /** The id of its message. */
  readonly id: string;
  /** Where the client wants the answer. */
  readonly lane: number;
  readonly bot: string;
  readonly command: string;
  readonly args: unknown;
  readonly channel?: string | undefined;
  /** Nothing is said before it resolves. @default at once */
  readonly told?: Promise<void>;
  /** The client has given it before, and has so much of a streamed answer. @default it is given for the first time */
  readonly since?: number | undefined;
}

/** A line that a client typed in a channel. */
export interface Typing extends Pick<Asking, "client" | "id"> {
  readonly channel: string;
  /** The command's name, in lower case. */
  readonly word: string;
  /** What follows it. */
  readonly rest: string;
  /** Resolves when the client was told that it is a command: its answers follow that. */
  readonly told: Promise<void>;
}

/** The commands of this node. */
export class BotService {
  readonly #hub: BotHub;
  readonly #options: BotServiceOptions;
  readonly #calls: Calls;
  readonly #bots = new Bots();
  /** Sessions that wait for their client to come back to this node, and those that have come from another one. */
  readonly #away = new Set<string>();
  readonly #foreign = new Set<string>();
  #turn = 0;
  /** Which bots there are. */
  readonly directory: BotDirectory;
  /** What bots on connections say. */
  readonly answers: BotAnswers;

  constructor(hub: BotHub, options: BotServiceOptions) {
    const { nodes, events } = this.#hub = hub;
    const { clock, limits = () => LIMITS, most } = this.#options = options;
    events.listen("bots", this.#bots.listener);
    const calls = this.#calls = new Calls({ clock, events, limits, most });
    this.directory = new BotDirectory({ nodes, events, clock });
    this.answers = new BotAnswers(hub, calls);
    nodes.handle(GIVE, ({ bot, message }, from) => {
      const holder = this.#giveHere(bot as string, message as Message);
      if (typeof holder === "string") return { refused: holder };
      this.answers.given(holder.sessionId, from);
      return { holder: holder.sessionId };
    });
    nodes.handle(
      AGAIN,
      ({ user, id, session, lane, since, channel }, from) =>
        calls.give(user as string, id as string, () => {
          const call = calls.get(user as string, id as string);
          // The asking node has looked whether the session may read the channel that it named, and no other one.
          if (call === undefined || call.command.channel !== channel) return Promise.resolve({});
          call.again(this.answers.seatAt(from, session as string, lane as number), since as number);
          return Promise.resolve({ bot: call.command.bot, command: call.command.command });
        }),
    );
    events.listen("bot sessions", ({ kind, client: { sessionId }, ...event }) => {
      if (kind === "connect") {
        const isBack = this.#away.delete(sessionId);
        if ("resumed" in event && event.resumed && !isBack) this.#foreign.add(sessionId);
      } else if (kind === "disconnect") this.#away.add(sessionId);
      else if (kind === "end" || kind === "moved") {
        this.#away.delete(sessionId);
        this.#foreign.delete(sessionId);
      }
    });
  }

  /** Commands that wait for an answer. */
  get open(): number {
    return this.#calls.open;
  }

  /**
   * Gives a command; resolves when it is on its way. Given again with its id it is the same, and its answer is said
   * again. Rejects with ProtocolError: `unknown_channel`, `permission_denied` or `not_subscribed` for a channel that the
   * client may not read, `unknown_bot` and `unknown_command` with what may have been meant, `bad_arguments`, `limit_exceeded`,
   * `not_available`, `command_over` for one that was given before to a node that is gone.
   */
  ask(asking: Asking): Promise<void> {
    return this.#inOrder(asking.client, asking.id, async () => {
      if (await this.#again(asking) !== undefined) return;
      const args = await this.#checked(asking);
      await this.#begin({ ...asking, args });
    });
  }

  /**
   * Gives a command that was typed in a channel; resolves with which one it was when it is on its way. Rejects as `ask`.
   */
  typed({ client, id, channel, word, rest, told }: Typing): Promise<{ bot: string; command: string }> {
    return this.#inOrder(client, id, async () => {
      const asking = { client, id, channel, lane: BOT_LANE, told };
      const known = await this.#again(asking);
      if (known !== undefined) return known;
      const { bot, command, args } = await this.#find(word, rest);
      // Whoever typed it is told at once: a message that is refused for now would be tried for minutes.
      await this.#begin(
        { ...asking, bot, command, args },
        (call) => call.fail("bot_gone", "the bot is not there"),
      );
      return { bot, command };
    });
  }

  /**
   * A connection of a bot that has room on `lane`; the next call gives its next one. `busy`: none of its connections
   * has room.
   */
  connectionOf(bot: string, lane: number): Client | "busy" | undefined {
    return this.#bots.next(bot, lane);
  }

  /** Ends the commands that wait for an answer. */
  close(): void {
    this.#calls.close();
  }

  /** Forgets answers of long ago. To be called once a second. */
  sweep(): void {
    this.#calls.sweep();
  }

  async #inOrder<T>(client: Client, id: string, give: () => Promise<T>): Promise<T> {
    const last = client.state(LAST);
    const given = last.over.then(() => this.#calls.give(client.principal.userId, id, give));
    last.over = given.catch(() => {});
    return await given;
  }

  /** The command was given before: its answer is said again, here. Undefined: it was not. */
  async #again(
    { client, id, lane, told, since: from, channel }: Pick<
      Asking,
      "client" | "id" | "lane" | "since" | "told" | "channel"
    >,
  ): Promise<{ bot: string; command: string } | undefined> {
    const since = from ?? 0;
    const { userId: user } = client.principal;
    const call = this.#calls.get(user, id);
    if (call !== undefined) {
      this.#checkRead(client, call.command.channel);
      call.again(this.answers.seat(client, lane, told), since);
      return { bot: call.command.bot, command: call.command.command };
    }
    // It may have been given on the node that the session was on before.
    if (!this.#foreign.has(client.sessionId)) return undefined;
    this.#checkRead(client, channel);
    const about = channel === undefined ? {} : { channel };
    const asked = { user, id, session: client.sessionId, lane, since, ...about };
    const answers = await this.#hub.nodes.askOthers(AGAIN, asked);
    const known = answers.find(({ bot }) => bot !== undefined);
    // The node that may have carried it out is gone.
    if (known === undefined && from !== undefined) {
      throw new ProtocolError("command_over", "what became of the command is not known");
    }
    return known as { bot: string; command: string } | undefined;
  }

  async #find(word: string, rest: string): Promise<Typed> {
    const found = findTyped(await this.directory.all(), word, rest);
    if (found !== undefined) return found;
    const bots = await this.directory.all(true);
    const later = findTyped(bots, word, rest);
    if (later !== undefined) return later;
    throw refuseTyped(bots, word);
  }

  /** The arguments, as the bot will see them. */
  async #checked({ bot, command, args }: Asking): Promise<unknown> {
    const profile = bot === HELP ? HELP_PROFILE : await this.directory.find(bot);
    if (profile === undefined) return args;
    const spec = profile.commands.find(({ name }) => name === command);
    if (spec === undefined) {
      throw unknown("unknown_command", command, profile.commands.map(({ name }) => name));
    }
    return argumentsOf(bot, spec, checkArguments(spec, args));
  }

  /** `away`: called in the place of an error when no connection of the bot takes the command. */
  async #begin(
    { client, id, lane, bot, command: name, args, channel, told }: Asking,
    away?: (call: Call) => void,
  ): Promise<void> {
    const { namespace } = this.#hub;
    const { principal, sessionId: session } = client;
    this.#checkRead(client, channel);
    const mayPublish = channel !== undefined && refusePublish(principal, channel, namespace) === undefined;
    const command: Command = {
      id,
      bot,
      command: name,
      args,
      channel,
      mayPublish,
      from: principal.userId,
      session,
    };
    const responder = bot === HELP ? this.#help : this.directory.responder(bot);
    const call = this.#calls.begin(command, this.answers.seat(client, lane, told), responder?.hasOwnTime);
    if (responder !== undefined) {
      const { failed, underway } = this.#options;
      return void underway.add(carryOut(responder, call, this.#hub, failed));
    }
    try {
      call.holder = await this.#give(call);
    } catch (error) {
      if (away !== undefined && error instanceof ProtocolError) return away(call);
      this.#calls.forget(call);
      throw error;
    }
  }

  /** Throws ProtocolError when the client may not read the channel that a command is about. */
  #checkRead(client: Client, channel: string | undefined): void {
    const refused = channel === undefined ? undefined : this.#hub.refuseRead(client, channel);
    if (refused !== undefined) throw new ProtocolError(refused);
  }

  /** Gives a command to a connection of the bot; resolves with its session. */
  async #give({ command }: Call): Promise<string> {
    const { id, bot, command: name, args, channel, from, session } = command;
    const payload: BotCommandDelivery = { bot, command: name, args, from, session };
    if (channel !== undefined) payload.channel = channel;
    const message: Message = {
      type: "bot_command",
      id,
      timestamp: this.#options.clock.wall(),
      payload: payload as unknown as Payload,
    };
    const holder = this.#giveHere(bot, message);
    if (typeof holder !== "string") return holder.sessionId;
    return await this.#giveElsewhere(bot, message, holder);
  }

  /** A connection of this node that was given the command, or why none was. */
  #giveHere(bot: string, message: Message): Client | ErrorName {
    const client = this.connectionOf(bot, BOT_LANE);
    if (client === undefined) return "unknown_bot";
    if (client === "busy") return "not_available";
    client.send(new Encoded(message), BOT_LANE);
    return client;
  }

  async #giveElsewhere(bot: string, message: Message, here: ErrorName): Promise<string> {
    const { nodes } = this.#hub;
    const turn = this.#turn++;
    let refused = here;
    const holders = await nodes.holders({ bot });
    for (let i = 0; i < holders.length; i++) {
      const outcome = await nodes.ask(holders[(turn + i) % holders.length]!, GIVE, { bot, message });
      if (outcome?.holder !== undefined) return outcome.holder as string;
      if (outcome !== undefined && outcome.refused !== "unknown_bot") refused = outcome.refused as ErrorName;
    }
    if (refused === "not_available") throw new ProtocolError(refused, "the receiver does not keep up", BUSY);
    throw unknown("unknown_bot", bot, (await this.directory.all()).map(({ name }) => name));
  }

  readonly #help: CommandResponder = {
    ...HELP_PROFILE,
    answer: async ({ args }, answering) => {
      const bots: BotProfile[] = await this.directory.all(true);
      const { command = "" } = args as { command?: string };
      answering.reply({ text: helpText(bots, command) });
    },
  };

  /** Every command there is, by bot and name. Rejects with ProtocolError `not_available`. */
  async listed(): Promise<ReturnType<typeof listed>> {
    return listed(await this.directory.all());
  }
}
