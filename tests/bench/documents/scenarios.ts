/**
 * Documents that several clients edit. The bare side is a relay that sends updates on and keeps them in memory, or the
 * service with the memory engine. SKEIN_TRACE may name a file with a recorded writing session.
 *
 * @module
 */

import type { Scenario } from "../scenario.ts";
import type { Kind } from "../skein/dial.ts";
import { applied, opening, operations, session } from "./measure.ts";
import { startRelay, startService } from "./peers.ts";

const KINDS: readonly Kind[] = ["quic", "websocket"];

/** Scenarios of documents, in the order they run. */
export const DOCUMENT_SCENARIOS: readonly Scenario[] = KINDS.flatMap((kind): Scenario[] => [
  {
    name: `document change applied by another client ${kind}`,
    unit: "us",
    better: "lower",
    bare: () => applied(startRelay(), kind),
    skein: () => applied(startService(), kind),
  },
  {
    name: `document operations pipelined ${kind}`,
    unit: "/s",
    better: "higher",
    // The target of every publish that is kept.
    target: { ratio: 0.5, value: 30_000 },
    bare: () => operations(kind, "memory"),
    skein: () => operations(kind, "sqlite"),
  },
  ...[false, true].map((together): Scenario => ({
    name: `document of 10000 operations opened ${
      together ? "from a snapshot" : "without a snapshot"
    } ${kind}`,
    unit: "ms",
    better: "lower",
    bare: () => opening(startRelay(), kind, together),
    skein: () => opening(startService(Infinity), kind, together),
  })),
  {
    name: `document writing session ${kind}`,
    slow: true,
    unit: "ms",
    better: "lower",
    bare: () => session(startRelay(), kind),
    skein: () => session(startService(), kind),
  },
]);
