/**
 * What bots on connections say of commands, and the way of it to the asker.
 *
 * @module
 */

import type { Found, MaybePromise } from "../engine/contract.ts";
import {
  type BotResponse,
  Encoded,
  keptOf,
  type Message,
  type Payload,
  ProtocolError,
} from "../protocol/mod.ts";
import type { Client, StateKey } from "../router/types.ts";
import type { Door } from "./bot_answering.ts";
import type { Response, Seat } from "./bot_call.ts";
import type { Calls } from "./bot_calls.ts";
import type { Nodes } from "./nodes.ts";
import type { SessionEvents } from "./session_events.ts";

const DELIVER = "bot_deliver";
const RESPOND = "bot_response";
const ABOUT = "bot_about";
const ENDED = "bot_ended";

/** What the answers work with; see `Hub`. */
export interface AnswersHub extends Door {
  readonly nodes: Nodes;
  readonly events: SessionEvents;
  clientOf(session: string): Client | undefined;
  /** One message of a channel. */
  message(channel: string, offset: number): MaybePromise<Found>;
}

/** What a bot may know of a command when it answers in the channel. */
interface About {
  readonly channel?: string | undefined;
  readonly mayPublish: boolean;
  /** The same response was taken before: where its message is. */
  readonly taken?: number;
}

/** By command, the end of a bot's last response to it: the next one waits, so that they keep their order. */
const LAST: StateKey<Map<string, Promise<unknown>>> = { create: () => new Map() };

/** Takes responses of bots. */
export class BotAnswers {
  readonly #hub: AnswersHub;
  readonly #calls: Calls;
  /** By session of a bot, the other nodes whose commands it was given: they are told when it is over. */
  readonly #homes = new Map<string, Set<string>>();

