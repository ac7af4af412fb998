/**
 * A network in memory, and agents on it: what comes when is decided by a clock moved by hand.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Address, sameAddress } from "../../src/peer/address.ts";
import { IceAgent } from "../../src/peer/ice_agent.ts";
import type { LocalSocket } from "../../src/peer/ice_types.ts";
import { Pacer } from "../../src/peer/pacer.ts";
import type { Path } from "../../src/peer/path.ts";
import type { DatagramListener, DatagramSocket } from "../../src/peer/ports.ts";
import { hasFingerprint } from "../../src/peer/stun/integrity.ts";
import { decodeStun } from "../../src/peer/stun/message.ts";
import { type PendingRequests, Transactions } from "../../src/peer/stun/transactions.ts";
import type { FakeClock } from "../support/clock.ts";

/** Passes datagrams between sockets, after `delay` ms, unless `drops` says so. */
export class Net {
  delay = 10;
  drops: (from: Address, to: Address) => boolean = () => false;
  /** Packets that left, by destination. */
  readonly sent: { at: number; from: Address; to: Address }[] = [];
  readonly #listeners: { address: Address; listener: DatagramListener }[] = [];
  readonly clock: FakeClock;

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  socket(hostname: string, port = 1): DatagramSocket {
    const address = { hostname, port };
    return {
      address,
      send: (bytes, to) => {
        this.sent.push({ at: this.clock.now(), from: address, to: { ...to } });
        if (this.drops(address, to)) return;
        const copy = bytes.slice();
        this.clock.after(this.delay, () => {
          void this.#listeners.find((one) => sameAddress(one.address, to))?.listener(copy, address);
        });
      },
      onDatagram: (listener) => void this.#listeners.push({ address, listener }),
      close: () => {},
    };
  }
}

/** An agent, and what it is told and tells. */
export interface TestAgent {
  readonly agent: IceAgent;
  /** The paths it has told of. */
  readonly paths: (Path | undefined)[];
  /** The paths on which the peer has said that it hears nothing. */
  readonly silences: Path[];
  /** The path has changed. */
  onPath: () => void;
  /** The peer has said on `path` that it hears nothing. */
  onSilence: (path: Path) => void;
  /** The path in use answers again. */
  onRevived: () => void;
  /** What comes besides checks. */
  onData: (bytes: Uint8Array, path: Path | undefined) => void;
  /** Checks leave from this socket too. */
  listen(socket: DatagramSocket, relayed?: boolean, permit?: LocalSocket["permit"]): void;
}

/** An agent on sockets of its own. */
export function agent(net: Net, name: string, ...sockets: DatagramSocket[]): TestAgent {
  const pending: PendingRequests = new Map();
  const transactions = new Transactions(net.clock, pending);
  const paths: (Path | undefined)[] = [], silences: Path[] = [];
  const made = new IceAgent({
    local: { fragment: `${name}-fragment`, password: `${name}-password-password` },
    clock: net.clock,
    pending,
    pacer: new Pacer(),
    onPath: (path) => {
      paths.push(path);
      told.onPath();
    },
    onRevived: () => told.onRevived(),
    onSilence: (path) => {
      silences.push(path);
      told.onSilence(path);
    },
  });
  const listen: TestAgent["listen"] = (socket, relayed = false, permit = undefined) => {
    socket.onDatagram((bytes, from) => {
      const message = decodeStun(bytes);
      if (message === undefined) {
        const path = made.paths.find((one) => one.socket === socket && sameAddress(one.remote, from));
        return told.onData(bytes, path);
      }
      assert.ok(hasFingerprint(message));
      if (message.class !== "request") return void transactions.take(message);
      const answer = made.answer(message, socket, from);
      if (answer !== undefined) void socket.send(answer, from);
    });
    made.addSocket({ socket, relayed, ...permit && { permit } });
  };
  const told: TestAgent = {
    agent: made,
    paths,
    silences,
    onPath() {},
    onSilence() {},
    onRevived() {},
    onData() {},
    listen,
  };
  for (const socket of sockets) listen(socket);
  return told;
}
