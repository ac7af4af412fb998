/**
 * Everything the bench measures. A scenario with both `bare` and `skein` has a ratio.
 *
 * @module
 */

import { API_SCENARIOS } from "./api/scenarios.ts";
import * as bare from "./bare/measure.ts";
import { CLIENT_SCENARIOS } from "./client/scenarios.ts";
import { FUNCTION_SCENARIOS } from "./functions/scenarios.ts";
import { PEER_SCENARIOS } from "./peer/scenarios.ts";
import * as peers from "./peers/measure.ts";
import { QUIC_SCENARIOS } from "./quic/scenarios.ts";
import { roundTrip as streamRoundTrip } from "./quic/measure.ts";
import { DOCUMENT_SCENARIOS } from "./documents/scenarios.ts";
import { GROUP_SCENARIOS } from "./groups/scenarios.ts";
import type { Measure, Scenario } from "./scenario.ts";
import * as durable from "./skein/durable.ts";
import { durableFanOutCost, fanOutCost } from "./skein/fanout_cost.ts";
import * as files from "./skein/files.ts";
import { LAYER_SCENARIOS } from "./skein/layers.ts";
import * as skein from "./skein/measure.ts";
import { WEBHOOK_SCENARIOS } from "./webhooks/scenarios.ts";
import { idleDelivery, pingShare } from "./skein/shares.ts";

const KINDS: readonly bare.Kind[] = ["quic", "websocket"];
const IDLE_COUNTS = [1_000, 5_000, 10_000];
/** Connections whose processor time is watched. Of 10,000 QUIC clients on two cores that others use, some get lost. */
const IDLE_WATCHED: Readonly<Record<bare.Kind, number>> = { quic: 2_000, websocket: 10_000 };
const WATCH: bare.IdleTimes = { settle: 20, watch: 15 };

/** The same work by each of the other libraries. */
function peersOf(measure: (peer: peers.Peer) => Promise<Measure>): Pick<Scenario, peers.Peer> {
  return Object.fromEntries(peers.PEERS.map((peer) => [peer, () => measure(peer)]));
}

/** Publishers that keep the service busy. */
const SATURATION = { clients: 8, window: 16 };

