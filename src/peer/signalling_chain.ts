/**
 * Several ways of signalling as one: the first that reaches the peer is taken.
 *
 * @module
 */

import { PeerError } from "./errors.ts";
import type { MeetingServers, Signal, Signalling } from "./ports.ts";

/** Tries each in order: the next one where the one before does not reach the peer. Servers are those of the first. */
export function firstOf(...ways: readonly [Signalling, ...Signalling[]]): Signalling {
  return {
    async send(to: string, signal: Signal): Promise<void> {
      let failure: unknown;
      for (const way of ways) {
        try {
          return await way.send(to, signal);
        } catch (error) {
          if (!(error instanceof PeerError) || error.code !== "peer_unreachable") throw error;
          failure ??= error;
        }
      }
      throw failure;
    },
    onSignal(listener: (from: string, signal: Signal) => void): void {
      for (const way of ways) way.onSignal(listener);
    },
    async servers(): Promise<MeetingServers> {
      for (const way of ways) {
        try {
          return await way.servers();
        } catch { /* The service is away: the next way does without. */ }
      }
      throw new PeerError("peer_unreachable");
    },
  };
}
