/**
 * Options of a listener: defaults and checks.
 *
 * @module
 */

import type { ListenOptions } from "./types.ts";

/** Everything but the callbacks, filled in. */
export type Settings =
  & Required<
    Pick<
      ListenOptions,
      | "hostname"
      | "port"
      | "cert"
      | "key"
      | "alpn"
      | "webtransport"
      | "zeroRtt"
      | "maxBidirectionalStreams"
      | "maxUnidirectionalStreams"
      | "maxIdleTimeout"
      | "congestionControl"
      | "headerTimeout"
      | "maxPendingConnections"
      | "maxRequestBody"
      | "admit"
    >
  >
  & Pick<ListenOptions, "keepAliveInterval" | "admitAddress" | "admitConnection" | "onRequest" | "onError">;

const DEFAULTS = {
  hostname: "::",
  port: 0,
  alpn: ["skein/1"],
  webtransport: "skein",
  zeroRtt: true,
  maxBidirectionalStreams: 100,
  maxUnidirectionalStreams: 100,
  maxIdleTimeout: 30_000,
  congestionControl: "default",
  headerTimeout: 5_000,
  maxPendingConnections: 1_024,
  maxRequestBody: 64 * 1024 * 1024,
  admit: () => ({ accept: true }),
} as const satisfies Partial<ListenOptions>;

/** Fills in the defaults. Throws RangeError and TypeError that name the option and its value. */
export function settle(options: ListenOptions): Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings: Settings = { ...DEFAULTS, ...given as unknown as ListenOptions & Pick<Settings, never> };
  const whole = (name: keyof Settings, least: number, most = 2 ** 31 - 1): void => {
    const value = settings[name] as number;
    if (Number.isInteger(value) && value >= least && value <= most) return;
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}, not ${value}`);
  };
  whole("port", 0, 65535);
  whole("maxBidirectionalStreams", 1);
  // Clients of HTTP/3 open a control stream and two for QPACK before any of their own.
  whole("maxUnidirectionalStreams", 3);
  whole("maxIdleTimeout", 1);
  whole("headerTimeout", 1);
  whole("maxPendingConnections", 1);
  whole("maxRequestBody", 0, Number.MAX_SAFE_INTEGER);
  if (settings.keepAliveInterval !== undefined) whole("keepAliveInterval", 1);
  for (const alpn of settings.alpn) {
    if (alpn === "" || alpn === "h3") throw new TypeError(`not an ALPN of raw QUIC: "${alpn}"`);
  }
  return settings;
}

/** What the QUIC stack is told of a new connection. Deno takes these as a whole. */
export function transportOptions(settings: Settings): Deno.QuicServerTransportOptions {
  return {
    maxIdleTimeout: settings.maxIdleTimeout,
    maxConcurrentBidirectionalStreams: settings.maxBidirectionalStreams,
    maxConcurrentUnidirectionalStreams: settings.maxUnidirectionalStreams,
    congestionControl: settings.congestionControl,
    ...(settings.keepAliveInterval === undefined ? {} : { keepAliveInterval: settings.keepAliveInterval }),
  };
}
