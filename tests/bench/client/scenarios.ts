/**
 * The cost of the SDK: time to the first message, silence while the session moves, processor time of the client. The
 * bare side is a client of the runtime's own transports. It talks to a server that echoes; for processor time it talks
 * to the service and only reads and writes messages.
 *
 * @module
 */

import type { Scenario } from "../scenario.ts";
import * as bare from "./bare.ts";
import * as sdk from "./sdk.ts";

const QUIC: readonly bare.Kind[] = ["quic", "webtransport"];
const KINDS: readonly bare.Kind[] = [...QUIC, "websocket"];

/** Scenarios of the client, in the order they run. */
export const CLIENT_SCENARIOS: readonly Scenario[] = [
  ...QUIC.flatMap((kind) =>
    [0, 50].map((rtt): Scenario => ({
      name: `client first message ${kind}, round trip ${rtt} ms`,
      unit: "ms",
      better: "lower",
      target: { ratio: 1.3 },
      bare: () => bare.firstMessage(kind, rtt),
      skein: () => sdk.firstMessage(kind, rtt),
    }))
  ),
  ...[0, 50].map((rtt): Scenario => ({
    // The bare side does not dial QUIC at all.
    name: `client first message after the head start without UDP, round trip ${rtt} ms`,
    unit: "ms",
    better: "lower",
    target: { ratio: 1.3 },
    bare: () => bare.firstMessage("websocket", rtt),
    skein: () => sdk.firstMessageWithoutUdp(rtt),
  })),
  {
    name: "client resume with early data, round trip 100 ms",
    unit: "ms",
    better: "lower",
    target: { value: 120 },
    bare: () => bare.firstMessageEarly(100),
    skein: () => sdk.resume(100),
  },
  ...(["webtransport", "websocket"] as const).map((to): Scenario => ({
    // The bare side closes one and dials the other.
    name: `client silence in a move to ${to}, round trip 40 ms`,
    unit: "ms",
    better: "lower",
    target: { value: 80 },
    bare: () => bare.firstMessage(to, 40),
    skein: () => sdk.silence(to, 40),
  })),
  ...KINDS.flatMap((kind): Scenario[] => [
    {
      name: `client processor per message received ${kind}`,
      unit: "us",
      better: "lower",
      target: { ratio: 1.3 },
      bare: () => bare.receiving(kind),
      skein: () => sdk.receiving(kind),
    },
    {
      name: `client processor per message published ${kind}`,
      unit: "us",
      better: "lower",
      target: { ratio: 1.3 },
      bare: () => bare.publishing(kind),
      skein: () => sdk.publishing(kind),
    },
  ]),
];
