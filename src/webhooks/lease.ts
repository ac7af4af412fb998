/**
 * One node at a time: who holds a lease works, the others look now and then whether it has lapsed.
 *
 * @module
 */

import type { Values } from "../engine/contract.ts";

/** Milliseconds that a lease stands after it was last renewed. */
const TTL = 15_000;

/** One lease, as one process sees it. */
export class Lease {
  readonly #values: Values;
  readonly #name: string;
  readonly #node: string;
  /** This process: a node that was started again does not wait for the lease of its earlier life. */
  readonly #life = crypto.randomUUID();
  #revision: number | undefined;

  /** `node` is unique among the nodes that live. */
  constructor(values: Values, name: string, node: string) {
    this.#values = values;
    this.#name = name;
    this.#node = node;
  }

  /** Takes or renews it; false: another node has it. Rejects when the engine cannot be asked. */
  async hold(): Promise<boolean> {
    const key = { name: this.#name };
    if (this.#revision !== undefined) {
      this.#revision = await this.#put(this.#revision);
      if (this.#revision !== undefined) return true;
    }
    const value = await this.#values.get(key);
    if (value !== undefined && ownerOf(value.data).node !== this.#node) return false;
    this.#revision = await this.#put(value?.revision ?? 0);
    return this.#revision !== undefined;
  }

  /** Gives it back, so that others need not wait. Rejects when the engine cannot be asked. */
  async release(): Promise<void> {
    const revision = this.#revision;
    this.#revision = undefined;
    if (revision !== undefined) await this.#values.delete({ name: this.#name }, revision);
  }

  async #put(revision: number): Promise<number | undefined> {
    const data = new TextEncoder().encode(JSON.stringify({ node: this.#node, life: this.#life }));
    return await this.#values.put({ name: this.#name }, { data }, { revision, ttl: TTL });
  }
}

function ownerOf(data: Uint8Array | undefined): { readonly node?: string } {
  try {
    return JSON.parse(new TextDecoder().decode(data));
  } catch {
    return {};
  }
}
