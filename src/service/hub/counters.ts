/**
 * What the hub's publications, sessions and failures come to, in numbers and in log lines.
 *
 * @module
 */

import { type Origin, ORIGINS, type PublishHook, SESSION_EVENTS, type SessionEvent } from "../../hub/mod.ts";
import type { Logger } from "../log/mod.ts";
import { LabelledCounter } from "../metrics/labelled_counter.ts";
import { counters, type Series } from "../metrics/series.ts";

/** Counts what happens in the hub. */
export class HubCounters {
  readonly #log: Logger;
  readonly #publications = zeros<Origin>(ORIGINS);
  readonly #events = zeros<SessionEvent["kind"]>(SESSION_EVENTS);
  readonly #failures = new LabelledCounter();

  constructor(log: Logger) {
    this.#log = log;
  }

  readonly series: readonly Series[] = [
    counters(
      "skein_publications_total",
      "Messages committed by where they came from, repetitions aside.",
      ["origin"],
      () => samples(this.#publications),
    ),
    counters(
      "skein_session_events_total",
      "What happened to sessions of this node.",
      ["event"],
      () => samples(this.#events),
    ),
    counters(
      "skein_hub_failures_total",
      "Failures in the hub that no client is told of, hooks and listeners by name.",
      ["stage"],
      () => this.#failures.samples(),
    ),
  ];

  /** Counts publications. */
  readonly hook: PublishHook = {
    name: "counters",
    after: ({ origin }, { duplicate }) => {
      if (!duplicate) this.#publications[origin]++;
    },
  };

  /** Counts what happens to sessions, and writes a line of it at the level `debug`. */
  readonly listener = (event: SessionEvent): void => {
    this.#events[event.kind]++;
    const { client, principal } = event;
    this.#log.debug(`session ${event.kind}`, {
      connection: client.connectionId,
      session: client.sessionId,
      user: principal.userId,
      transport: client.transport,
      ...(event.kind === "subscribe" || event.kind === "unsubscribe" ? { channel: event.channel } : {}),
      ...(event.kind === "unsubscribe" && event.reason !== undefined ? { reason: event.reason } : {}),
      ...(event.kind === "connect" ? { resumed: event.resumed } : {}),
    });
  };

  /** Counts and logs a failure that nobody waits for. */
  readonly failed = (error: unknown, stage: string): void => {
    this.#failures.add(stage);
    this.#log.error("hub failure", { stage, error });
  };
}

function zeros<K extends string>(names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
}

function* samples(counts: Readonly<Record<string, number>>): Generator<[string[], number]> {
  for (const [label, count] of Object.entries(counts)) yield [[label], count];
}
