/**
 * Which connections answer the commands to which bot.
 *
 * @module
 */

import type { Client } from "../router/types.ts";
import type { SessionEvent } from "./session_events.ts";

interface Bot {
  readonly clients: Client[];
  next: number;
}

/** The connections of bots on this node. The `bot` claim of a token says which bot its bearer is. */
export class Bots {
  readonly #bots = new Map<string, Bot>();

  /** Keeps up with what happens to sessions. */
  readonly listener = (event: SessionEvent): void => {
    const { kind, client, principal } = event;
    if (kind === "refresh") this.#remove(event.previous.bot, client);
    if (kind === "connect" || kind === "refresh") this.#add(principal.bot, client);
    else if (kind === "disconnect") this.#remove(principal.bot, client);
  };

  /**
   * A connection of a bot whose outbox has room on `lane`; asked again, the next one. `busy`: no connection has room, or
   * all are ending: what they are sent now is lost, and their sessions may come back. Undefined without any.
   */
  next(name: string, lane: number): Client | "busy" | undefined {
    const bot = this.#bots.get(name);
    if (bot === undefined) return undefined;
    for (let tried = 0; tried < bot.clients.length; tried++) {
      const client = bot.clients[bot.next++ % bot.clients.length]!;
      if (!client.closed.aborted && client.ready(lane) === undefined) return client;
    }
    return "busy";
  }

  #add(name: string | undefined, client: Client): void {
    if (name === undefined) return;
    const bot = this.#bots.get(name);
    if (bot === undefined) this.#bots.set(name, { clients: [client], next: 0 });
    else bot.clients.push(client);
  }

  #remove(name: string | undefined, client: Client): void {
    if (name === undefined) return;
    const bot = this.#bots.get(name);
    const at = bot?.clients.indexOf(client) ?? -1;
    if (bot === undefined || at < 0) return;
    bot.clients.splice(at, 1);
    if (bot.clients.length === 0) this.#bots.delete(name);
  }
}
