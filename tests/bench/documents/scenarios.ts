/**
 * Documents that several people edit. The bare side is a relay that hands updates on and keeps them in memory, and
 * clients that put them into Yjs; or the memory engine, doing the same. A recorded writing session in the form of the
 * public editing traces is taken from the file that SKEIN_TRACE names.
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
    // What is asked of any publish that is kept.
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
    unit: "ms",
    better: "lower",
    bare: () => session(startRelay(), kind),
    skein: () => session(startService(), kind),
  },
]);
