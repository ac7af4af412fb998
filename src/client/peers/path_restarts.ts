/**
 * When the ICE of a connection between browsers is restarted, and when that is given up. Decides alone: what it decides is
 * done by others.
 *
 * @module
 */

import { backoff } from "../../peer/browser.ts";
import type { Clock, Random } from "../clock.ts";

/** Milliseconds that a restart has to lead to a path. */
const SETTLING = 8_000;
/** Milliseconds without a path after which the connection is given up. */
export const PATIENCE = 60_000;
/** Pauses begin anew when there was no restart for so many ms. */
const HEALTHY = 30_000;
/** Attempts in a row to tell new addresses while there is a path: a peer that does not agree to them is left in peace. */
const MAX_NEEDLESS = 5;

/** What restarts need, and what they tell. */
export interface PathRestartsOptions {
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: Random;
  /** Whether signals reach the service now. */
  readonly canSignal: () => boolean;
  /** Has the ICE restarted; resolves when the peer has agreed. A rejection is a failed attempt. */
  readonly restart: () => Promise<void>;
  /** There is no path now. */
  readonly onBroken: () => void;
  /** There is a path again. */
  readonly onMended: () => void;
  /** There was no path for `PATIENCE`; `cause`: why the last attempt failed, when it is known. */
  readonly onGivenUp: (cause: unknown) => void;
}

/**
 * The restarts of one connection. Pauses between attempts are those of `PeerConnection`, also between restarts that nothing
 * was wrong with: a network that changes each second, or a peer that asks each second, must not fill the signalling.
 */
export class PathRestarts {
  readonly #options: PathRestartsOptions;
  #isBroken = false;
  /** The network has changed, and the addresses that were told before do not hold. */
  #isWanted = false;
  #attempts = 0;
  #lastAttempt = -Infinity;
  #lastError: unknown;
  /** A restart is being agreed about, or its addresses are being tried. */
  #underWay: "agreeing" | "settling" | undefined;
  #cancelNext: (() => void) | undefined;
  #cancelPatience: (() => void) | undefined;
  #hasEnded = false;

  constructor(options: PathRestartsOptions) {
    this.#options = options;
  }

  /** Whether there is no path now. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** The browser tells how its ICE is. */
  told(state: RTCIceConnectionState): void {
    if (this.#hasEnded) return;
    if (state === "connected" || state === "completed") this.#mended();
    else if (state === "disconnected" || state === "failed") this.#broken(state === "failed");
  }

  /** The network of this side has changed. */
  networkChanged(): void {
    this.#isWanted = true;
    this.hopeful();
  }

  /** The peer says that its addresses do not hold any more. */
  asked(): void {
    if (this.#hasEnded || this.#underWay !== undefined) return;
    this.#isWanted = true;
    this.#plan();
  }

  /** What failed before may succeed now, such as signals after the service was away: a long pause is cut short. */
  hopeful(): void {
    if (this.#hasEnded || this.#underWay !== undefined || !(this.#isBroken || this.#isWanted)) return;
    this.#attempts = Math.min(this.#attempts, 1);
    this.#cancel();
    this.#plan();
  }

  /** Nothing is restarted any more. */
  end(): void {
    this.#hasEnded = true;
    this.#cancelNext?.();
    this.#cancelPatience?.();
  }

  #broken(isFinal: boolean): void {
    if (!this.#isBroken) {
      this.#forgive();
      this.#isBroken = true;
      this.#cancelPatience = this.#options.clock.after(PATIENCE, () => {
        this.end();
        this.#options.onGivenUp(this.#lastError);
      });
      this.#options.onBroken();
    }
    // The addresses of the last restart have all been tried.
    if (isFinal && this.#underWay === "settling") this.#over();
    this.#plan();
  }

  #mended(): void {
    const wasBroken = this.#isBroken;
    this.#isBroken = false;
    if (this.#underWay === "settling") this.#over();
    if (!wasBroken) return;
    this.#lastError = undefined;
    this.#cancelPatience?.();
    if (!this.#isWanted) this.#cancel();
    this.#options.onMended();
  }

  /** After a while with a path, attempts of before do not count. */
  #forgive(): void {
    if (!this.#isBroken && this.#options.clock.now() - this.#lastAttempt > HEALTHY) this.#attempts = 0;
  }

  /** The next attempt: at once when it is the first for a while. */
  #plan(): void {
    if (this.#hasEnded || this.#underWay !== undefined || this.#cancelNext !== undefined) return;
    const { clock, random } = this.#options;
    this.#forgive();
    const pause = this.#attempts === 0 ? 0 : backoff(this.#attempts, random());
    this.#cancelNext = clock.after(pause, () => {
      this.#cancelNext = undefined;
      void this.#attempt();
    });
  }

  /** Never rejects. */
  async #attempt(): Promise<void> {
    const { clock, canSignal, restart } = this.#options;
    // `hopeful` comes when they do.
    if (this.#hasEnded || !canSignal()) return;
    this.#attempts++;
    this.#lastAttempt = clock.now();
    this.#underWay = "agreeing";
    this.#isWanted = false;
    try {
      await restart();
      this.#lastError = undefined;
    } catch (error) {
      this.#isWanted = this.#attempts < MAX_NEEDLESS;
      this.#lastError = error;
      return this.#over();
    }
    if (this.#hasEnded) return;
    this.#underWay = "settling";
    if (!this.#isBroken) return this.#over();
    this.#cancelNext = clock.after(SETTLING, () => this.#over());
  }

  /** An attempt has come to its end: the next one follows unless all is well. */
  #over(): void {
    this.#underWay = undefined;
    this.#cancel();
    if (this.#isBroken || this.#isWanted) this.#plan();
  }

  #cancel(): void {
    this.#cancelNext?.();
    this.#cancelNext = undefined;
  }
}
