/**
 * Whether this machine can serve Skein as configured, and what to do when it cannot.
 *
 * @module
 */

import { createAuthenticator } from "../../auth/mod.ts";
import { makesCertificate } from "../certificates/settings.ts";
import type { Config } from "../config/mod.ts";
import { makesTokens, toAuthSettings } from "../tokens/settings.ts";
import { checkCertificate, checkDevelopment } from "./certificates.ts";
import { type Check, fail, type Finding, ok, perform, sentence } from "./check.ts";
import { checkDatabase } from "./database.ts";
import { checkQuicLoop, checkWebSocketLoop } from "./loops.ts";
import { checkTcp, checkUdp } from "./ports.ts";
import {
  judgeBuffer,
  judgeClock,
  judgeDescriptors,
  judgeRuntime,
  measureBuffer,
  measureDescriptors,
} from "./system.ts";

export type { Check } from "./check.ts";
export { formatDoctor } from "./format.ts";

/** What is checked. */
export interface DoctorOptions {
  readonly config: Config;
  /** Milliseconds since the epoch. @default Date.now() */
  readonly now?: number;
  /** Where procfs is mounted. @default "/proc" */
  readonly proc?: string;
  /** Milliseconds for one check. @default 10000 */
  readonly timeout?: number;
}

/** The results. */
export interface DoctorReport {
  readonly checks: readonly Check[];
  /** Nothing failed; there may be warnings. */
  readonly ok: boolean;
}

/**
 * Looks at runtime, clock, ports, certificates, keys, buffers and limits, and sends bytes through QUIC and a WebSocket on
 * loopback. Takes a second or less, changes nothing, and asks no host but that of `auth.jwks`. Never rejects.
 */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const { config, now = Date.now(), proc = "/proc", timeout = 10_000 } = options;
  const { http, quic, certificates, session } = config;
  const looks: [string, (signal: AbortSignal) => Finding | Promise<Finding>][] = [
    ["runtime", () => judgeRuntime(Deno.version.deno, typeof Deno.QuicEndpoint === "function")],
    ["clock", () => judgeClock(now)],
    ["HTTP port", () => checkTcp(http)],
  ];
  const { internal, tls } = http;
  if (internal !== null) looks.push(["internal port", () => checkTcp(internal)]);
  if (quic.enabled) {
    looks.push(
      ["QUIC port", () => checkUdp(quic)],
      ["UDP buffers", async (signal) => judgeBuffer(await measureBuffer(signal))],
      ["QUIC loop", checkQuicLoop],
    );
  } else {
    looks.push(["QUIC", () => ok("It is switched off (quic.enabled).")]);
  }
  looks.push(["WebSocket loop", checkWebSocketLoop]);
  const { cert, key } = quic;
  if (quic.enabled && cert !== null && key !== null) {
    const host = quic.publicUrl === null ? undefined : hostOf(quic.publicUrl);
    looks.push(["QUIC certificate", () => checkCertificate({ cert, key }, host, now)]);
  } else if (quic.enabled && makesCertificate(config)) {
    looks.push(["QUIC certificate", () => checkDevelopment(certificates.directory, now)]);
  }
  if (tls !== null) looks.push(["TLS certificate", () => checkCertificate(tls, undefined, now)]);
  looks.push(["token keys", () => checkKeys(config)]);
  looks.push(["messages", () => checkDatabase(config.engine)]);
  looks.push([
    "open files",
    async () =>
      judgeDescriptors(await measureDescriptors(proc, session.maxConnections), session.maxConnections),
  ]);

  const checks: Check[] = [];
  // One after the other: two checks that bind ports or use the processor would disturb each other.
  for (const [name, look] of looks) checks.push(await perform(name, timeout, look));
  return { checks, ok: checks.every(({ status }) => status !== "fail") };
}

async function checkKeys(config: Config): Promise<Finding> {
  if (makesTokens(config)) return ok("Development mode makes a key of its own at each start.");
  try {
    const authenticator = createAuthenticator(await toAuthSettings(config));
    try {
      await authenticator.prepare();
      const { jwks } = authenticator.status();
      if (jwks?.error !== undefined) {
        return fail(
          `The key set of auth.jwks.url cannot be had: ${jwks.error}.`,
          "Tokens signed with its keys are answered with not_available until it can.",
        );
      }
      const configured = config.auth.keys.length;
      return ok(`${configured} configured${jwks ? `, ${jwks.keys} of auth.jwks.url` : ""}.`);
    } finally {
      await authenticator.close();
    }
  } catch (error) {
    return fail(`${sentence(error)}.`, "Correct auth.keys; check-config says the same.");
  }
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}
