/**
 * What happens around a session: the network goes, comes or changes, the user comes back. Then what was learned of the
 * network before does not hold, and the connection is looked at.
 *
 * @module
 */

import type { Message } from "../../protocol/core.ts";
import type { Environment, EnvironmentEvent } from "../environment.ts";
import type { ClientTransportKind } from "../transport/contract.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";

/** What is told of the surroundings. */
export interface SurroundingsEvents {
  /** There is another network, or one again; `before` is the word for the last one. */
  changed(before: string): void;
  /** Something happened after which an attempt may succeed that would have failed before. */
  hopeful(): void;
  /** The connection may be dead. */
  suspect(): void;
  /** The network changed under a QUIC connection; `survived`: something came over the new one. */
  migrated(survived: boolean, transport: ClientTransportKind): void;
}

/** Watches the surroundings of a session. */
export class Surroundings implements SessionPart {
  readonly #environment: Environment;
  readonly #events: SurroundingsEvents;
  #link: Link | undefined;
  #network = "";
  #unwatch: (() => void) | undefined;
  /** The network changed under it, and nothing has come over the new one yet. */
  #migrating: ClientTransportKind | undefined;

  constructor(environment: Environment, events: SurroundingsEvents) {
    this.#environment = environment;
    this.#events = events;
  }

  /** Watches, until `stop`. */
  start(): void {
    this.#network = this.#environment.network();
    this.#unwatch = this.#environment.watch((event) => this.#happened(event));
  }

  attach(link: Link): void {
    this.#link = link;
  }

  detach(): void {
    this.#link = undefined;
    this.#settle(false);
  }

  take(_message: Message, isCurrent: boolean): boolean {
    if (isCurrent) this.#settle(true);
    return false;
  }

  stop(): void {
    this.#migrating = undefined;
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #happened(event: EnvironmentEvent): void {
    if (event === "network" || event === "online") {
      const before = this.#network;
      this.#network = this.#environment.network();
      const transport = this.#link?.transport;
      if (event === "network" && transport?.laneful === true) this.#migrating = transport.kind;
      this.#events.changed(before);
    }
    if (event !== "offline") this.#events.hopeful();
    this.#events.suspect();
  }

  #settle(survived: boolean): void {
    const transport = this.#migrating;
    if (transport === undefined) return;
    this.#migrating = undefined;
    this.#events.migrated(survived, transport);
  }
}
