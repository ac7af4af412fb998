/**
 * `src/quic/` as a library: its figures beside those of the runtime's own API with the same work.
 *
 * @module
 */

import { roundTrip as socketRoundTrip } from "../bare/measure.ts";
import type { Scenario } from "../scenario.ts";
import * as quic from "./measure.ts";
import type { Carrier } from "./stacks.ts";

const CARRIERS: readonly Carrier[] = ["quic", "webtransport"];
const SIZES = [100, 1_000, 10_000, 100_000];

function both(
  name: string,
  unit: Scenario["unit"],
  ratio: number,
  measure: (stack: "bare" | "library") => ReturnType<typeof quic.migration>,
): Scenario {
  return {
    name,
    unit,
    better: unit === "/s" || unit === "MB/s" ? "higher" : "lower",
    target: { ratio },
    bare: () => measure("bare"),
    skein: () => measure("library"),
  };
}

/** Scenarios of the library, in the order they run. */
export const QUIC_SCENARIOS: readonly Scenario[] = [
  both("library 0-RTT to first stream quic", "ms", 1.3, (stack) => quic.firstStream(stack, "quic", true)),
  ...CARRIERS.flatMap((carrier) => [
    both(
      `library dial to first stream ${carrier}`,
      "ms",
      1.3,
      (stack) => quic.firstStream(stack, carrier, false),
    ),
    both(`library stream open ${carrier}`, "us", 1.5, (stack) => quic.streamOpen(stack, carrier)),
    both(`library first byte of a stream ${carrier}`, "us", 1.3, (stack) => quic.firstByte(stack, carrier)),
    both(`library 1 KB message ${carrier}`, "us", 1.3, (stack) => quic.roundTrip(stack, carrier, 1024)),
    both(`library 64 KB message ${carrier}`, "us", 1.3, (stack) => quic.roundTrip(stack, carrier, 65_536)),
    both(`library one stream ${carrier}`, "MB/s", 0.8, (stack) => quic.throughput(stack, carrier, 1)),
    both(
      `library 100 streams together ${carrier}`,
      "MB/s",
      0.8,
      (stack) => quic.throughput(stack, carrier, 100),
    ),
    both(`library 1000 streams ${carrier}`, "/s", 0.8, (stack) => quic.thousandStreams(stack, carrier)),
  ]),
  both("library memory of a connection quic", "KB", 1.3, (stack) => quic.connectionMemory(stack)),
  both("library memory of a stream quic", "KB", 1.3, (stack) => quic.streamMemory(stack)),
  both("library pause in a migration with traffic quic", "ms", 1.5, (stack) => quic.migration(stack)),
  // The bare side of these is the runtime's WebSocket.
  ...SIZES.map((bytes): Scenario => ({
    name: `library round trip of ${bytes} B, quic against websocket`,
    unit: "us",
    better: "lower",
    bare: () => socketRoundTrip("websocket", bytes),
    skein: () => quic.roundTrip("library", "quic", bytes),
  })),
];
