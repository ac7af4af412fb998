/**
 * What `skein peer doctor` has found, in people's words. Pure.
 *
 * @module
 */

import {
  type Discovery,
  type NatBehaviour,
  type NatType,
  natType,
  type PeerId,
  predictPath,
  type ServerProbe,
} from "../../../peer/mod.ts";
import { describeTime } from "./display.ts";

/** What was found. */
export interface Diagnosis {
  readonly peer: string;
  /** Undefined: it was not asked, or is away. */
  readonly service: {
    readonly url: string;
    readonly transport: string;
    readonly user: string;
    /** Milliseconds it took to connect. */
    readonly ms: number;
  } | undefined;
  /** `not asked`: the service names no STUN server. Undefined: none answers over UDP. */
  readonly nat: Discovery | "not asked" | undefined;
  readonly servers: readonly ServerProbe[];
  /** Peers that were met, the last one first; when, in milliseconds since the epoch, and how many ago. */
  readonly known: readonly { readonly id: PeerId; readonly metAt: number; readonly ago: number }[];
  /** Those on the local network; undefined: it was not asked for. */
  readonly local: readonly PeerId[] | undefined;
}

/** Known peers that are listed. */
const MAX_LISTED = 10;

const WORDS: Record<NatType, string> = {
  open: "none: this machine has an address of its own on the internet, and lets packets in.",
  "full cone": "full cone: one outside port for all, and anybody may send to it. Peers reach it easily.",
  "restricted cone":
    "restricted cone: one outside port for all, open to machines it has sent to. Good for direct paths.",
  "port-restricted cone":
    "port-restricted cone: one outside port for all, open to exactly the ports it has sent to.\n" +
    "The usual home router: direct paths to all but symmetric NATs.",
  symmetric: "symmetric: another outside port for each destination, so nobody can know it in advance.\n" +
    "Usual in mobile networks and companies: often only a TURN server helps.",
  "udp blocked": "UDP is blocked: no STUN server answers. Only TURN over TCP or TLS gets through.",
  unknown: "not known: the STUN servers have one address only, and two are needed to tell (RFC 5780).",
};

/** The kinds of NAT that other peers may be behind. */
const OTHERS: readonly (readonly [name: string, behaviour: NatBehaviour | undefined])[] = [
  ["without a NAT", { mapping: "none", filtering: "none" }],
  ["full cone", { mapping: "endpoint_independent", filtering: "endpoint_independent" }],
  ["restricted cone", { mapping: "endpoint_independent", filtering: "address" }],
  ["port-restricted cone", { mapping: "endpoint_independent", filtering: "address_and_port" }],
  ["symmetric", { mapping: "address_and_port", filtering: "address_and_port" }],
  ["UDP blocked", undefined],
];

/** Whether peers outside this network can be reached in some way. */
export function isGood({ nat, servers }: Diagnosis): boolean {
  return (nat !== undefined && nat !== "not asked") || hasRelay(servers);
}

/** The report for people. */
export function formatDiagnosis(diagnosis: Diagnosis): string {
  const { peer, service } = diagnosis;
  const lines = [
    ...row("Service", serviceWords(service)),
    ...row("This peer", peer),
    ...(service === undefined ? [] : wayRows(diagnosis)),
    ...peerRows(diagnosis),
    ...(service === undefined ? [] : advice(diagnosis)),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** The way to peers outside this network, as far as the service names servers. */
function wayRows(diagnosis: Diagnosis): string[] {
  const { nat, servers } = diagnosis;
  return [
    "",
    ...row("NAT", natWords(nat)),
    ...(typeof nat === "object" ? row("", `Seen from outside as ${nat.mapped.hostname}`) : []),
    "",
    ...serverRows(servers),
    "",
    "Expected path to a peer that is",
    ...OTHERS.map(([name, other]) => `  ${name.padEnd(24)}${expectation(diagnosis, other)}`),
    `  ${"in this network".padEnd(24)}direct`,
  ];
}

function serviceWords(service: Diagnosis["service"]): string {
  if (service === undefined) return "none: peers are found on the local network, and where they were met";
  const { url, transport, user, ms } = service;
  return `${url}, by ${transport}, as ${user}, connected in ${time(ms)}`;
}

/** The peers that can be found without the service. */
function peerRows({ known, local }: Diagnosis): string[] {
  const met = known.slice(0, MAX_LISTED).map(({ id, ago }) => `${id}  ${describeTime(ago)} ago`);
  if (known.length > MAX_LISTED) met.push(`and ${known.length - MAX_LISTED} more`);
  return [
    "",
    ...row("Peers met", met.length === 0 ? "none yet" : met.join("\n")),
    ...(local === undefined
      ? []
      : row("Nearby", local.length === 0 ? "no peer answers on this network" : local.join("\n"))),
  ];
}

function natWords(nat: Diagnosis["nat"]): string {
  if (nat === "not asked") return "not known: the service names no STUN server.";
  return WORDS[natType(nat?.behaviour)];
}

function serverRows(servers: readonly ServerProbe[]): string[] {
  if (servers.length === 0) return row("Servers", "none: the service names neither STUN nor TURN servers.");
  const width = Math.max(...servers.map(({ url }) => url.length)) + 2;
  return servers.flatMap(({ url, transport, ms, address, error }, i) => {
    const result = address === undefined
      ? `FAILS  ${error?.message ?? "no answer"}`
      : `ok     ${time(ms!)}, ${url.startsWith("stun") ? "sees" : "relays from"} ${address.hostname}`;
    return row(i === 0 ? "Servers" : "", `${url.padEnd(width)}${transport.toUpperCase().padEnd(5)}${result}`);
  });
}

function expectation({ nat, servers }: Diagnosis, other: NatBehaviour | undefined): string {
  const relayed = hasRelay(servers) ? "relayed" : "none: it takes a TURN server";
  if (nat === "not asked") {
    return hasRelay(servers) ? "not known, at least relayed" : "not known, and there is no relay";
  }
  // Without UDP on one side nothing but TURN over TCP or TLS gets through.
  if (nat === undefined || other === undefined) return relayed;
  const prediction = predictPath(nat.behaviour, other);
  if (prediction === "unknown") return hasRelay(servers) ? "direct or relayed" : "direct, or none";
  if (prediction === "relayed") return relayed;
  return other.mapping === "none" ? "direct" : "direct, through holes in the NATs (punched)";
}

function advice({ servers, nat }: Diagnosis): string[] {
  const said: string[] = [];
  if (nat === "not asked") {
    said.push("Peers outside this network need STUN: the service's operator sets peers.stun.");
  }
  if (!servers.some(({ url }) => url.startsWith("turn"))) {
    said.push("Without a TURN server some pairs find no path: the service's operator sets peers.turn.");
  } else if (!hasRelay(servers)) {
    said.push(
      "No TURN server gives a relay: see the errors above; deploy/README.md tells how to set one up.",
    );
  }
  return said.length === 0 ? [] : ["", ...said];
}

function hasRelay(servers: readonly ServerProbe[]): boolean {
  return servers.some(({ url, address }) => url.startsWith("turn") && address !== undefined);
}

function time(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

function row(name: string, text: string): string[] {
  return text.split("\n").map((line, i) => `${(i === 0 ? name : "").padEnd(12)}${line}`);
}
