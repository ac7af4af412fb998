/**
 * What other rooms want to know of a configuration.
 *
 * @module
 */

import type { SessionSettings } from "../../session/contract.ts";
import type { Config, Namespace } from "./schema/mod.ts";

/** The settings of sessions. */
export function toSessionSettings(config: Config): SessionSettings {
  return { ...config.session, maxStreams: config.quic.maxStreams };
}

/** How channels of a namespace behave: its own settings or the default ones. */
export function namespaceSettings(config: Config, namespace: string): Namespace {
  return config.namespaces[namespace] ?? config.namespaces.default;
}

/**
 * Whether the service makes tokens itself (`POST /dev/token`) with a secret it forgets at its end: in
 * development mode, as long as no keys are configured.
 */
export function developmentTokens(config: Config): boolean {
  return config.env === "development" && config.auth.keys.length === 0 && config.auth.jwks === null;
}

/** Whether the service makes a certificate for QUIC itself: in development mode, as long as none is configured. */
export function developmentCertificate(config: Config): boolean {
  return config.env === "development" && config.quic.cert === null;
}
