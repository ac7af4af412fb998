/**
 * Lanes: the logical stream numbers of a connection. On QUIC each lane is a stream; on WebSocket the lane is the
 * priority of a message.
 *
 * @module
 */

import { namespaceOf } from "./channel.ts";

/** What travels on a lane. */
export type LaneClass = "control" | "conversation" | "file" | "bot" | "document";

/** First and last lane of each class; documents have no last. */
export const LANES = {
  control: [0, 0],
  conversation: [1, 99],
  file: [100, 199],
  bot: [200, 299],
  document: [300, 0x3fffffff],
} as const satisfies Record<LaneClass, readonly [number, number]>;

/**
 * Priority of each class, 0 to 255. On QUIC it is the priority of the stream, on WebSocket the order in which messages
 * that wait are sent.
 */
export const LANE_PRIORITY: Readonly<Record<LaneClass, number>> = {
  control: 255,
  document: 192,
  conversation: 128,
  bot: 64,
  file: 0,
};

/** The class of a lane. Throws RangeError when it is not a lane. */
export function laneClass(lane: number): LaneClass {
  if (!Number.isSafeInteger(lane) || lane < 0 || lane > LANES.document[1]) {
    throw new RangeError(`no lane ${lane}`);
  }
  if (lane === 0) return "control";
  if (lane <= 99) return "conversation";
  if (lane <= 199) return "file";
  if (lane <= 299) return "bot";
  return "document";
}

/** The priority of a lane, 0 to 255. */
export function lanePriority(lane: number): number {
  return LANE_PRIORITY[laneClass(lane)];
}

/** Which class a channel's messages belong to. */
export function classOfChannel(channel: string): LaneClass {
  switch (namespaceOf(channel)) {
    case "doc":
      return "document";
    case "bot":
      return "bot";
    case "user":
    case "broadcast":
      return "control";
    default:
      return "conversation";
  }
}

/**
 * Gives each active channel a lane of its class, in turn, and lane 0 for control. A channel stays on its lane until it
 * is released.
 */
export class LaneAllocator {
  readonly #lanes = new Map<string, number>();
  readonly #next = new Map<LaneClass, number>();
  readonly #most: Readonly<Partial<Record<LaneClass, number>>>;

  /**
   * `most` bounds the lanes of a class, so that a connection stays below its limit of streams.
   * @default {conversation: 16, file: 4, bot: 4, document: 32}
   */
  constructor(most: Partial<Record<LaneClass, number>> = {}) {
    this.#most = { conversation: 16, file: 4, bot: 4, document: 32, ...most };
  }

  /** The lane of `key` (a channel, a file's or a bot's name) in a class. */
  laneOf(cls: LaneClass, key: string): number {
    if (cls === "control") return 0;
    const name = `${cls} ${key}`;
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const [first, last] = LANES[cls];
    const most = Math.min(this.#most[cls] ?? Infinity, last - first + 1);
    const turn = this.#next.get(cls) ?? 0;
    this.#next.set(cls, (turn + 1) % most);
    const lane = first + turn;
    this.#lanes.set(name, lane);
    return lane;
  }

  /** Forgets `key`, which may get another lane later. */
  release(cls: LaneClass, key: string): void {
    this.#lanes.delete(`${cls} ${key}`);
  }

  /** How many keys are active. */
  get size(): number {
    return this.#lanes.size;
  }
}
