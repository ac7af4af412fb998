/**
 * Rules between settings, and between a setting and the mode the service runs in.
 *
 * @module
 */

import { jwksUrlProblem } from "../../auth/jwks_url.ts";
import type { Config } from "./schema/mod.ts";
import { formatDuration, formatSize } from "./units.ts";

/** A broken rule. */
export interface Violation {
  /** The key the problem is reported at. */
  readonly key: string;
  readonly message: string;
  /** All keys the rule looked at. When one of them is wrong in itself the rule says nothing. */
  readonly keys: readonly string[];
}

type Report = (key: string, message: string, ...others: string[]) => void;

function certificates(config: Config, report: Report): void {
  const { cert, key } = config.quic;
  if (cert !== null && key === null) {
    report("quic.cert", "given without quic.key; both or neither", "quic.key");
  }
  if (key !== null && cert === null) {
    report("quic.key", "given without quic.cert; both or neither", "quic.cert");
  }
}

function timing({ session, quic, engine }: Config, report: Report): void {
  const { interval, timeout } = session.heartbeat;
  if (interval >= timeout) {
    report(
      "session.heartbeat.interval",
      `${formatDuration(interval)} is not less than session.heartbeat.timeout (${formatDuration(timeout)})`,
      "session.heartbeat.timeout",
    );
  }
  if (quic.maxIdleTimeout <= interval) {
    report(
      "quic.maxIdleTimeout",
      `${formatDuration(quic.maxIdleTimeout)} is not more than session.heartbeat.interval (${
        formatDuration(interval)
      }): idle clients would be cut`,
      "session.heartbeat.interval",
    );
  }
  if (quic.keepAliveInterval !== null && quic.keepAliveInterval >= quic.maxIdleTimeout) {
    report(
      "quic.keepAliveInterval",
      `${formatDuration(quic.keepAliveInterval)} is not less than quic.maxIdleTimeout (${
        formatDuration(quic.maxIdleTimeout)
      })`,
      "quic.maxIdleTimeout",
    );
  }
  if (engine.dedupeWindow < session.resumeWindow) {
    report(
      "engine.dedupeWindow",
      `${formatDuration(engine.dedupeWindow)} is less than session.resumeWindow (${
        formatDuration(session.resumeWindow)
      }): what a resumed client sends again could be published twice`,
      "session.resumeWindow",
    );
  }
}

function bounds({ session, quic }: Config, report: Report): void {
  if (session.maxOutbox < session.maxMessage) {
    report(
      "session.maxOutbox",
      `${formatSize(session.maxOutbox)} is less than session.maxMessage (${formatSize(session.maxMessage)})`,
      "session.maxMessage",
    );
  }
  if (session.preAuth.maxStreams > quic.maxStreams) {
    report(
      "session.preAuth.maxStreams",
      `${session.preAuth.maxStreams} is more than quic.maxStreams (${quic.maxStreams})`,
      "quic.maxStreams",
    );
  }
  for (const whose of ["connection", "user"] as const) {
    const rate = session.rates[whose], group = `session.rates.${whose}`;
    if (rate.messagesPerSecond > 0 && rate.messageBurst === 0) {
      report(
        `${group}.messageBurst`,
        `0 lets no message through; must be 1 or more`,
        `${group}.messagesPerSecond`,
      );
    }
    if (rate.bytesPerSecond > 0 && rate.byteBurst < session.maxMessage) {
      report(
        `${group}.byteBurst`,
        `${formatSize(rate.byteBurst)} is less than session.maxMessage (${
          formatSize(session.maxMessage)
        }): the largest message could never pass`,
        `${group}.bytesPerSecond`,
        "session.maxMessage",
      );
    }
  }
}

function files({ files }: Config, report: Report): void {
  if (files.userBytes < files.maxSize) {
    report(
      "files.userBytes",
      `${formatSize(files.userBytes)} is less than files.maxSize (${
        formatSize(files.maxSize)
      }): the largest file could never be kept`,
      "files.maxSize",
    );
  }
}

function listeners({ http }: Config, report: Report): void {
  const { internal } = http;
  if (internal !== null && internal.port !== 0 && internal.port === http.port) {
    report("http.internal.port", `${internal.port} is http.port too; must be another`, "http.port");
  }
}

/** RFC 7518 §3.2: an HMAC key is at least as long as the hash. */
const SECRET_BYTES = 32;

function keys({ auth }: Config, report: Report): void {
  auth.keys.forEach((key, index) => {
    const at = `auth.keys.${index}`;
    if (key.alg === "HS256") {
      if ((key.secret === undefined) === (key.secretFile === undefined)) {
        report(at, "must have secret or secretFile, and not both, for HS256");
      } else if (key.secret !== undefined && new TextEncoder().encode(key.secret).length < SECRET_BYTES) {
        report(`${at}.secret`, `<redacted> is too short; must be ${SECRET_BYTES} bytes or more`);
      }
      if (key.publicKey !== undefined) report(`${at}.publicKey`, "not allowed for HS256, which has a secret");
    } else {
      if (key.publicKey === undefined) report(at, `must have publicKey for ${key.alg}`);
      if (key.secret !== undefined || key.secretFile !== undefined) {
        report(at, `secret and secretFile are not allowed for ${key.alg}, which has a publicKey`);
      }
    }
  });
  const problem = auth.jwks === null ? undefined : jwksUrlProblem(auth.jwks.url);
  if (problem !== undefined) report("auth.jwks.url", problem);
}

function production(config: Config, mode: string | undefined, report: Report): void {
  if (mode === "production" && config.env !== "production") {
    report("env", `"${config.env}" is refused because SKEIN_ENV=production`);
    return;
  }
  if (config.env !== "production") return;
  if (config.auth.keys.length === 0 && config.auth.jwks === null) {
    report("auth.keys", "no keys; production must have auth.keys or auth.jwks", "auth.jwks", "env");
  }
  if (config.quic.enabled && config.quic.cert === null && config.quic.key === null) {
    report(
      "quic.cert",
      "no certificate; production must have quic.cert and quic.key, or quic.enabled false",
      "quic.key",
      "quic.enabled",
      "env",
    );
  }
}

/**
 * Every broken rule. `mode` is the variable SKEIN_ENV as the process got it: where it says production,
 * neither file nor flag may switch to development.
 */
export function violations(config: Config, mode: string | undefined): readonly Violation[] {
  const found: Violation[] = [];
  const report: Report = (key, message, ...others) => found.push({ key, message, keys: [key, ...others] });
  certificates(config, report);
  timing(config, report);
  bounds(config, report);
  files(config, report);
  listeners(config, report);
  keys(config, report);
  production(config, mode, report);
  return found;
}
