/**
 * Peers as a module: STUN and TURN servers for clients, and what clients say of their attempts.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import type { PeerService } from "../../handlers/mod.ts";
import type { PeerRelayCredentialsResponse, PeerReport } from "../../protocol/mod.ts";
import type { Config } from "../config/mod.ts";
import { Histogram } from "../metrics/histogram.ts";
import { counters, histograms, type Series } from "../metrics/series.ts";
import type { Module } from "../module.ts";
import { turnSecret } from "./settings.ts";

/** Seconds; a direct path takes some tens of milliseconds, a relayed one under a second and a half. */
const BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 30] as const;
const MINUTE = 60_000;

/** Knows the servers; follows `peers`. */
export class PeersModule implements Module, PeerService {
  readonly name = "peers";
  readonly keys = ["peers"] as const;
  readonly series: readonly Series[];
  readonly #attempts = new Map<string, number>();
  readonly #durations = new Map<string, Histogram>();
  readonly #now: () => number;
  #config: Config["peers"] | undefined;
  #secret: string | undefined;
  #credentials = 0;

  /** @param now Milliseconds since the epoch. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.series = [
      counters(
        "skein_peer_attempts_total",
        "Attempts of clients to connect to each other, by what they reported.",
        ["outcome", "path"],
        () => [...this.#attempts].map(([labels, count]) => [labels.split(" "), count]),
      ),
      histograms(
        "skein_peer_connect_seconds",
        "Time until peers were connected, by the path they found.",
        ["path"],
        BOUNDS,
        () => [...this.#durations].map(([path, histogram]) => [[path], histogram]),
      ),
      counters(
        "skein_peer_credentials_total",
        "TURN credentials made for clients.",
        [],
        () => [[[], this.#credentials]],
      ),
    ];
  }

  async start(config: Config): Promise<void> {
    await this.apply(config);
  }

  async apply(config: Config): Promise<void> {
    this.#secret = await turnSecret(config);
    this.#config = config.peers;
  }

  /**
   * The servers for a session. The user name of a TURN server is the end of the credential in seconds since the epoch and
   * the session, the credential an HMAC of it: what coturn calls the TURN REST API.
   */
  servers(sessionId: string): PeerRelayCredentialsResponse {
    const { stun = [], turn = [], credentialLifetime = 60 * MINUTE } = this.#config ?? {};
    const expiresIn = credentialLifetime;
    if (this.#secret === undefined) return { stun: [...stun], turn: [], expiresIn };
    this.#credentials++;
    const username = `${Math.floor((this.#now() + credentialLifetime) / 1000)}:${sessionId}`;
    const credential = createHmac("sha1", this.#secret).update(username).digest("base64");
    return { stun: [...stun], turn: turn.map((url) => ({ url, username, credential })), expiresIn };
  }

  report({ outcome, path, duration }: PeerReport): void {
    const labels = `${outcome} ${path}`;
    this.#attempts.set(labels, (this.#attempts.get(labels) ?? 0) + 1);
    if (outcome !== "connected") return;
    const histogram = this.#durations.get(path) ?? new Histogram(BOUNDS);
    this.#durations.set(path, histogram);
    histogram.observe(duration / 1000);
  }
}
