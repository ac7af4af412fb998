/**
 * Does what a server asks that is about to end its connections: goes elsewhere in time, but not together with all others.
 *
 * @module
 */

import type { Message } from "../../protocol/core.ts";
import { delay } from "../../async/deadline.ts";
import type { Clock, Random } from "../clock.ts";
import type { Discovery } from "../discovery.ts";
import type { Links } from "./links.ts";
import type { SessionPart } from "./part.ts";
import { readPayload } from "./payloads.ts";

/** Moves the session to another connection when the server asks for that. */
export class Relocation implements SessionPart {
  readonly #links: Links;
  readonly #discovery: Discovery;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #draining: (notice: { deadline: number }) => void;

  /** `draining` is told that the server has asked, and how many milliseconds it gives. */
  constructor(
    links: Links,
    discovery: Discovery,
    clock: Clock,
    random: Random,
    draining: (notice: { deadline: number }) => void,
  ) {
    this.#links = links;
    this.#discovery = discovery;
    this.#clock = clock;
    this.#random = random;
    this.#draining = draining;
  }

  take({ type, payload }: Message): boolean {
    if (type !== "server_notice") return false;
    const notice = readPayload(type, payload);
    const { signal } = this.#links;
    if (signal === undefined || (notice.kind !== "moved_to" && notice.kind !== "draining")) return false;
    const { deadline } = notice;
    this.#draining({ deadline });
    if (notice.kind === "moved_to") this.#discovery.moveTo(notice.urls);
    // The clients of a node arrive somewhere together, unless each waits another time.
    delay(this.#random() * deadline / 2, { signal, timers: this.#clock }).then(
      () => this.#links.move({}),
      () => {},
    );
    return true;
  }
}
