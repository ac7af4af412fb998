/**
 * Presence of this node's sessions in the engine. A failure is reported and keeps nobody waiting.
 *
 * @module
 */

import type { Underway } from "../async/underway.ts";
import type { MaybePromise, Presence } from "../engine/contract.ts";
import type { HubSession } from "./session.ts";
import type { SessionRegistry } from "./session_registry.ts";

/** Milliseconds between the renewals of two parts. */
const STEP = 1000;

/** Enters sessions into presence and renews their leases, a part of the sessions at a time. */
export class Leases {
  /** Into how many parts the sessions are divided: each is renewed once in a third of a lease. */
  readonly slices: number;
  readonly #presence: Presence;
  readonly #ttl: number;
  readonly #failed: (error: unknown, stage: string) => void;
  readonly #underway: Underway;
  /** Sessions that came back without channels they are still shown on, and until when. */
  readonly #away = new Map<HubSession, number>();
  #renewed: number | undefined;

  /** `ttl`: milliseconds a lease lasts. `underway` gets what the engine has not answered. */
  constructor(
    presence: Presence,
    ttl: number,
    failed: (error: unknown, stage: string) => void,
    underway: Underway,
  ) {
    this.#underway = underway;
    this.#presence = presence;
    this.#ttl = ttl;
    this.#failed = failed;
    this.slices = Math.max(1, Math.floor(ttl / 3 / STEP));
  }

  /** The session is on `channel` now. */
  enter(session: HubSession, channel: string): void {
    session.present.add(channel);
    this.#do(() => this.#presence.enter(channel, session.entry(), this.#ttl));
  }

  /** Renews the leases of a session, with what others see of it now. */
  renew(session: HubSession): void {
    for (const channel of session.present) {
      this.#do(() => this.#presence.enter(channel, session.entry(), this.#ttl));
    }
  }

  /** The session is no longer on `channel`. */
  leave(session: HubSession, channel: string): void {
    session.present.delete(channel);
    this.#do(() => this.#presence.leave(channel, session.sessionId));
  }

  /**
   * The session came back. A client may name only some of its channels when it resumes, and others are not to see its
   * user leave and return for that: channels it did not name are left at `until`, unless it subscribes to them by then.
   * Channels that are `lost` to it are left at once, and so are the oldest above `most`.
   */
  cameBack(session: HubSession, until: number, most: number, lost: (channel: string) => boolean): void {
    for (const channel of absent(session)) if (lost(channel)) this.leave(session, channel);
    const away = absent(session);
    for (const channel of away.slice(0, Math.max(0, away.length - most))) this.leave(session, channel);
    if (away.length > 0) this.#away.set(session, until);
  }

  /** Leaves channels that sessions have not come back to in time, and renews the parts that are due since the last call. */
  sweep(now: number, sessions: SessionRegistry): void {
    for (const [session, until] of this.#away) {
      if (session.attached && now < until) continue;
      this.#away.delete(session);
      // A session that lost its connection again names its channels anew when it comes back.
      if (session.attached) { for (const channel of absent(session)) this.leave(session, channel); }
    }
    const step = Math.floor(now / STEP);
    const from = Math.max((this.#renewed ?? step - 1) + 1, step - this.slices + 1);
    this.#renewed = step;
    for (let at = from; at <= step; at++) {
      for (const session of sessions.slice(at)) this.renew(session);
    }
  }

  #do(act: () => MaybePromise<void>): void {
    try {
      const done = act();
      if (!(done instanceof Promise)) return;
      void this.#underway.add(done.catch((error) => this.#failed(error, "presence")));
    } catch (error) {
      this.#failed(error, "presence");
    }
  }
}

/** Channels where presence shows the session and where it is not subscribed. */
function absent({ present, subscriptions }: HubSession): string[] {
  return [...present].filter((channel) => !subscriptions.has(channel));
}
