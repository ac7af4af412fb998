/**
 * The bot's side: registers commands and answers them, each answer once, through cuts.
 *
 * @module
 */

import { uuidv7 } from "../../protocol/core.ts";
import type { BotCommandDelivery, BotCommandSpec, BotTaken } from "../../protocol/mod.ts";
import { type Clock, systemClock } from "../clock.ts";
import type { SkeinClient } from "../client.ts";
import { eachConnection } from "../each_connection.ts";
import { SkeinError } from "../errors.ts";
import type { StreamWriter } from "../streams/writer.ts";

/** What a bot says: a text, or any JSON value. */
export type BotContent = string | { readonly text: string } | { readonly data: unknown };

/** A command as its handler gets it, and how it is answered. */
export interface BotAsk {
  /** Unique with `session`. */
  readonly id: string;
  readonly command: string;
  /** By the names of the arguments: checked by the server, with defaults filled in. */
  // deno-lint-ignore no-explicit-any -- what it holds is what the bot has registered
  readonly args: any;
  /** The conversation it is about. */
  readonly channel: string | undefined;
  /** The user id of the asker. */
  readonly from: string;
  readonly session: string;
  /** Aborted when nobody waits for an answer any more. */
  readonly signal: AbortSignal;
  /** Says how far it is (`done`: 0 to 1), which gives more time. */
  progress(done?: number, text?: string): Promise<void>;
  /** Adds to a streamed answer for the asker alone; resolves when the service has it. */
  append(text: string): Promise<void>;
  /** Says it in the channel, as a message of the bot, and ends the command. Rejects with the server's error. */
  publish(content: BotContent): Promise<{ offset: number }>;
  /** Begins an answer in the channel that grows; the command ends with the handler. Rejects as `Channel.stream`. */
  stream(text?: string): Promise<StreamWriter>;
  /** There is no answer. */
  fail(text: string): Promise<void>;
}

/**
 * Carries out a command. What it returns is the answer for the asker; an async iterable of texts is one that is streamed;
 * nothing ends the command without one. What it throws is told to `onError`, and to the asker only that there was an error.
 */
export type BotHandler = (
  ask: BotAsk,
) => BotContent | void | AsyncIterable<string> | Promise<BotContent | void | AsyncIterable<string>>;

/** A command and what carries it out. */
export interface RunnableCommand extends BotCommandSpec {
  readonly run: BotHandler;
}

/** What a bot is. */
export interface ServeBotOptions {
  readonly description?: string;
  readonly commands: readonly RunnableCommand[];
  /** Told of what handlers throw. @default `console.error` */
  readonly onError?: (error: unknown, ask: BotAsk) => void;
  /** @default the runtime's */
  readonly clock?: Clock;
}

/** A bot that answers. */
export interface BotServer {
  /** Commands that are being carried out. */
  readonly open: number;
  /** Takes no more commands; those under way go on. */
  close(): void;
}

/** Milliseconds until what was not taken for now is said again, unless the server names a time. */
const AGAIN = 500;

/**
 * Answers the commands of the bot that the client's token names (claim `bot`). Resolves when the commands are registered;
 * they are registered again with each connection. Rejects with the server's error: `permission_denied` without that claim.
 */
export async function serveBot(
  client: SkeinClient,
  { description, commands, onError = (error) => console.error(error), clock = systemClock }: ServeBotOptions,
): Promise<BotServer> {
  const specs = commands.map(({ run: _, ...spec }) => spec);
  const handlers = new Map(commands.map(({ name, run }) => [name, run]));
  const payload = description === undefined ? { commands: specs } : { description, commands: specs };
  const register = () => client.manager.send("bot_register", payload);
  const open = new Set<string>();
  const offs = [
    client.on("message", ({ type, id, payload }) => {
      if (type !== "bot_command") return;
      const command = { ...payload as unknown as BotCommandDelivery, id };
      const key = `${command.session} ${id}`;
      const handler = handlers.get(command.command);
      if (open.has(key)) return;
      open.add(key);
      const asked = new Asked(client, clock, command);
      void answer(asked, handler, onError).finally(() => open.delete(key));
    }),
  ];
  const close = () => offs.splice(0).forEach((off) => off());
  try {
    await register();
  } catch (error) {
    close();
    throw error;
  }
  // A session that is new does not know the commands.
  offs.push(eachConnection(client, clock, async () => void await register(), () => {}));
  return {
    get open() {
      return open.size;
    },
    close,
  };
}

