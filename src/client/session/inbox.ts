/**
 * The receiving side of one channel: every kept message to the application exactly once and in order, whichever lane,
 * connection or replay brings it. Pure.
 *
 * @module
 */

/** Messages held back while an earlier one is missing; more are fetched again. */
const MAX_HELD = 1000;

/** A kept message, as far as order is concerned. */
export interface Placed {
  readonly offset: number;
  /** The offset of the message before it; 0: it is the first one. */
  readonly prev: number;
}

/** A place in a channel. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Puts the messages of one channel in order. */
export class ChannelInbox<T extends Placed> {
  #position: Position | undefined;
  readonly #held = new Map<number, T>();

  /** The last message given out; undefined before the server said where the channel stands. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Whether messages wait for an earlier one. */
  get waiting(): boolean {
    return this.#held.size > 0;
  }

  /** Takes a message; returns those whose turn has come. What was given out before is dropped. */
  accept(message: T): T[] {
    const position = this.#position;
    if (position === undefined) {
      this.#hold(message);
      return [];
    }
    if (message.offset <= position.offset) return [];
    if (message.prev > position.offset) {
      this.#hold(message);
      return [];
    }
    const ready = [message];
    this.#position = { epoch: position.epoch, offset: message.offset };
    this.#drain(ready);
    return ready;
  }

  /**
   * The server says where the channel stands. `recovered`: what follows our position will come, or there was none.
   * Otherwise what lies between is lost to us: what was held of it is given out, and `gap` says that something is
   * missing.
   */
  place(at: Position, recovered: boolean): { ready: T[]; gap: { from: Position; to: Position } | undefined } {
    const from = this.#position;
    if (from === undefined) {
      this.#position = at;
      const ready: T[] = [];
      this.#drain(ready);
      return { ready, gap: undefined };
    }
    if (recovered || (from.epoch === at.epoch && from.offset === at.offset)) {
      return { ready: [], gap: undefined };
    }
    const sameHistory = from.epoch === at.epoch;
    const ready = sameHistory ? [...this.#held.values()].sort((a, b) => a.offset - b.offset) : [];
    this.#held.clear();
    const last = ready.at(-1)?.offset ?? 0;
    this.#position = sameHistory ? { epoch: at.epoch, offset: Math.max(at.offset, last, from.offset) } : at;
    return { ready, gap: { from, to: at } };
  }

  #hold(message: T): void {
    if (this.#held.size < MAX_HELD) this.#held.set(message.offset, message);
  }

  #drain(ready: T[]): void {
    // Held messages are few and come nearly in order.
    const held = [...this.#held.values()].sort((a, b) => a.offset - b.offset);
    for (const message of held) {
      const { epoch, offset } = this.#position!;
      if (message.offset > offset) {
        if (message.prev > offset) break;
        ready.push(message);
        this.#position = { epoch, offset: message.offset };
      }
      this.#held.delete(message.offset);
    }
  }
}
