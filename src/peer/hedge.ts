/**
 * Packets by two paths while the one in use is silent. That a path has died is certain only after several checks; until
 * then copies of what is sent go by another path too. What left last goes once more when there is a path that works again:
 * QUIC doubles its pauses, and its next probe may be half a minute away. QUIC drops duplicates, so a wrong guess costs bytes
 * and nothing else. Decisions only: whoever owns it sends.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { type PathState, secondPath } from "./path_selector.ts";

/** What is known of a path, and how fast it can be. */
export interface HedgedPath extends PathState {
  /** The lowest of the latest round trips in ms; undefined: not known. */
  readonly lowestRtt: number | undefined;
}

/** What follows from a decision. */
export interface HedgeActions<P> {
  /** A packet that has left already goes by `path` too. The bytes are the receiver's. */
  readonly onCopy: (bytes: Uint8Array, path: P) => void;
  /** The path in use is silent, and copies go by `second`: the peer has to hear of it, or it answers on the silent one. */
  readonly onSilence: (second: P) => void;
  /** The peer is heard on `path`, and on the one in use it is not. */
  readonly onLeave: (path: P) => void;
}

/**
 * A path that works is not silent for longer than a round trip and so many ms: a QUIC receiver may wait for 25 ms with its
 * acknowledgement (RFC 9000 §18.2), and timers are late. QUIC's first probe comes at about that time (RFC 9002 §6.2.1).
 */
const ANSWER_DELAY = 30;
/** So many packets that have left are kept, and copied when there is silence: QUIC's first probe repeats nothing. */
const MAX_KEPT = 8;
/** Copies that may be sent at once... */
const BURST = 64;
/** ... and then one for so many packets: a path that is silent now and then must not cost twice its traffic. */
const PACKETS_A_COPY = 16;
/** So many packets in a row that come by other paths, and the one in use is left: fewer may be missing by chance. */
const LEAVE_AFTER = 4;
/** The two sides change to a better path within so many ms of each other. */
const SETTLING = 1_000;
/** Copies are sent for at most this many ms: the checks have decided by then. */
const LONGEST = 1_000;

/** A time in which copies are sent. */
interface Episode<P> {
  second: P;
  readonly startedAt: number;
  /** It is the peer that hears nothing. */
  readonly asked: boolean;
  /** Packets that came by other paths since the last one that came by the path in use. */
  elsewhere: number;
  /** The peer was heard by the path in use. */
  heardHere: boolean;
}

/** The packets of one connection. */
export class Hedge<P extends HedgedPath> {
  readonly #clock: Pick<Clock, "now" | "after">;
  readonly #actions: HedgeActions<P>;
  /** When the path in use was taken; and whether the peer has been heard by it. */
  #movedAt = -Infinity;
  #wasHeardHere = false;
  /** When the first packet left since the peer was heard last, by whatever path; undefined: none has. */
  #silentSince: number | undefined;
  /** The same, by the path in use. */
  #unheardSince: number | undefined;
  #episode: Episode<P> | undefined;
  #copies = BURST;
  #packets = 0;
  /** When the peer was told of a silence last. */
  #toldAt = -Infinity;
  readonly #recent = new RecentPackets();
  /** Something left while it was not certain yet. */
  #cancelWait: (() => void) | undefined;

  /** @param clock Its `now` is read for most packets; exact to a millisecond is enough. */
  constructor(clock: Pick<Clock, "now" | "after">, actions: HedgeActions<P>) {
    this.#clock = clock;
    this.#actions = actions;
  }

