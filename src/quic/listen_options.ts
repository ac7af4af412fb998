/**
 * Options of a listener: defaults and checks.
 *
 * @module
 */

import type { ListenOptions } from "./server_types.ts";

const DEFAULTS = {
  port: 0,
  alpn: ["skein/1"],
  webtransport: "skein",
  zeroRtt: false,
  maxConnections: Infinity,
  maxBidirectionalStreams: 100,
  maxUnidirectionalStreams: 100,
  maxIdleTimeout: 30_000,
  congestionControl: "default",
  handshakeTimeout: 3_000,
  headerTimeout: 5_000,
  maxPendingConnections: 1_024,
  maxRequestBody: 64 * 1024 * 1024,
  admit: () => ({ accept: true }),
} as const satisfies Partial<ListenOptions>;

/** All options, those with a default filled in. */
export type Settings = ListenOptions & Required<Pick<ListenOptions, keyof typeof DEFAULTS>>;

/** The CONNECT request of a WebTransport session takes one bidirectional stream for itself. */
const CONNECT_STREAMS = 1;
/** HTTP/3 takes three unidirectional streams for itself: control, and two for QPACK. */
const CONTROL_STREAMS = 3;
const MOST = 2 ** 31 - 1;

/** Fills in the defaults. Throws RangeError and TypeError that name the option and its value. */
export function settle(options: ListenOptions): Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings: Settings = { ...DEFAULTS, ...given as unknown as ListenOptions };
  const whole = (name: keyof Settings, least: number, most = MOST): void => {
    const value = settings[name] as number;
    if (Number.isInteger(value) && value >= least && value <= most) return;
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}, not ${value}`);
  };
  whole("port", 0, 65535);
  whole("maxBidirectionalStreams", 1);
  whole("maxUnidirectionalStreams", 1);
  whole("maxIdleTimeout", 1);
  whole("handshakeTimeout", 1);
  whole("headerTimeout", 1);
  whole("maxPendingConnections", 1);
  whole("maxRequestBody", 0, Number.MAX_SAFE_INTEGER);
  if (settings.maxConnections !== Infinity) whole("maxConnections", 1);
  if (settings.keepAliveInterval !== undefined) whole("keepAliveInterval", 1);
  for (const alpn of settings.alpn) {
    if (alpn === "" || alpn === "h3") throw new TypeError(`not an ALPN of raw QUIC: "${alpn}"`);
  }
  return settings;
}

/**
 * What the QUIC stack is told of a new connection. Deno takes these as a whole and before it is known whether the
 * connection is raw QUIC, so the streams HTTP/3 needs are allowed to all; see `RawConnectionOptions.limits`.
 */
export function transportOptions(settings: Settings): Deno.QuicServerTransportOptions {
  return {
    maxIdleTimeout: settings.maxIdleTimeout,
    maxConcurrentBidirectionalStreams: settings.maxBidirectionalStreams + CONNECT_STREAMS,
    maxConcurrentUnidirectionalStreams: settings.maxUnidirectionalStreams + CONTROL_STREAMS,
    congestionControl: settings.congestionControl,
    ...(settings.keepAliveInterval === undefined ? {} : { keepAliveInterval: settings.keepAliveInterval }),
  };
}
