/**
 * Connections between peers beside plain QUIC with the same work: `bare` is plain QUIC.
 *
 * @module
 */

import type { Measure, Scenario } from "../scenario.ts";
import * as peer from "./measure.ts";
import * as lab from "./lab.ts";
import { LAB_LACKS } from "../../peer/natlab.ts";
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

/** On machines with NATs and 40 ms between them. Left out where namespaces cannot be made. */
const LAB_SCENARIOS: readonly Scenario[] = LAB_LACKS.length > 0 ? [] : [
  {
    name: "peer connect at 40 ms punched",
    unit: "ms",
    better: "lower",
    target: { value: 500 },
    skein: () => lab.connectTime("punched"),
  },
  {
    name: "peer connect at 40 ms relayed",
    unit: "ms",
    better: "lower",
    target: { value: 1_500 },
    skein: () => lab.connectTime("relayed"),
  },
  ...(["punched", "relayed"] as const).map((path): Scenario => ({
    name: `peer operation at 40 ms ${path}`,
    unit: "ms",
    better: "lower",
    target: { value: 100 },
    skein: () => lab.operationLatency(path),
  })),
  {
    // Two round trips and 10 ms.
    name: "peer switch at 40 ms to a direct path",
    unit: "ms",
    better: "lower",
    target: { value: 90 },
    skein: () => lab.switchStall("punched"),
  },
  {
    name: "peer switch at 40 ms from a dead path",
    unit: "ms",
    better: "lower",
    target: { value: 90 },
    skein: () => lab.switchStall("relayed"),
  },
  {
    name: "peer bytes of two who type for ten seconds",
    unit: "KB",
    better: "lower",
    // WebSocket in TLS on TCP with the same updates.
    bare: lab.wireOfSockets,
    skein: lab.wireOfPeers,
  },
];

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
    slow: true,
    unit: "KB",
    better: "lower",
    target: { value: 64 },
    skein: () => memoryOfLinks(1_000),
  },
  ...LAB_SCENARIOS,
];
