/**
 * Who answers `rpc`: calls of clients that the application's own logic answers.
 *
 * @module
 */

import type { MaybePromise } from "../engine/contract.ts";
import { matches } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";

/** What answers calls of clients: a function, or a back end over HTTP. */
export interface RpcResponder {
  /** Named in log lines and metrics. */
  readonly name: string;
  /** The methods it answers; `*` stands for any run of characters. */
  readonly methods: readonly string[];
  /**
   * Answers a call with a JSON value. Rejections with ProtocolError are shown to the client, of others only that there was
   * one. `signal` is aborted when nobody waits for the answer any more, with a ProtocolError when it took too long.
   */
  call(method: string, data: unknown, client: Client, signal: AbortSignal): MaybePromise<unknown>;
}

/** The responders that were added. */
export class Responders {
  #all: readonly RpcResponder[] = [];

  /** Adds a responder behind those there are. Throws TypeError when there is one of its name. */
  add(responder: RpcResponder): void {
    if (this.#all.some(({ name }) => name === responder.name)) {
      throw new TypeError(`two responders are named ${responder.name}`);
    }
    this.#all = [...this.#all, responder];
  }

  /** Removes a responder; calls that it was given go on. */
  remove(name: string): void {
    this.#all = this.#all.filter((responder) => responder.name !== name);
  }

  /** Who answers a method: the first that names it, else the first with a pattern that it fits. */
  of(method: string): RpcResponder | undefined {
    return this.#all.find(({ methods }) => methods.includes(method)) ??
      this.#all.find(({ methods }) => methods.some((pattern) => matches(pattern, method)));
  }
}
