/**
 * `bot_command` to a connection of the bot, `bot_response` back to the session that asked. Both may be on another node.
 *
 * @module
 */

import type { Hub } from "../hub/mod.ts";
import {
  contentOf,
  Encoded,
  type ErrorName,
  LANES,
  type Message,
  parsePayload,
  type Payload,
  ProtocolError,
} from "../protocol/mod.ts";
import type { Client, Route, StateKey } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";

const [BOT_LANE] = LANES.bot;

/**
 * A receiver without room is not sent to: messages of bots are never dropped, and too many of them would end its
 * connection. Milliseconds until the sender may try again.
 */
const BUSY = { retryAfter: 1000 };

/**
 * By bot, the lane of the client's last command: answers go there. It has no more entries than bots were connected while
 * the client was.
 */
const ANSWER_LANES: StateKey<Map<string, number>> = { create: () => new Map() };

/** Of a client, the end of its last command to another node: the next one waits for it, so that they keep their order. */
const LAST_COMMAND: StateKey<{ over: Promise<unknown> }> = { create: () => ({ over: Promise.resolve() }) };

/** Routes of bots. Neither message is kept or acknowledged: a command is answered by the bot itself. */
export function botRoutes({ hub }: HandlerParts): Route[] {
  let turn = 0;
  hub.nodes.handle(
    "bot_command",
    ({ bot, message }) => outcomeOf(command(hub, bot as string, message as Message)),
  );
  hub.nodes.handle(
    "bot_response",
    ({ session, bot, message }) =>
      outcomeOf(respond(hub, session as string, bot as string, message as Message)),
  );
  return [
    {
      type: "bot_command",
      handler: ({ client, message: { id, payload: said }, lane }) => {
        const asked = parsePayload("bot_command", said);
        const { bot } = asked;
        const payload = { ...asked, from: client.principal.userId, session: client.sessionId };
        const message = { type: "bot_command" as const, id, timestamp: Date.now(), payload };
        const refused = command(hub, bot, message);
        if (refused === undefined) return void client.state(ANSWER_LANES).set(bot, lane);
        return commandElsewhere({ hub, client, bot, message, lane, turn: turn++, here: refused });
      },
    },
    {
      type: "bot_response",
      handler: ({ client, message: { id, re, payload: said } }) => {
        const answer = parsePayload("bot_response", said);
        const { bot, userId: from } = client.principal;
        if (bot === undefined) throw new ProtocolError("permission_denied", "only a bot answers commands");
        const payload: Payload = { bot, from, ...contentOf(answer) };
        if (answer.command !== undefined) payload.command = answer.command;
        const envelope = { type: "bot_response" as const, id, timestamp: Date.now(), payload };
        const message = re === undefined ? envelope : { ...envelope, re };
        const refused = respond(hub, answer.to, bot, message);
        if (refused === undefined) return;
        if (refused !== "unknown_user") throw failure(refused);
        return respondElsewhere(hub, answer.to, bot, message);
      },
    },
  ];
}

/** Sends a command to a connection of the bot on this node, or says why not. */
function command(hub: Hub, name: string, message: Message): ErrorName | undefined {
  const bot = hub.bot(name, BOT_LANE);
  if (bot === undefined) return "unknown_bot";
  if (bot === "busy") return "not_available";
  bot.send(new Encoded(message), BOT_LANE);
  return undefined;
}

/** Sends an answer to a session on this node, or says why not. */
function respond(hub: Hub, session: string, bot: string, message: Message): ErrorName | undefined {
  const asker = hub.clientOf(session);
  if (asker === undefined) return "unknown_user";
  const lane = asker.state(ANSWER_LANES).get(bot) ?? BOT_LANE;
  if (asker.ready(lane) !== undefined) return "not_available";
  asker.send(new Encoded(message), lane);
  return undefined;
}

/** A command that no connection of the bot on this node takes. */
interface Elsewhere {
  readonly hub: Hub;
  readonly client: Client;
  readonly bot: string;
  readonly message: Message;
  /** Where the client wants the answer. */
  readonly lane: number;
  /** Which of the other nodes is asked first: each in its turn. */
  readonly turn: number;
  /** Why none here takes it. */
  readonly here: ErrorName;
}

/** Sends a command to a connection of the bot on another node. */
async function commandElsewhere(
  { hub, client, bot, message, lane, turn, here }: Elsewhere,
): Promise<void> {
  const last = client.state(LAST_COMMAND);
  const before = last.over;
  const { promise, resolve } = Promise.withResolvers<void>();
  last.over = promise;
  const lanes = client.state(ANSWER_LANES);
  const earlier = lanes.get(bot);
  try {
    await before;
    let refused = here;
    const nodes = await hub.nodes.holders({ bot });
    for (let i = 0; i < nodes.length; i++) {
      // The answer may be here before the node says that it has the command.
      lanes.set(bot, lane);
      const outcome = await hub.nodes.ask(nodes[(turn + i) % nodes.length]!, "bot_command", { bot, message });
      if (outcome === undefined) continue;
      if (outcome.refused === undefined) return;
      if (outcome.refused !== "unknown_bot") refused = outcome.refused as ErrorName;
    }
    if (earlier === undefined) lanes.delete(bot);
    else lanes.set(bot, earlier);
    throw failure(refused);
  } finally {
    resolve();
  }
}

async function respondElsewhere(hub: Hub, session: string, bot: string, message: Message): Promise<void> {
  const node = await hub.nodes.holderOf(session);
  const outcome = node === undefined
    ? undefined
    : await hub.nodes.ask(node, "bot_response", { session, bot, message });
  if (outcome === undefined) throw failure("unknown_user");
  if (outcome.refused !== undefined) throw failure(outcome.refused as ErrorName);
}

function outcomeOf(refused: ErrorName | undefined): Payload {
  return refused === undefined ? {} : { refused };
}

function failure(refused: ErrorName): ProtocolError {
  if (refused === "not_available") return new ProtocolError(refused, "the receiver does not keep up", BUSY);
  return refused === "unknown_user"
    ? new ProtocolError(refused, "the session is not connected")
    : new ProtocolError(refused);
}
