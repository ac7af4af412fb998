/**
 * What answers hold in memory until their clients have read them: bounded for a connection, for an address and in all.
 * Whoever does not read is ended.
 *
 * @module
 */

/** Bytes that answers may hold. */
export interface AnswerLimits {
  /** Of one connection, beside its first answer. */
  readonly perConnection: number;
  readonly perAddress: number;
  readonly total: number;
}

/** For whom an answer is. */
export interface AnswerHolder {
  /** Tells connections apart. */
  readonly connection: string;
  readonly address: string;
}

/** Bytes that are read piece by piece. */
export interface AnswerSource {
  readonly length: number;
  /** Bytes it holds while it is being read. */
  readonly held: number;
  /** All of it, where it is in memory. */
  readonly bytes?: Uint8Array;
  /** Bytes from `at` on, at most `size`; none at all is a failure. */
  read(at: number, size: number): Uint8Array | Promise<Uint8Array>;
  /** Called when nothing more is read, perhaps more than once. */
  close?(): void;
}

/** Why an answer was refused or ended. */
export type AnswerRefusal = "connection" | "address" | "total" | "unread";

/** Bytes that are handed on at once. */
export const PIECE = 65_536;
/** Milliseconds within which the next piece must be taken. */
const STALL = 20_000;
/** Bytes a second that an answer must leave with, after its first half minute. */
const SLOWEST = 4096;
const GRACE = 30_000;

/** Options of `AnswerBudget`. */
export interface AnswerBudgetOptions {
  readonly limits: () => AnswerLimits;
  /** Told of what was refused or ended. */
  readonly refused: (reason: AnswerRefusal) => void;
  /** Milliseconds of a clock that only goes forward. @default performance.now */
  readonly now?: () => number;
}

/** Bytes in memory that any number of answers share: each holds no more than a piece of them. */
export function sharedBytes(bytes: Uint8Array): AnswerSource {
  return {
    length: bytes.length,
    held: Math.min(bytes.length, PIECE),
    bytes,
    read: (at, size) => bytes.subarray(at, at + size),
  };
}

/** Bytes in memory that were made for one answer. */
export function ownBytes(bytes: Uint8Array): AnswerSource {
  return { ...sharedBytes(bytes), held: bytes.length };
}

/** What all answers hold. */
export class AnswerBudget {
  readonly #options: AnswerBudgetOptions;
  readonly #now: () => number;
  readonly #live = new Set<Answer>();
  readonly #connections = new Map<string, number>();
  readonly #addresses = new Map<string, number>();
  #total = 0;

  constructor(options: AnswerBudgetOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Bytes that are held. */
  get total(): number {
    return this.#total;
  }

  /** The body of an answer, or undefined when it would hold too much; then `source` is closed. */
  body(source: AnswerSource, holder: AnswerHolder): ReadableStream<Uint8Array> | undefined {
    const refusal = this.#refusalOf(source.held, holder);
    if (refusal !== undefined) {
      this.#options.refused(refusal);
      source.close?.();
      return undefined;
    }
    this.#add(source.held, holder);
    const answer: Answer = new Answer(source, this.#now, () => {
      if (this.#live.delete(answer)) this.#add(-source.held, holder);
    });
    this.#live.add(answer);
    return answer.stream;
  }

  /** Ends answers that are not read. To be called once a second. */
  sweep(): void {
    const now = this.#now();
    for (const answer of this.#live) {
      if (!answer.isUnread(now)) continue;
      this.#options.refused("unread");
      answer.fail();
    }
  }

  #refusalOf(held: number, { connection, address }: AnswerHolder): AnswerRefusal | undefined {
    const { perConnection, perAddress, total } = this.#options.limits();
    const own = this.#connections.get(connection) ?? 0;
    if (own > 0 && own + held > perConnection) return "connection";
    const ofAddress = this.#addresses.get(address) ?? 0;
    if (ofAddress > 0 && ofAddress + held > perAddress) return "address";
    return this.#total > 0 && this.#total + held > total ? "total" : undefined;
  }

  #add(bytes: number, { connection, address }: AnswerHolder): void {
    this.#total += bytes;
    count(this.#connections, connection, bytes);
    count(this.#addresses, address, bytes);
  }
}

function count(counts: Map<string, number>, key: string, by: number): void {
  const now = (counts.get(key) ?? 0) + by;
  if (now === 0) counts.delete(key);
  else counts.set(key, now);
}

/** A body that is read as fast as its client takes it. */
class Answer {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #source: AnswerSource;
  readonly #now: () => number;
  readonly #released: () => void;
  readonly #began: number;
  #takenAt: number;
  #at = 0;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor(source: AnswerSource, now: () => number, released: () => void) {
    this.#source = source;
    this.#now = now;
    this.#released = released;
    this.#began = this.#takenAt = now();
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#pull(),
      cancel: () => this.#end(),
    }, { highWaterMark: 0 });
  }

  /** Whether its client reads too slowly, or not at all. */
  isUnread(now: number): boolean {
    const elapsed = now - this.#began;
    return now - this.#takenAt > STALL || elapsed > GRACE && this.#at < SLOWEST * elapsed / 1000;
  }

  /** Ends it early: the client sees that it is not whole. */
  fail(): void {
    this.#end();
    this.#controller.error(new Error("the answer was not read"));
  }

  async #pull(): Promise<void> {
    const { length } = this.#source;
    try {
      if (this.#at < length) {
        const piece = await this.#source.read(this.#at, Math.min(PIECE, length - this.#at));
        if (piece.length === 0) throw new Error("the source of an answer became shorter");
        this.#at += piece.length;
        this.#controller.enqueue(piece);
      }
      this.#takenAt = this.#now();
      if (this.#at < length) return;
      this.#end();
      this.#controller.close();
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  #end(): void {
    this.#released();
    this.#source.close?.();
  }
}
