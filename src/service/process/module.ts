/**
 * The process as a module: its name, since when it runs, and the last catch for errors that nobody handled.
 *
 * @module
 */

import type { ServiceObserver } from "../metrics/mod.ts";
import type { Module } from "../module.ts";
import { guardProcess } from "./guard.ts";

/** Keeps the process alive when something throws where nobody catches it. */
export class ProcessModule implements Module {
  readonly name = "process";
  readonly #node: string;
  readonly #observer: ServiceObserver;
  readonly #startedAt = Date.now();
  #unguard: (() => void) | undefined;

  /** `node` is the name of this node. */
  constructor(node: string, observer: ServiceObserver) {
    this.#node = node;
    this.#observer = observer;
  }

  start(): void {
    this.#unguard = guardProcess(this.#observer, () => this.#observer.unhandledRejection());
  }

  close(): void {
    this.#unguard?.();
  }

  status(): Record<string, unknown> {
    return { node: this.#node, startedAt: this.#startedAt };
  }
}

/** The name of this machine. */
export function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return "skein";
  }
}