/** All scenarios, in the order they run. */
export const SCENARIOS: readonly Scenario[] = [
  ...KINDS.flatMap((kind) =>
    (["ping", "publish"] as const).map((what): Scenario => ({
      name: `round trip ${what} ${kind}`,
      unit: "us",
      better: "lower",
      target: { ratio: 1.5 },
      bare: () => bare.roundTrip(kind),
      skein: () => skein.roundTrip(kind, what),
      ...(kind === "websocket" ? peersOf(peers.roundTrip) : {}),
    }))
  ),
  ...(["ping", "publish"] as const).map((what): Scenario => ({
    name: `round trip ${what} webtransport`,
    unit: "us",
    better: "lower",
    target: { ratio: 1.5 },
    bare: () => streamRoundTrip("bare", "webtransport", 128),
    skein: () => skein.roundTrip("webtransport", what),
  })),
  ...KINDS.map((kind): Scenario => ({
    name: `publish pipelined 1 KB ${kind}`,
    unit: "/s",
    better: "higher",
    target: { value: 50_000 },
    bare: () => bare.pipelined(kind),
    skein: () => skein.pipelined(kind),
  })),
  {
    name: "publish pipelined 1 KB webtransport",
    unit: "/s",
    better: "higher",
    target: { value: 50_000 },
    skein: () => skein.pipelined("webtransport"),
  },
  ...KINDS.map((kind): Scenario => ({
    name: `publish pipelined 64 KB ${kind}`,
    unit: "MB/s",
    better: "higher",
    target: { ratio: 0.6 },
    bare: () => bare.throughput(kind),
    skein: () => skein.throughput(kind),
  })),
  ...KINDS.map((kind): Scenario => ({
    name: `file upload ${kind}`,
    unit: "MB/s",
    better: "higher",
    target: { ratio: 0.5 },
    bare: () => bare.throughput(kind),
    skein: () => files.uploading(kind),
  })),
  // The other side of these is Skein without the upload.
  ...KINDS.map((kind): Scenario => ({
    name: `file upload beside chat, p99 of publish ${kind}`,
    unit: "us",
    better: "lower",
    target: { ratio: 3 },
    bare: () => files.chatting(kind, 0),
    skein: () => files.chatting(kind, 1),
  })),
  ...KINDS.flatMap((kind) =>
    [100, 1_000].map((subscribers): Scenario => ({
      name: `fan-out to ${subscribers} ${kind}`,
      unit: "/s",
      better: "higher",
      target: { ratio: 0.7 },
      bare: () => bare.fanOut(kind, subscribers),
      skein: () => skein.fanOut(kind, subscribers),
      ...(kind === "websocket" ? peersOf((peer) => peers.fanOut(peer, subscribers)) : {}),
    }))
  ),
  {
    // The bare side is raw QUIC: the runtime's own WebTransport server loses streams under load. Of a thousand sessions
    // of its client in one process some break.
    name: "fan-out to 100 webtransport",
    unit: "/s",
    better: "higher",
    target: { ratio: 0.7 },
    bare: () => bare.fanOut("quic", 100),
    skein: () => skein.fanOut("webtransport", 100),
  },
  ...KINDS.flatMap((kind) =>
    [100, 1_000].flatMap((subscribers): Scenario[] => [
      {
        name: `fan-out processor at saturation to ${subscribers} ${kind}`,
        unit: "us",
        better: "lower",
        target: { value: 0.7 },
        skein: () => fanOutCost(kind, subscribers, SATURATION),
      },
      {
        name: `fan-out processor at saturation, durable, to ${subscribers} ${kind}`,
        unit: "us",
        better: "lower",
        target: { value: 0.7 },
        skein: () => durableFanOutCost(kind, subscribers, SATURATION),
      },
      {
        name: `fan-out processor one at a time to ${subscribers} ${kind}`,
        unit: "us",
        better: "lower",
        skein: () => fanOutCost(kind, subscribers, { clients: 1, window: 1 }),
      },
    ])
  ),
  ...KINDS.flatMap((kind) =>
    IDLE_COUNTS.map((count): Scenario => ({
      name: `idle memory of ${count} ${kind}`,
      ...(count > 1_000 ? { slow: true } : {}),
      unit: "KB",
      better: "lower",
      target: { value: kind === "websocket" ? 40 : 90 },
      bare: async () => (await bare.idle(kind, count)).memory,
      skein: async () => (await skein.idle(kind, count)).memory,
      ...(kind === "websocket" && count === 1_000 ? peersOf((peer) => peers.idleMemory(peer, count)) : {}),
    }))
  ),
  {
    name: "idle memory of 1000 webtransport",
    unit: "KB",
    better: "lower",
    target: { value: 90 },
    bare: async () => (await bare.idle("quic", 1_000)).memory,
    skein: async () => (await skein.idle("webtransport", 1_000)).memory,
  },
  ...KINDS.map((kind): Scenario => ({
    name: `idle processor of ${IDLE_WATCHED[kind]} ${kind}`,
    unit: "%",
    better: "lower",
    // Of 10,000: 4 % and 8 %.
    target: { value: IDLE_WATCHED[kind] / 10_000 * (kind === "websocket" ? 4 : 8) },
    bare: async () => (await bare.idle(kind, IDLE_WATCHED[kind], WATCH)).processor,
    skein: async () => (await skein.idle(kind, IDLE_WATCHED[kind], WATCH)).processor,
  })),
  ...KINDS.map((kind): Scenario => ({
    name: `processor of a ping, of that of a publish ${kind}`,
    unit: "%",
    better: "lower",
    target: { value: 10 },
    skein: () => pingShare(kind),
  })),
  // The other side is the service with coalescing switched off.
  ...KINDS.map((kind): Scenario => ({
    name: `delivery one at a time, with and without coalescing ${kind}`,
    unit: "us",
    better: "lower",
    target: { ratio: 1.1 },
    bare: () => idleDelivery(kind, false),
    skein: () => idleDelivery(kind, true),
  })),
  ...LAYER_SCENARIOS,
  {
    name: "start to first message",
    unit: "ms",
    better: "lower",
    target: { value: 300 },
    bare: bare.start,
    skein: skein.start,
  },
  // The bare side of those that follow is the memory engine.
  ...KINDS.flatMap((kind): Scenario[] => [
    {
      name: `durable publish pipelined 1 KB ${kind}`,
      unit: "/s",
      better: "higher",
      target: { ratio: 0.5, value: 30_000 },
      bare: () => skein.pipelined(kind),
      skein: () => durable.durablePipelined(kind),
    },
    {
      name: `durable publish longer than in memory ${kind}`,
      unit: "us",
      better: "lower",
      target: { value: 2_000 },
      skein: () => durable.durableDelay(kind),
    },
  ]),
  {
    name: "durable history of 100 messages",
    unit: "us",
    better: "lower",
    target: { value: 1_000 },
    bare: () => durable.history("memory"),
    skein: () => durable.history("sqlite"),
  },
  {
    name: "durable resume of 10000 at the hub",
    unit: "/s",
    better: "higher",
    target: { value: 5_000 },
    bare: () => durable.resumeAtHub("memory"),
    skein: () => durable.resumeAtHub("sqlite"),
  },
  {
    name: "durable resume of 10000 websocket",
    slow: true,
    unit: "/s",
    better: "higher",
    target: { value: 5_000 },
    bare: () => durable.resume("memory"),
    skein: () => durable.resume("sqlite"),
  },
  {
    name: "durable start with 100000 channels",
    slow: true,
    unit: "ms",
    better: "lower",
    target: { value: 2_000 },
    skein: async () => ({ value: (await durable.startWith()).time }),
  },
  {
    name: "durable memory with 100000 channels",
    slow: true,
    unit: "KB",
    better: "lower",
    target: { value: 300_000 },
    skein: async () => ({ value: (await durable.startWith()).memory }),
  },
  ...QUIC_SCENARIOS,
  ...PEER_SCENARIOS,
  ...DOCUMENT_SCENARIOS,
  ...GROUP_SCENARIOS,
  ...CLIENT_SCENARIOS,
  ...API_SCENARIOS,
  ...FUNCTION_SCENARIOS,
  ...WEBHOOK_SCENARIOS,
];
