/**
 * Which bots there are and what can be asked of them: those of this node, and, by asking, those of the others.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { type BotRegister, ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { BotProfile, CommandResponder } from "./bot_contract.ts";
import { HELP } from "./bot_help.ts";
import type { Nodes } from "./nodes.ts";
import type { SessionEvents } from "./session_events.ts";

/** Bytes of one registration as JSON. */
const MOST_BYTES = 16_384;
/** Bytes of all registrations on a node: what it tells another one fits into a command. */
const MOST_BYTES_OF_NODE = 512 * 1024;
/** Milliseconds for which the bots of other nodes are taken to be those that they last said. */
const KNOWN_FOR = 5000;
/** Milliseconds between two questions to the other nodes, however many unknown names are asked for. */
const LEAST_BETWEEN = 100;
const ASK = "bots";

interface Registration {
  readonly profile: BotProfile;
  readonly bytes: number;
}

/** What a directory is made of. */
export interface DirectoryParts {
  readonly nodes: Nodes;
  readonly events: SessionEvents;
  readonly clock: Clock;
}

/** The bots of this node, and what is known of the others'. */
export class BotDirectory {
  readonly #parts: DirectoryParts;
  readonly #responders = new Map<string, CommandResponder>();
  /** By bot, the registrations of its sessions; the last one holds. */
  readonly #registered = new Map<string, Map<string, Registration>>();
  /** Which bot a session has registered as: its token may name another one since. */
  readonly #bots = new Map<string, string>();
  #bytes = 0;
  /** The bots of other nodes. A cache: `find` asks again for a name that is not in it. */
  #others: readonly BotProfile[] = [];
  #askedAt = -Infinity;
  #asking: Promise<void> | undefined;

  constructor(parts: DirectoryParts) {
    this.#parts = parts;
    parts.nodes.handle(ASK, () => ({ bots: [...this.#own()] }));
    parts.events.listen("bot registrations", ({ kind, client: { sessionId }, principal }) => {
      const known = this.#bots.get(sessionId);
      if (known === undefined) return;
      const isOther = (kind === "refresh" || kind === "connect") && principal.bot !== known;
      if (isOther || kind === "end" || kind === "moved") this.#forget(sessionId);
    });
  }

  /** Adds what answers for a bot; returns what takes it away. Throws TypeError when its name is taken. */
  add(responder: CommandResponder): () => void {
    const { name } = responder;
    if (name === HELP || this.#responders.has(name)) throw new TypeError(`bot ${name} is there already`);
    this.#responders.set(name, responder);
    return () => {
      if (this.#responders.get(name) === responder) this.#responders.delete(name);
    };
  }

  /** What answers for a bot on this node, if it is no connection. */
  responder(name: string): CommandResponder | undefined {
    return this.#responders.get(name);
  }

  /**
   * Takes what a connection says of its bot, until its session is over or is another bot's. Throws ProtocolError
   * `permission_denied` when it is no bot, or one whose name a function has; `limit_exceeded`.
   */
  register({ principal: { bot }, sessionId }: Client, { description, commands }: BotRegister): void {
    if (bot === undefined) throw new ProtocolError("permission_denied", "only a bot registers commands");
    if (bot === HELP || this.#responders.has(bot)) {
      throw new ProtocolError("permission_denied", "the name is taken by the service");
    }
    const profile = { name: bot, description, commands };
    const bytes = JSON.stringify(profile).length;
    const before = this.#registered.get(bot)?.get(sessionId)?.bytes ?? 0;
    if (bytes > MOST_BYTES || this.#bytes - before + bytes > MOST_BYTES_OF_NODE) {
      throw new ProtocolError("limit_exceeded", `commands take more than ${MOST_BYTES} bytes`);
    }
    this.#forget(sessionId);
    this.#bytes += bytes;
    const sessions = this.#registered.get(bot) ?? new Map<string, Registration>();
    sessions.set(sessionId, { profile, bytes });
    this.#registered.set(bot, sessions);
    this.#bots.set(sessionId, bot);
  }

  /**
   * A bot by its name, wherever it is; undefined: it is unknown, or has registered nothing. Rejects with ProtocolError
   * `not_available` when it is on no node that answers.
   */
  async find(name: string): Promise<BotProfile | undefined> {
    const own = this.#ownOf(name);
    if (own !== undefined) return own;
    const known = this.#others.find((bot) => bot.name === name);
    if (known === undefined) return (await this.#asked()).find((bot) => bot.name === name);
    void this.#elsewhere();
    return known;
  }

  /**
   * All bots that have registered commands, each once, by name. `fresh`: other nodes are asked now, and it rejects with
   * ProtocolError `not_available` when one does not answer.
   */
  async all(fresh = false): Promise<BotProfile[]> {
    const bots = new Map<string, BotProfile>();
    for (const bot of await (fresh ? this.#asked() : this.#elsewhere())) bots.set(bot.name, bot);
    for (const bot of this.#own()) bots.set(bot.name, bot);
    return [...bots.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  *#own(): Generator<BotProfile> {
    for (const { name, description, commands } of this.#responders.values()) {
      yield { name, description, commands };
    }
    for (const name of this.#registered.keys()) {
      const bot = this.#ownOf(name);
      if (bot !== undefined && !this.#responders.has(name)) yield bot;
    }
  }

  #ownOf(name: string): BotProfile | undefined {
    return this.#responders.get(name) ?? [...this.#registered.get(name)?.values() ?? []].at(-1)?.profile;
  }

  #forget(sessionId: string): void {
    const bot = this.#bots.get(sessionId);
    if (bot === undefined) return;
    const sessions = this.#registered.get(bot)!;
    this.#bytes -= sessions.get(sessionId)!.bytes;
    sessions.delete(sessionId);
    this.#bots.delete(sessionId);
    if (sessions.size === 0) this.#registered.delete(bot);
  }

  /** What other nodes said last; when that was some time ago they are asked for the next time. Never rejects. */
  async #elsewhere(): Promise<readonly BotProfile[]> {
    if (this.#parts.clock.now() - this.#askedAt > KNOWN_FOR) {
      // Failures are reported by `Nodes`.
      const asked = this.#asked().catch(() => []);
      // A node that dies must not hold up the commands of those that live.
      if (this.#askedAt === -Infinity) await asked;
    }
    return this.#others;
  }

  /** What other nodes say now. Rejects with ProtocolError `not_available` when one does not answer. */
  async #asked(): Promise<readonly BotProfile[]> {
    const { nodes, clock } = this.#parts;
    if (clock.now() - this.#askedAt > LEAST_BETWEEN) {
      this.#asking ??= nodes.askOthers(ASK, {}).then((answers) => {
        this.#others = answers.flatMap(({ bots }) => bots as BotProfile[]);
        this.#askedAt = clock.now();
      }).finally(() => this.#asking = undefined);
      await this.#asking;
    }
    return this.#others;
  }
}
