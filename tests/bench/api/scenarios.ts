/**
 * The server API, with the database. The bare side is `node:http` of the runtime, which reads and answers the same
 * JSON and does nothing else.
 *
 * @module
 */

import type { Scenario } from "../scenario.ts";
import { growing } from "./pieces.ts";
import { batches, publishing, publishingLines } from "./measure.ts";

/** Scenarios of the server API, in the order they run. */
export const API_SCENARIOS: readonly Scenario[] = [
  {
    name: "API publish with keep-alive",
    unit: "/s",
    better: "higher",
    target: { value: 10_000 },
    bare: () => publishing("bare"),
    skein: () => publishing("skein"),
  },
  {
    name: "API batch of 1000 messages",
    unit: "ms",
    better: "lower",
    target: { value: 50 },
    bare: () => batches("bare"),
    skein: () => batches("skein"),
  },
  {
    name: "API publish of lines",
    unit: "/s",
    better: "higher",
    target: { value: 100_000 },
    bare: () => publishingLines("bare"),
    skein: () => publishingLines("skein"),
  },
  {
    name: "10000 pieces a second of 200 streamed messages",
    unit: "%",
    better: "lower",
    target: { value: 30 },
    skein: growing,
  },
];