/** Never rejects. */
async function answer(
  asked: Asked,
  handler: BotHandler | undefined,
  onError: (error: unknown, ask: BotAsk) => void,
): Promise<void> {
  try {
    if (handler === undefined) return await asked.fail("the bot has no such command");
    const said = await handler(asked);
    if (said !== undefined && typeof said === "object" && Symbol.asyncIterator in said) {
      for await (const piece of said) await asked.append(piece);
      await asked.end();
    } else await asked.end(said);
  } catch (error) {
    // Nobody waits any more: that is no failure of the bot.
    if (asked.signal.aborted) return;
    onError(error, asked);
    await asked.fail("the bot has failed").catch(() => {});
  }
}

class Asked implements BotAsk {
  readonly id: string;
  readonly command: string;
  // deno-lint-ignore no-explicit-any -- as in BotAsk
  readonly args: any;
  readonly channel: string | undefined;
  readonly from: string;
  readonly session: string;
  readonly #client: SkeinClient;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  /** What was streamed. */
  #length = 0;
  #stream: StreamWriter | undefined;
  #isOver = false;
  /** One at a time: the server takes pieces in order. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: SkeinClient, clock: Clock, command: BotCommandDelivery & { readonly id: string }) {
    const { id, command: name, args, channel, from, session } = command;
    this.args = args;
    this.id = id;
    this.command = name;
    this.channel = channel;
    this.from = from;
    this.session = session;
    this.#client = client;
    this.#clock = clock;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  async progress(done?: number, text?: string): Promise<void> {
    await this.#say({ kind: "progress", done, text });
  }

  async append(text: string): Promise<void> {
    await this.#piece(text);
  }

  async publish(content: BotContent): Promise<{ offset: number }> {
    const { offset } = await this.#say({ kind: "channel", ...contentOf(content) });
    this.#isOver = true;
    return { offset: offset! };
  }

  async stream(text = ""): Promise<StreamWriter> {
    if (this.channel === undefined) throw new SkeinError("bad_argument", "the command is about no channel");
    return this.#stream = await this.#client.channel(this.channel).stream({ content: text });
  }

  async fail(text: string): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#length > 0) await this.#piece("", "failed");
    else await this.#say({ kind: "failed", text });
  }

  /** The handler has returned. */
  async end(said?: BotContent | void): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#length > 0) {
      const { text = "" } = said === undefined ? {} : contentOf(said);
      await this.#piece(text, "ended");
    } else if (said !== undefined) await this.#say(contentOf(said));
    else if (this.#stream !== undefined) await this.#say({ kind: "channel", offset: this.#stream.target });
    else await this.#say({ kind: "done" });
  }

  async #piece(text: string, final?: "ended" | "failed"): Promise<void> {
    const at = this.#length;
    this.#length += text.length;
    await this.#say({ kind: "piece", at, text, final });
  }

  /** Says it until the server has it, in the order of the calls. Rejects with the server's error. */
  #say(said: Record<string, unknown>): Promise<BotTaken> {
    const taken = this.#last.then(() => this.#send(said));
    this.#last = taken.catch(() => {});
    return taken;
  }

  async #send(said: Record<string, unknown>): Promise<BotTaken> {
    const payload = { to: this.session, command: this.id, ...said };
    // The same id each time: an answer that was taken is acknowledged again.
    const id = uuidv7();
    while (true) {
      this.signal.throwIfAborted();
      try {
        return await this.#client.manager.send("bot_response", payload, id);
      } catch (error) {
        if (!(error instanceof SkeinError) || !error.temporary) {
          if ((error as SkeinError).error === "command_over") this.#abort.abort(error);
          throw error;
        }
        await new Promise<void>((resolve) => this.#clock.after(error.retryAfter ?? AGAIN, resolve));
      }
    }
  }
}

function contentOf(content: BotContent): { text?: string; data?: unknown } {
  if (typeof content === "string") return { text: content };
  return "text" in content ? { text: content.text } : { data: content.data };
}
