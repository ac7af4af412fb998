/**
 * Connections between peers beside plain QUIC with the same work: `bare` is plain QUIC.
 *
 * @module
 */

import type { Measure, Scenario } from "../scenario.ts";
import * as peer from "./measure.ts";
import { memoryOfLinks } from "./links.ts";

const CARRIERS = ["shared", "fast", "relayed"] as const;
/** Least throughput in shares of plain QUIC's; the relay is another process that copies every packet twice. */
const THROUGHPUT: Partial<Record<peer.Carrier, number>> = { shared: 0.25, fast: 0.7 };

function each(
  name: string,
  unit: Scenario["unit"],
  measure: (carrier: peer.Carrier) => Promise<Measure>,
  target: (carrier: peer.Carrier) => Scenario["target"],
): Scenario[] {
  return CARRIERS.map((carrier) => {
    const wanted = target(carrier);
    return {
      name: `peer ${name} ${carrier}`,
      unit,
      better: unit === "MB/s" ? "higher" : "lower",
      ...wanted === undefined ? {} : { target: wanted },
      bare: () => measure("plain"),
      skein: () => measure(carrier),
    };
  });
}

/** Scenarios of peers, in the order they run. */
export const PEER_SCENARIOS: readonly Scenario[] = [
  ...each("connect", "ms", peer.connectTime, (carrier) => ({ value: carrier === "relayed" ? 1_500 : 500 })),
  ...each("throughput", "MB/s", peer.throughput, (carrier) => {
    const ratio = THROUGHPUT[carrier];
    return ratio === undefined ? undefined : { ratio };
  }),
  ...each("processor for 100 MB", "ms", peer.processorTime, () => undefined),
  ...each("round trip", "us", peer.roundTrip, () => undefined),
  {
    name: "peer memory of each of 1000",
    unit: "KB",
    better: "lower",
    target: { value: 64 },
    skein: () => memoryOfLinks(1_000),
  },
];
