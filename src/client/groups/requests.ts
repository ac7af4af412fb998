/**
 * Devices that ask to be let in, and members that ask to be let out. Any member may do it; they wait a random while, so
 * that mostly one of them does.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { ownCopy, toBase64Url } from "./encoding.ts";
import type { Suite } from "./identity.ts";
import type { Wish } from "./intents.ts";
import type { Leaf } from "./membership.ts";
import { type CheckedPackage, readPackage } from "./packages.ts";

/** A device that asks to be let in. */
export interface AdmissionRequest {
  readonly user: string;
  /** The device's public key in base64url. */
  readonly device: string;
}

/** What requests need of the group. */
export interface RequestsPort {
  readonly suite: Suite;
  readonly clock: Clock;
  /** The devices in the group; empty when this one is not in it. */
  leaves(): Leaf[];
  /** Has it done. */
  wish(wish: Wish): void;
  /** A device of somebody who is in the group asks, and the application has to decide. */
  asked(request: AdmissionRequest): void;
}

/** Milliseconds over which members spread who does it. */
const SPREAD = 1500;
/** Requests that are open, and that are remembered not to be played again. */
const MAX_OPEN = 64, MAX_HANDLED = 1024;

/** What others have asked for and nobody has done yet. */
export class Requests {
  readonly #port: RequestsPort;
  readonly #open = new Map<string, CheckedPackage>();
  readonly #planned = new Map<string, () => void>();
  readonly #handled: Set<string>;

  /** `handled`: names of requests from before a restart. */
  constructor(port: RequestsPort, handled: readonly string[] = []) {
    this.#port = port;
    this.#handled = new Set(handled);
  }

  /** Names of what was asked, for the storage. */
  get handled(): string[] {
    return [...this.#handled];
  }

  /** A device asks with a key package. Rejects with SkeinError `bad_payload` when it is none. */
  async request(bytes: Uint8Array): Promise<void> {
    const name = toBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", ownCopy(bytes))));
    if (this.#handled.has(name)) return;
    const { suite, clock } = this.#port;
    const checked = await readPackage(suite, bytes, clock.wall());
    remember(this.#handled, name, MAX_HANDLED);
    const { user, device } = checked;
    if (device === suite.identity.device) return;
    // The oldest gives way: who may write to the log could otherwise ask so often that nobody else can for ever.
    this.#open.delete(device);
    if (this.#open.size >= MAX_OPEN) this.#open.delete(this.#open.keys().next().value!);
    this.#open.set(device, checked);
    const leaves = this.#port.leaves();
    const leaf = leaves.find((each) => each.device === device);
    // The service could name any device a user's: only one that is in already is let in without a question.
    if (leaf === undefined) {
      if (leaves.some((each) => each.user === user)) this.#port.asked({ user, device });
    } else if (leaf.user === user) {
      this.#plan(device, () => {
        if (this.#open.get(device) === checked) this.#port.wish({ add: [checked], anew: true });
      });
    }
  }

  /** A member wants to leave. */
  leaving(device: string): void {
    if (device !== this.#port.suite.identity.device) {
      this.#plan(device, () => this.#port.wish({ remove: [device] }));
    }
  }

  /** What a device has asked with; undefined: it has not, or is in now. */
  find(device: string): CheckedPackage | undefined {
    return this.#open.get(device);
  }

  /** These devices came or went: what they asked for is done. */
  done(leaves: readonly Leaf[]): void {
    for (const { device } of leaves) {
      this.#open.delete(device);
      this.#planned.get(device)?.();
      this.#planned.delete(device);
    }
  }

  #plan(device: string, act: () => void): void {
    this.#planned.get(device)?.();
    const cancel = this.#port.clock.after(Math.random() * SPREAD, () => {
      this.#planned.delete(device);
      act();
    });
    this.#planned.set(device, cancel);
  }
}

function remember(set: Set<string>, name: string, most: number): void {
  set.add(name);
  for (const oldest of set) {
    if (set.size <= most) return;
    set.delete(oldest);
  }
}
