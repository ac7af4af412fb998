/**
 * The TCP connections of the HTTP listener: how many there may be, and which one gives way to a new one. Pure: it is told
 * what happens, and closes by a function that it is handed.
 *
 * @module
 */

/**
 * What a connection does: it has no request under way, it is being answered, it is a WebSocket that has not
 * authenticated, or one that has.
 */
export type Stage = "waiting" | "answering" | "stranger" | "member";

/** Why a connection was refused, or had to give way. */
export type PoolRefusal = "address" | "connections" | "descriptors";

/** Bounds of a pool. */
export interface PoolLimits {
  /** All connections. */
  readonly total: number;
  /** Connections of one address that are not WebSockets. */
  readonly perAddress: number;
  /** Why there may not be more than `total`. @default "connections" */
  readonly bound?: "connections" | "descriptors";
}

/** What a pool needs. */
export interface PoolOptions {
  /** Asked at each new connection. */
  readonly limits: () => PoolLimits;
  /** Whether the process can open another descriptor. */
  readonly hasDescriptor: () => boolean;
  /** A connection was refused or closed for this reason. */
  readonly refused: (reason: PoolRefusal, address: string) => void;
}

/** A connection in the pool. */
export interface Pooled {
  /** It does something else from now on. */
  become(stage: Stage): void;
  /** It has ended. */
  leave(): void;
}

/** Those that give way, in this order: who waits costs least to lose. Members never do. */
const GIVES_WAY = ["waiting", "stranger", "answering"] as const satisfies readonly Stage[];

class Entry implements Pooled {
  stage: Stage = "waiting";
  readonly #pool: ConnectionPool;
  /** Undefined: a trusted proxy, whose connections belong to many. */
  readonly address: string | undefined;
  readonly close: () => void;
  ended = false;

  constructor(pool: ConnectionPool, address: string | undefined, close: () => void) {
    this.#pool = pool;
    this.address = address;
    this.close = close;
  }

  become(stage: Stage): void {
    if (!this.ended) this.#pool.move(this, stage);
  }

  leave(): void {
    if (!this.ended) this.#pool.drop(this);
  }
}

/** The connections of one address that are no WebSockets, oldest first. */
type AddressEntries = Set<Entry>;

/** Connections by what they do. */
export class ConnectionPool {
  readonly #options: PoolOptions;
  /** Sets keep the order in which entries came: the first is the oldest in its stage. */
  readonly #stages: Readonly<Record<Stage, Set<Entry>>> = {
    waiting: new Set(),
    answering: new Set(),
    stranger: new Set(),
    member: new Set(),
  };
  readonly #addresses = new Map<string, AddressEntries>();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Connections in it. */
  get size(): number {
    const { waiting, answering, stranger, member } = this.#stages;
    return waiting.size + answering.size + stranger.size + member.size;
  }

  /** Connections by stage. */
  get counts(): Readonly<Record<Stage, number>> {
    const { waiting, answering, stranger, member } = this.#stages;
    return {
      waiting: waiting.size,
      answering: answering.size,
      stranger: stranger.size,
      member: member.size,
    };
  }

  /**
   * Takes a new connection. Where there is no room, the oldest one that waits gives way, so that connections that do
   * nothing keep nobody out. Undefined when none can: the new one is to be closed. `address` is undefined for trusted
   * proxies, for which no bound by address holds.
   */
  enter(address: string | undefined, shown: string, close: () => void): Pooled | undefined {
    const { limits, hasDescriptor, refused } = this.#options;
    const { total, perAddress, bound = "connections" } = limits();
    const of = address === undefined ? undefined : this.#addresses.get(address);
    if (of !== undefined && of.size >= perAddress) {
      refused("address", shown);
      if (!this.#giveWay(oldestWaiting(of))) return undefined;
    }
    const reason = this.size >= total ? bound : hasDescriptor() ? undefined : "descriptors";
    if (reason !== undefined) {
      refused(reason, shown);
      if (!this.#giveWay(this.#oldest())) return undefined;
    }
    const entry = new Entry(this, address, close);
    this.#stages.waiting.add(entry);
    this.#count(entry);
    return entry;
  }

  /** @ignore */
  move(entry: Entry, stage: Stage): void {
    this.#stages[entry.stage].delete(entry);
    this.#stages[stage].add(entry);
    entry.stage = stage;
    // WebSockets are counted by the sessions.
    if (stage === "stranger" || stage === "member") this.#uncount(entry);
  }

  /** @ignore */
  drop(entry: Entry): void {
    entry.ended = true;
    this.#stages[entry.stage].delete(entry);
    this.#uncount(entry);
  }

  #oldest(): Entry | undefined {
    for (const stage of GIVES_WAY) {
      for (const entry of this.#stages[stage]) return entry;
    }
    return undefined;
  }

  #giveWay(entry: Entry | undefined): boolean {
    if (entry === undefined) return false;
    this.drop(entry);
    entry.close();
    return true;
  }

  #count(entry: Entry): void {
    if (entry.address === undefined) return;
    const of = this.#addresses.get(entry.address);
    if (of === undefined) this.#addresses.set(entry.address, new Set([entry]));
    else of.add(entry);
  }

  #uncount(entry: Entry): void {
    if (entry.address === undefined) return;
    const of = this.#addresses.get(entry.address);
    if (of?.delete(entry) === true && of.size === 0) this.#addresses.delete(entry.address);
  }
}

function oldestWaiting(entries: AddressEntries): Entry | undefined {
  for (const entry of entries) if (entry.stage === "waiting") return entry;
  return undefined;
}