  /** A packet leaves on `current`. Returns the path that a copy is to take now. */
  sends(current: P, paths: readonly P[], bytes: Uint8Array): P | undefined {
    if (++this.#packets % PACKETS_A_COPY === 0 && this.#copies < BURST) this.#copies++;
    const now = this.#clock.now();
    this.#silentSince ??= now;
    this.#unheardSince ??= now;
    if (this.#episode === undefined) this.#doubt(current, paths, now - this.#unheardSince);
    const second = this.#episode && this.#copy(this.#episode, current, paths, now);
    this.#recent.keep(bytes, now, second !== undefined);
    return second;
  }

  /** A packet of the peer came by `path`; undefined: from an address where it was not expected. */
  hears(path: P | undefined, current: P | undefined): void {
    this.#silentSince = undefined;
    this.#unheardSince = undefined;
    if (this.#cancelWait !== undefined) this.#stopWaiting();
    if (path === current) this.#wasHeardHere = true;
    const episode = this.#episode;
    if (episode === undefined) return;
    if (path === current) {
      episode.elsewhere = 0;
      episode.heardHere = true;
    } else if (path?.confirmedAt !== undefined && current !== undefined) {
      episode.elsewhere++;
      if (this.#isDead(current, episode, path)) this.#actions.onLeave(path);
    }
  }

  /**
   * Many packets have come by another path and none by this one, for long enough that they are not only copies of what this
   * one has carried before.
   */
  #isDead(current: P, { elsewhere, startedAt }: Episode<P>, path: P): boolean {
    if (elsewhere < LEAVE_AFTER || !this.#isSettled()) return false;
    return this.#clock.now() - startedAt > patience(Math.max(path.rtt ?? 0, current.rtt ?? 0));
  }

  /** The peer may not have come to this path yet, and nothing is wrong. */
  #isSettled(): boolean {
    return this.#wasHeardHere || this.#clock.now() - this.#movedAt > SETTLING;
  }

  /** The peer has said on `path` that it hears nothing: what is sent on `current` does not come. */
  asked(path: P, current: P | undefined, paths: readonly P[]): void {
    if (path === current || current === undefined || path.confirmedAt === undefined) return;
    if (this.#episode !== undefined) this.#episode.second = path;
    else this.#begin(path, current, paths, { asked: true });
  }

  /** The path in use works again: checks on it were not answered, and now one was. */
  revived(current: P): void {
    if (this.#silentSince !== undefined) this.#repeat(current, this.#silentSince);
  }

  /** Another path is in use from now on, or none. */
  moved(path?: P): void {
    if (path !== undefined && this.#silentSince !== undefined) this.#repeat(path, this.#silentSince);
    this.#unheardSince = undefined;
    this.#episode = undefined;
    this.#movedAt = this.#clock.now();
    this.#wasHeardHere = false;
    this.#stopWaiting();
  }

  /**
   * Nothing has come for `silent` ms, and another packet leaves: of an acknowledgement alone nobody expects an answer. It is
   * a probe of QUIC's, perhaps, or this program has paused, and what has come in the meantime is heard first.
   */
  #doubt(current: P, paths: readonly P[], silent: number): void {
    if (silent <= (current.lowestRtt ?? Infinity)) return;
    const rest = Math.max(0, patience(current.lowestRtt) - silent);
    this.#cancelWait ??= this.#clock.after(Math.ceil(rest) + 1, () => {
      this.#cancelWait = undefined;
      const second = secondPath(paths, current);
      if (this.#episode === undefined && second !== undefined) {
        this.#begin(second, current, paths, { asked: false });
      }
    });
  }

  /** Sends what left last by `path`, unless the silence since `since` is a short one. */
  #repeat(path: P, since: number): void {
    if (this.#clock.now() - since <= 2 * patience(path.lowestRtt)) return;
    // Copies of them by another path may have been lost as well.
    for (const bytes of this.#recent.take(since, { copied: true })) {
      if (this.#copies === 0) return;
      this.#copies--;
      this.#actions.onCopy(bytes, path);
    }
  }

  #begin(second: P, current: P, paths: readonly P[], { asked }: { asked: boolean }): void {
    const now = this.#clock.now();
    const episode = this.#episode = { second, startedAt: now, asked, elsewhere: 0, heardHere: false };
    for (const bytes of this.#recent.take(now - 2 * patience(current.rtt))) {
      const by = this.#copy(episode, current, paths, now);
      if (by !== undefined) this.#actions.onCopy(bytes, by);
    }
  }

  #stopWaiting(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  #copy(episode: Episode<P>, current: P, paths: readonly P[], now: number): P | undefined {
    // Packets that come prove nothing of the other direction, and checks nothing of packets: some paths carry them alone.
    const answered = (episode.heardHere || !this.#isSettled()) &&
      (current.confirmedAt ?? 0) >= episode.startedAt + (current.lowestRtt ?? Infinity);
    if (answered || now - episode.startedAt > LONGEST) {
      this.#episode = undefined;
      return undefined;
    }
    if (this.#copies === 0) return undefined;
    if (episode.second.failures > 0 || !paths.includes(episode.second)) {
      const other = secondPath(paths, current);
      if (other === undefined) return undefined;
      episode.second = other;
    }
    this.#copies--;
    const { second, asked } = episode;
    // What tells it may be lost as well.
    if (!asked && now - this.#toldAt > 2 * patience(second.rtt)) {
      this.#toldAt = now;
      this.#actions.onSilence(second);
    }
    return second;
  }
}

/** How long a path with such a round trip may be silent, in ms. */
function patience(rtt = Infinity): number {
  return rtt + ANSWER_DELAY;
}

/** The packets that have left last. */
class RecentPackets {
  readonly #slots: { bytes: Uint8Array<ArrayBuffer>; length: number; at: number; copied: boolean }[] = [];
  #next = 0;

  /** @param copied A copy has left by another path. */
  keep(bytes: Uint8Array, now: number, copied: boolean): void {
    const slot = this.#slots[this.#next] ??= {
      bytes: new Uint8Array(bytes.length),
      length: 0,
      at: 0,
      copied,
    };
    this.#next = (this.#next + 1) % MAX_KEPT;
    if (slot.bytes.length < bytes.length) slot.bytes = new Uint8Array(bytes.length);
    slot.bytes.set(bytes);
    slot.length = bytes.length;
    slot.at = now;
    slot.copied = copied;
  }

  /**
   * Those that left at `since` or later, oldest first, in memory of their own. They count as copied then.
   *
   * @param options.copied With those that were copied. @default false
   */
  take(since: number, { copied = false } = {}): Uint8Array[] {
    const found = this.#slots.filter((slot) => slot.at >= since && (copied || !slot.copied))
      .sort((a, b) => a.at - b.at);
    return found.map((slot) => {
      slot.copied = true;
      return slot.bytes.slice(0, slot.length);
    });
  }
}
