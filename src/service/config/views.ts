/**
 * The configuration as the rooms of the service want it.
 *
 * @module
 */

import type { AuthSettings, KeySettings } from "../../auth/mod.ts";
import type { DocumentLimits } from "../../handlers/mod.ts";
import type { FileLimits } from "../../files/mod.ts";
import type { NamespaceLookup, NamespaceSettings } from "../../hub/settings.ts";
import type { SessionSettings } from "../../session/contract.ts";
import type { HttpSettings } from "../http/deps.ts";
import { readMaterial, readSecret } from "./material.ts";
import type { Config } from "./schema/mod.ts";

/** The settings of sessions. */
export function toSessionSettings(config: Config): SessionSettings {
  return { ...config.session, maxStreams: config.quic.maxStreams };
}

/** The settings of the HTTP app. */
export function toHttpSettings(config: Config): HttpSettings {
  return {
    development: config.env === "development",
    allowedOrigins: config.http.allowedOrigins,
    apiKeys: config.api.keys,
    internal: config.http.internal !== null,
    metricsPublic: config.metrics.public,
    adminEnabled: config.admin.enabled,
  };
}

/**
 * The settings of token checks, with keys read from their files. Without keys (development mode) the list
 * is empty, and the caller adds one of its own. Rejects with MaterialError for a file that cannot be read.
 */
export async function toAuthSettings(config: Config): Promise<AuthSettings> {
  const { auth } = config;
  const keys = await Promise.all(auth.keys.map(async (key, index): Promise<KeySettings> => {
    const at = `auth.keys.${index}`, kid = key.kid;
    if (key.alg === "HS256") {
      const secret = key.secret ?? await readSecret(key.secretFile ?? "", `${at}.secretFile`);
      return { alg: key.alg, kid, secret };
    }
    return { alg: key.alg, kid, publicKey: await readMaterial(key.publicKey ?? "", `${at}.publicKey`) };
  }));
  const { jwks } = auth;
  return {
    keys,
    jwks: jwks === null ? undefined : {
      url: jwks.url,
      algorithms: jwks.algorithms,
      cacheTime: jwks.cacheTime,
      cooldown: jwks.cooldown,
      timeout: jwks.timeout,
    },
    issuer: auth.issuer,
    audience: auth.audience,
    clockTolerance: auth.clockTolerance,
    requireExpiry: auth.requireExpiry,
    defaultChannels: auth.defaultChannels,
    defaultRights: auth.defaultRights,
  };
}

/** The limits of documents. */
export function toDocumentLimits({ documents }: Config): DocumentLimits {
  return documents;
}

/** The limits of files. */
export function toFileLimits(files: Config["files"]): FileLimits {
  return { ...files, quota: { files: files.userFiles, bytes: files.userBytes } };
}

/** The settings of channels by namespace; what has no entry behaves as `default` says. */
export function namespaceLookup(config: Config): NamespaceLookup {
  const known = new Map<string, NamespaceSettings>();
  for (
    const [name, { historySize, historyAge, maxSubscribers, ...others }] of Object.entries(config.namespaces)
  ) {
    known.set(name, {
      ...others,
      maxSubscribers: maxSubscribers === 0 ? Infinity : maxSubscribers,
      retention: { size: historySize, age: historyAge },
    });
  }
  return (namespace) => known.get(namespace) ?? known.get("default");
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