  constructor(hub: AnswersHub, calls: Calls) {
    const { nodes, events } = this.#hub = hub;
    this.#calls = calls;
    nodes.handle(DELIVER, async ({ session, lane, message }) => {
      const client = hub.clientOf(session as string);
      const seat = client === undefined ? undefined : this.seat(client, lane as number);
      return { isThere: seat !== undefined && await seat.send(message as Message) };
    });
    nodes.handle(RESPOND, ({ session, id, bot, response }) => {
      const known = calls.of(session as string, id as string);
      if (known === undefined) return {};
      return { length: this.#take(session as string, id as string, bot as string, response as Response) };
    });
    nodes.handle(
      ABOUT,
      ({ session, id, bot, response }) => ({
        ...this.#aboutHere(session as string, id as string, bot as string, response as string),
      }),
    );
    nodes.handle(ENDED, ({ session }) => {
      calls.holderEnded(session as string);
      return {};
    });
    events.listen("bot answers", ({ kind, client: { sessionId } }) => {
      // The node that it has come to tells nobody: what it does not answer ends by its time.
      if (kind === "moved") this.#homes.delete(sessionId);
      if (kind !== "end") return;
      calls.holderEnded(sessionId);
      const homes = this.#homes.get(sessionId);
      this.#homes.delete(sessionId);
      for (const node of homes ?? []) nodes.tell(node, ENDED, { session: sessionId });
    });
  }

  /** The session of a bot was given a command of another node. */
  given(session: string, node: string): void {
    const homes = this.#homes.get(session);
    if (homes === undefined) this.#homes.set(session, new Set([node]));
    else homes.add(node);
  }

  /** An asker on a connection of this node. `told`: nothing is sent before it resolves. @default at once */
  seat(client: Client, lane: number, told?: Promise<void>): Seat {
    const send = (message: Message): boolean => {
      if (client.closed.aborted) return false;
      client.send(new Encoded(message), lane);
      return true;
    };
    const sendSoon = (message: Message) => client.ready(lane)?.then(() => send(message)) ?? send(message);
    let isTold = told === undefined;
    return {
      send(message) {
        if (isTold) return sendSoon(message);
        return told!.then(() => {
          isTold = true;
          return sendSoon(message);
        });
      },
    };
  }

  /** An asker whose session is on another node now. */
  seatAt(node: string, session: string, lane: number): Seat {
    return {
      send: async (message) => {
        const outcome = await this.#hub.nodes.ask(node, DELIVER, {
          session,
          lane,
          message: message as unknown as Payload,
        });
        return outcome?.isThere === true;
      },
    };
  }

  /**
   * Takes what a bot says of the command `re`, in the order in which it says it. Resolves when the service has it, and,
   * in a channel, when it is committed. Rejects with ProtocolError: `permission_denied` when the client is no bot or may
   * not publish, `command_over` when no such command waits for this bot, `stream_gap`, `message_too_large`,
   * `bad_request` for an answer in the channel of a command without one, `unknown_message` and `foreign_message` for an
   * offset of what this user did not say there, and as `Hub.publish`.
   */
  async respond(
    client: Client,
    id: string,
    re: string,
    { to, ...said }: Omit<BotResponse, "command">,
  ): Promise<{ length?: number; offset?: number }> {
    const { bot, userId: from } = client.principal;
    if (bot === undefined) throw new ProtocolError("permission_denied", "only a bot answers commands");
    const lasts = client.state(LAST);
    const key = `${to} ${re}`;
    const response = { ...said, id, from };
    const before = lasts.get(key);
    const taken = before === undefined
      ? this.#respond(client, bot, to, re, response)
      : before.then(() => this.#respond(client, bot, to, re, response));
    const over = taken.catch(() => {});
    lasts.set(key, over);
    try {
      return await taken;
    } finally {
      if (lasts.get(key) === over) lasts.delete(key);
    }
  }

  async #respond(
    client: Client,
    bot: string,
    session: string,
    id: string,
    response: Response,
  ): Promise<{ length?: number; offset?: number }> {
    if (response.kind !== "channel") {
      const length = await this.#tell(session, id, bot, response);
      return response.kind === "piece" ? { length } : {};
    }
    const { channel, mayPublish, taken } = await this.#about(session, id, bot, response.id);
    if (taken !== undefined) return { offset: taken };
    if (channel === undefined) throw new ProtocolError("bad_request", "the command is about no channel");
    if (!mayPublish) {
      throw new ProtocolError("permission_denied", "whoever gave the command may not publish there");
    }
    const { offset } = response.offset === undefined
      ? await this.#hub.publish({
        origin: "client",
        client,
        channel,
        type: "chat_message",
        id: response.id,
        payload: keptOf(response),
      })
      : await this.#own(channel, response.offset, response.from);
    const { id: ended, from } = response;
    await this.#tell(session, id, bot, { kind: "channel", id: ended, from, channel, offset });
    return { offset };
  }

  /** The message that a bot has published itself. A bot must not pass off what others say as its answer. */
  async #own(channel: string, offset: number, from: string): Promise<{ offset: number }> {
    const { record } = await this.#hub.message(channel, offset);
    if (record?.type !== "chat_message") throw new ProtocolError("unknown_message");
    if (record.from !== from) throw new ProtocolError("foreign_message");
    return { offset };
  }

  /** Tells the node that has the command; what is had of a streamed answer. */
  async #tell(session: string, id: string, bot: string, response: Response): Promise<number> {
    const calls = this.#calls;
    if (calls.of(session, id) !== undefined) return this.#take(session, id, bot, response);
    const answer = await this.#askHome(RESPOND, {
      session,
      id,
      bot,
      response: response as unknown as Payload,
    });
    return answer.length as number;
  }

  async #about(session: string, id: string, bot: string, response: string): Promise<About> {
    const calls = this.#calls;
    if (calls.of(session, id) !== undefined) return this.#aboutHere(session, id, bot, response)!;
    return await this.#askHome(ABOUT, { session, id, bot, response }) as unknown as About;
  }

  /** Asks the node that has the command of `payload`: the one with the session, or the one that it was on before. */
  async #askHome(type: string, payload: Payload): Promise<Payload> {
    const { nodes } = this.#hub;
    const node = await nodes.holderOf(payload.session as string);
    const isKnown = (answer: Payload | undefined): answer is Payload =>
      answer !== undefined && Object.keys(answer).length > 0;
    const answer = node === undefined ? undefined : await nodes.ask(node, type, payload);
    if (isKnown(answer)) return answer;
    const known = (await nodes.askOthers(type, payload)).find(isKnown);
    if (known !== undefined) return known;
    throw new ProtocolError("command_over");
  }

  #take(session: string, id: string, bot: string, response: Response): number {
    const call = this.#calls.of(session, id)!;
    if (call.command.bot !== bot) throw new ProtocolError("command_over");
    return call.take(response);
  }

  #aboutHere(session: string, id: string, bot: string, response: string): About | undefined {
    const call = this.#calls.of(session, id);
    if (call === undefined) return undefined;
    const { channel, mayPublish } = call.command;
    if (call.command.bot !== bot) throw new ProtocolError("command_over");
    const taken = call.takenAt(response);
    if (taken !== undefined) return { mayPublish, taken };
    if (call.isOver) throw new ProtocolError("command_over");
    return channel === undefined ? { mayPublish } : { channel, mayPublish };
  }
}
