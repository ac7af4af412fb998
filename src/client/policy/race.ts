/**
 * Which transports are dialled, and when: QUIC first, WebSocket after a head start. A pure decision; `session/race.ts`
 * acts on it.
 *
 * @module
 */

/** The two ways to a server: QUIC (WebTransport or raw) and WebSocket. */
export type Path = "quic" | "websocket";

/** What the decision hangs on. */
export interface DialConditions {
  /** Paths that are configured and that this runtime has. */
  readonly available: readonly Path[];
  /** Paths whose circuit breaker is open: not dialled, unless every path is asked for by `forced`. */
  readonly broken: readonly Path[];
  /** What won last time on this network; undefined: not known. */
  readonly preferred: Path | undefined;
  /** Milliseconds QUIC is alone. */
  readonly headStart: number;
}

/** A dial: what, and how many milliseconds after the start at the latest. */
export interface DialStep {
  readonly path: Path;
  readonly at: number;
}

/**
 * The dials of one attempt, in order. QUIC begins; WebSocket follows after the head start, or at once when it won last
 * time. A dial that fails lets the next one begin early. Empty when nothing may be dialled.
 */
export function planDials({ available, broken, preferred, headStart }: DialConditions): DialStep[] {
  const quic = available.includes("quic") && !broken.includes("quic");
  const websocket = available.includes("websocket") && !broken.includes("websocket");
  const steps: DialStep[] = [];
  if (quic) steps.push({ path: "quic", at: 0 });
  if (websocket) steps.push({ path: "websocket", at: quic && preferred !== "websocket" ? headStart : 0 });
  return steps;
}
