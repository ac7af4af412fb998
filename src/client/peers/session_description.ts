/**
 * What peers say of a WebRTC session description (SDP, RFC 8866, 8839, 8841): the few fields that differ between two
 * descriptions of data channels alone. Pure.
 *
 * @module
 */

import { type Candidate, decodeBase64Url, encodeBase64Url, isAddress } from "../../peer/browser.ts";

/** What differs. All are base64url. */
export interface Described {
  /** ICE's name fragment and password. */
  readonly fragment: string;
  readonly password: string;
  /** SHA-256 of the DTLS certificate. */
  readonly certificate: string;
}

/** Bytes of a message that every browser sends and takes. */
const MAX_MESSAGE = 262_144;
const KINDS = { host: "host", srflx: "reflexive", relay: "relayed" } as const;
const TYPES = { host: "host", reflexive: "srflx", relayed: "relay" } as const;
/** RFC 8445 §5.1.2.2. */
const TYPE_PREFERENCES = { host: 126, reflexive: 100, relayed: 0 } as const;
const MDNS_NAME = /^[0-9a-f-]{36}\.local$/;

/** Reads a browser's own description. Throws TypeError when it is not as expected. */
export function readDescription(sdp: string): Described {
  const field = (name: string): string => {
    const value = new RegExp(`^a=${name}:(.*?)\\s*$`, "m").exec(sdp)?.[1];
    if (value === undefined) throw new TypeError(`a session description without ${name}`);
    return value;
  };
  const bytes = field("fingerprint").replace(/^sha-256 /i, "").split(":").map((byte) => parseInt(byte, 16));
  if (bytes.length !== 32 || bytes.some(Number.isNaN)) {
    throw new TypeError("a fingerprint that is not SHA-256");
  }
  return {
    fragment: toBase64Url(field("ice-ufrag")),
    password: toBase64Url(field("ice-pwd")),
    certificate: encodeBase64Url(Uint8Array.from(bytes)),
  };
}

/**
 * Writes the other side's description. @param setup `actpass` for an offer, `active` for an answer (RFC 8842 §5.2). The
 * fields are base64url: they cannot begin another line.
 */
export function writeDescription(
  { fragment, password, certificate }: Described,
  setup: "actpass" | "active",
): string {
  const bytes = [...decodeBase64Url(certificate)].map((byte) => byte.toString(16).padStart(2, "0"));
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    `a=ice-ufrag:${fromBase64Url(fragment)}`,
    `a=ice-pwd:${fromBase64Url(password)}`,
    "a=ice-options:trickle",
    `a=fingerprint:sha-256 ${bytes.join(":").toUpperCase()}`,
    `a=setup:${setup}`,
    "a=sctp-port:5000",
    `a=max-message-size:${MAX_MESSAGE}`,
  ];
  return lines.map((line) => `${line}\r\n`).join("");
}

/** Reads a browser's own candidate; undefined for one that is not sent: TCP, or of another form. */
export function readCandidate(line: string): Candidate | undefined {
  const [, protocol, hostname, port, type] = /^candidate:\S+ 1 (\S+) \d+ (\S+) (\d+) typ (\S+)/i.exec(line) ??
    [];
  if (protocol?.toLowerCase() !== "udp" || !Object.hasOwn(KINDS, type!)) return undefined;
  if (!isAddress(hostname!) && !MDNS_NAME.test(hostname!)) return undefined;
  return { kind: KINDS[type as keyof typeof KINDS], address: { hostname: hostname!, port: Number(port) } };
}

/** Writes a candidate of the other side; undefined: its address is neither an IP address nor a name of multicast DNS. */
export function writeCandidate({ kind, address: { hostname, port } }: Candidate): string | undefined {
  if (!isAddress(hostname) && !MDNS_NAME.test(hostname)) return undefined;
  const priority = TYPE_PREFERENCES[kind] * 2 ** 24 + 65_535 * 2 ** 8 + 255;
  const related = kind === "host" ? "" : " raddr 0.0.0.0 rport 0";
  return `candidate:${TYPE_PREFERENCES[kind]} 1 udp ${priority} ${hostname} ${port} typ ${
    TYPES[kind]
  }${related}`;
}

// ICE's characters are those of base64, and signals have those of base64url.
function toBase64Url(text: string): string {
  return text.replaceAll("+", "-").replaceAll("/", "_");
}

function fromBase64Url(text: string): string {
  return text.replaceAll("-", "+").replaceAll("_", "/");
}
