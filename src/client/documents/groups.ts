/**
 * Operations that came in parts, put together again. Pure.
 *
 * @module
 */

/** Which piece of an operation a message is. */
export interface Part {
  readonly op: string;
  readonly index: number;
  readonly count: number;
}

interface Group {
  readonly parts: Uint8Array[];
  readonly count: number;
  /** The offset before the first part. */
  readonly before: number;
}

/** Parts by sender and operation. */
export class Groups {
  readonly #groups = new Map<string, Group>();

  /**
   * Takes a part at its place; returns the whole when it was the last one. A part whose earlier ones have not come is
   * left out: they were before the snapshot.
   */
  take(
    from: string,
    { op, index, count }: Part,
    data: Uint8Array,
    prev: number,
  ): Uint8Array | undefined {
    const key = `${from} ${op}`;
    let group = this.#groups.get(key);
    if (index === 0) this.#groups.set(key, group = { parts: [], count, before: prev });
    if (group === undefined || group.count !== count || group.parts.length !== index) return undefined;
    group.parts.push(data);
    if (group.parts.length < count) return undefined;
    this.#groups.delete(key);
    return joined(group.parts);
  }

  /** How far a snapshot made at `offset` may reach: not over parts whose operation is not whole. */
  reach(offset: number): number {
    let reach = offset;
    for (const { before } of this.#groups.values()) reach = Math.min(reach, before);
    return reach;
  }

  /** The server says that no more parts of an operation will come. */
  giveUp(from: string, op: string): void {
    this.#groups.delete(`${from} ${op}`);
  }

  /** Forgets all. */
  clear(): void {
    this.#groups.clear();
  }
}

/** Pieces as one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
