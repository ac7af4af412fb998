/**
 * `bot_command` to a connection of the bot, `bot_response` back to the session that asked.
 *
 * @module
 */

import { contentOf, Encoded, LANES, parsePayload, type Payload, ProtocolError } from "../protocol/mod.ts";
import type { Route, StateKey } from "../router/types.ts";
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

/** Routes of bots. Neither message is kept or acknowledged: a command is answered by the bot itself. */
export function botRoutes({ hub }: HandlerParts): Route[] {
  return [
    {
      type: "bot_command",
      handler: ({ client, message, lane }) => {
        const command = parsePayload("bot_command", message.payload);
        const bot = hub.bot(command.bot, BOT_LANE);
        if (bot === undefined) throw new ProtocolError("unknown_bot");
        if (bot === "busy") throw new ProtocolError("not_available", "the bot does not keep up", BUSY);
        client.state(ANSWER_LANES).set(command.bot, lane);
        const payload = { ...command, from: client.principal.userId, session: client.sessionId };
        bot.send(
          new Encoded({ type: "bot_command", id: message.id, timestamp: Date.now(), payload }),
          BOT_LANE,
        );
      },
    },
    {
      type: "bot_response",
      handler: ({ client, message }) => {
        const answer = parsePayload("bot_response", message.payload);
        const { bot, userId: from } = client.principal;
        if (bot === undefined) throw new ProtocolError("permission_denied", "only a bot answers commands");
        const asker = hub.clientOf(answer.to);
        if (asker === undefined) throw new ProtocolError("unknown_user", "the session is not connected");
        const lane = asker.state(ANSWER_LANES).get(bot) ?? BOT_LANE;
        if (asker.ready(lane) !== undefined) {
          throw new ProtocolError("not_available", "the session does not keep up", BUSY);
        }
        const payload: Payload = { bot, from, ...contentOf(answer) };
        if (answer.command !== undefined) payload.command = answer.command;
        const envelope = { type: "bot_response", id: message.id, timestamp: Date.now(), payload };
        asker.send(
          new Encoded(message.re === undefined ? envelope : { ...envelope, re: message.re }),
          lane,
        );
      },
    },
  ];
}
