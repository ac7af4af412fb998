/**
 * Commands to bots, as a part of its own: `askBot` and `sayCommand` give one and follow its answer, `botCommands` says which
 * there are, `serveBot` answers those of a bot.
 *
 * ```ts
 * // The bot: its token has the claim `bot: "dice"`.
 * await serveBot(client, {
 *   commands: [{
 *     name: "roll",
 *     args: [{ name: "sides", type: "integer", min: 2, default: 6 }],
 *     run: ({ args }) => `You rolled ${1 + Math.floor(Math.random() * args.sides)}`,
 *   }],
 * });
 * // Somebody else:
 * const answer = askBot(client, { bot: "dice", command: "roll", args: { sides: 20 } });
 * console.log((await answer.result).text);
 * ```
 *
 * @module
 */

export {
  askBot,
  type AskBotOptions,
  BotAnswer,
  botCommands,
  BotError,
  type BotPart,
  type BotResult,
  sayCommand,
} from "./bots/asking.ts";
export {
  type BotAsk,
  type BotContent,
  type BotHandler,
  type BotServer,
  type RunnableCommand,
  serveBot,
  type ServeBotOptions,
} from "./bots/serving.ts";
