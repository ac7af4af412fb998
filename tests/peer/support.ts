/**
 * What the tests of peers share: signalling in memory, and peers on it.
 *
 * @module
 */

import {
  type MeetingServers,
  PeerError,
  type PeerId,
  PeerIdentity,
  PeerNode,
  type PeerNodeOptions,
  type Signal,
  type Signalling,
} from "../../src/peer/mod.ts";

/** Signalling between peers of one process. */
export class SignallingHub {
  /** What was sent, oldest first. */
  readonly sent: { from: PeerId; to: PeerId; signal: Signal }[] = [];
  servers: MeetingServers = { stun: [], turn: [], expiresIn: 3_600_000 };
  /** Changes or drops (`undefined`) what is sent. */
  filter: (signal: Signal, from: PeerId, to: PeerId) => Signal | undefined = (signal) => signal;
  readonly #listeners = new Map<PeerId, (from: PeerId, signal: Signal) => void>();

  /** The signalling of one peer. */
  of(id: PeerId): Signalling {
    return {
      send: (to, signal) => {
        const listener = this.#listeners.get(to);
        if (listener === undefined) return Promise.reject(new PeerError("peer_unreachable"));
        this.sent.push({ from: id, to, signal });
        const passed = this.filter(structuredClone(signal), id, to);
        if (passed !== undefined) queueMicrotask(() => listener(id, passed));
        return Promise.resolve();
      },
      onSignal: (listener) => void this.#listeners.set(id, listener),
      servers: () => Promise.resolve(this.servers),
    };
  }

  /** Opens a peer on it. */
  async peer(options: Partial<PeerNodeOptions> = {}): Promise<PeerNode> {
    const identity = options.identity ?? (await PeerIdentity.generate()).identity;
    return await PeerNode.open({ signalling: this.of(identity.id), ...options, identity });
  }
}
