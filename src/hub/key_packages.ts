/**
 * Key packages of devices (RFC 9420 §10): public keys with which others add a device to an encrypted group while it is
 * away. They are values of the engine, so that every node gives each one out once.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import type { Engine, MaybePromise, Values } from "../engine/contract.ts";
import {
  type ClaimedKeyPackage,
  inboxOf,
  type KeyPackagesClaimed,
  ProtocolError,
  type ServerType,
  uuidv7,
} from "../protocol/mod.ts";
import { ClaimRates, type Pace, within } from "./claim_rates.ts";

/** What a device leaves here. */
export interface DevicePackages {
  readonly device: string;
  readonly packages: readonly string[];
  /** @default the one before */
  readonly lastResort?: string;
  /** @default false */
  readonly replace?: boolean;
}

interface Kept {
  readonly packages: readonly string[];
  readonly lastResort?: string;
  /** When as many as `PACE` allows may be given out at once again, in milliseconds since the epoch. */
  readonly spent?: number;
}

/** What has become of claims: packages that are given once, packages of last resort, and refusals. */
export interface ClaimCounts {
  given: number;
  last_resort: number;
  limited: number;
}

/** What the key packages need of others. */
export interface KeyPackagesOptions {
  readonly engine: Pick<Engine, "values" | "log">;
  readonly clock: Clock;
  /** Bytes that an answer may take. Asked for each use. */
  readonly maxMessage: () => number;
}

/** A claim. */
export interface Claim {
  /** Who wants the packages. */
  readonly claimant: string;
  /** Whose packages. */
  readonly userId: string;
  /** @default all devices of the user */
  readonly devices?: readonly string[];
}

/** Packages of one device that are given out once; the oldest go. */
const MAX_PACKAGES = 64;
/** Devices of one user. */
const MAX_DEVICES = 16;
/** Key packages of a device that does not come back go after so many ms, and it counts no more. */
const LIFETIME = 90 * 86_400_000;
/** Times that somebody else may be faster before it is given up. */
const ATTEMPTS = 32;
/**
 * Packages of one device that are given out once, whoever asks. Above that the one of last resort is given out, so that
 * nobody can use up all of them and nobody is kept from inviting the device.
 */
const PACE: Pace = { burst: 16, interval: 60_000 };
/** With fewer packages than this the device is asked for more. */
const LOW = 8;
const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

/** The key packages of all users. */
export class KeyPackages {
  /** Counted on this node. */
  readonly counts: ClaimCounts = { given: 0, last_resort: 0, limited: 0 };
  readonly #values: Values;
  readonly #options: KeyPackagesOptions;
  readonly #rates: ClaimRates;

  constructor(options: KeyPackagesOptions) {
    this.#values = options.engine.values;
    this.#options = options;
    this.#rates = new ClaimRates(() => options.clock.now());
  }

  /**
   * Keeps packages of a user's device. Resolves with how many are left to be given out once. Rejects with ProtocolError
   * `limit_exceeded` when the user has too many devices, and `not_available`.
   */
  async publish(user: string, { device, packages, lastResort, replace }: DevicePackages): Promise<number> {
    await this.#change<readonly string[]>(devicesKey(user), async (devices = []) => {
      // Renewed although nothing changes, because the value has a lifetime.
      if (devices.includes(device)) return devices;
      const others = devices.length < MAX_DEVICES ? devices : await this.#withPackages(user, devices);
      if (others.length >= MAX_DEVICES) {
        throw new ProtocolError("limit_exceeded", `at most ${MAX_DEVICES} devices of a user`);
      }
      return [...others, device];
    });
    const kept = await this.#change<Kept>(packagesKey(user, device), (before = { packages: [] }) => {
      // The same message may come twice: a package is kept once.
      const all = new Set([...replace === true ? [] : before.packages, ...packages]);
      const last = lastResort ?? before.lastResort;
      const newest = [...all].slice(-MAX_PACKAGES);
      return { ...before, packages: newest, ...last === undefined ? {} : { lastResort: last } };
    });
    return kept.packages.length;
  }

  /**
   * One package of each device of a user: the oldest, or the last resort. Devices whose packages do not fit into the answer
   * are its `rest`. Rejects with ProtocolError `rate_limited`.
   */
  async claim({ claimant, userId, devices }: Claim): Promise<KeyPackagesClaimed> {
    const wait = this.#rates.take(claimant, userId);
    if (wait > 0) this.#refuse(wait);
    const all = await this.#read<readonly string[]>(devicesKey(userId)) ?? [];
    const wanted = devices === undefined ? all : all.filter((device) => devices.includes(device));
    const { fitting, rest } = await this.#fitting(userId, wanted);
    const taken = await Promise.all(fitting.map((device) => this.#take(userId, device)));
    const packages = taken.filter((each) => typeof each === "object");
    if (packages.length === 0) {
      this.#rates.giveBack(claimant, userId);
      const waits = taken.filter((each) => typeof each === "number");
      if (waits.length > 0) this.#refuse(Math.min(...waits));
    }
    for (const { lastResort } of packages) this.counts[lastResort ? "last_resort" : "given"]++;
    return rest.length === 0 ? { userId, packages } : { userId, packages, rest };
  }

  /** Takes back all packages of a device. */
  async remove(user: string, device: string): Promise<void> {
    await this.#change<readonly string[]>(
      devicesKey(user),
      (devices) => devices?.filter((each) => each !== device),
    );
    await this.#values.delete({ name: packagesKey(user, device) });
  }

  /** Takes back all packages of a user's devices. */
  async forget(user: string): Promise<void> {
    const devices = await this.#read<readonly string[]>(devicesKey(user)) ?? [];
    for (const device of devices) await this.#values.delete({ name: packagesKey(user, device) });
    await this.#values.delete({ name: devicesKey(user) });
  }

  /** Those of the devices that have not been gone for too long. */
  async #withPackages(user: string, devices: readonly string[]): Promise<readonly string[]> {
    const values = await Promise.all(
      devices.map((device) => this.#values.get({ name: packagesKey(user, device) })),
    );
    return devices.filter((_, at) => values[at]?.data !== undefined);
  }

  /** Which devices one answer has room for, whichever of their packages is given out. */
  async #fitting(userId: string, wanted: readonly string[]): Promise<{ fitting: string[]; rest: string[] }> {
    const kept = await Promise.all(wanted.map((device) => this.#read<Kept>(packagesKey(userId, device))));
    let room = this.#options.maxMessage() - sizeOf({ userId, packages: [], rest: wanted });
    const fitting: string[] = [], rest: string[] = [];
    for (const [i, device] of wanted.entries()) {
      const { packages = [], lastResort = "" } = kept[i] ?? {};
      const longest = [...packages, lastResort].reduce((a, b) => a.length > b.length ? a : b);
      const size = sizeOf({ device, package: longest, lastResort: false }) + 1;
      room -= size;
      if (room >= 0) fitting.push(device);
      else if (fitting.length > 0) rest.push(device);
      // One that no message has room for, since the limit was made lower, cannot be given out at all.
      else room += size;
    }
    return { fitting, rest };
  }

  #refuse(wait: number): never {
    this.counts.limited++;
    throw new ProtocolError("rate_limited", "too many key packages were claimed", {
      retryAfter: Math.ceil(wait),
    });
  }

  /** A package of a device; a number: there may be one in so many ms; undefined: there is none. */
  async #take(user: string, device: string): Promise<ClaimedKeyPackage | number | undefined> {
    let taken: ClaimedKeyPackage | number | undefined;
    let left = LOW;
    await this.#change<Kept>(packagesKey(user, device), (kept) => {
      const [first, ...rest] = kept?.packages ?? [];
      const { wait, spent } = within(PACE, kept?.spent ?? 0, this.#options.clock.wall());
      left = first === undefined ? 0 : wait > 0 ? LOW : rest.length;
      if (first !== undefined && wait === 0) {
        taken = { device, package: first, lastResort: false };
        return { ...kept, packages: rest, spent };
      }
      const last = kept?.lastResort;
      if (last !== undefined) taken = { device, package: last, lastResort: true };
      else taken = first === undefined ? undefined : wait;
      return undefined;
    });
    if (taken !== undefined && left < LOW) this.#tellOwner(user, device, left);
    return taken;
  }

  /** Whichever of the user's connections is the device's leaves more. */
  #tellOwner(user: string, device: string, count: number): void {
    const type = "key_packages_low" satisfies ServerType;
    const { engine, clock } = this.#options;
    engine.log.publishEphemeral(inboxOf(user), {
      type,
      id: uuidv7(),
      from: user,
      sessionId: "",
      timestamp: clock.wall(),
      payload: { device, count },
    });
  }

  async #read<T>(name: string): Promise<T | undefined> {
    const data = (await this.#values.get({ name }))?.data;
    return data === undefined ? undefined : JSON.parse(TEXT.decode(data));
  }

  /** Puts what `next` makes of the value in its place; undefined: it stays as it is. Resolves with what is there then. */
  async #change<T>(
    name: string,
    next: (before: T | undefined) => MaybePromise<T | undefined>,
  ): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const value = await this.#values.get({ name });
      const before = value?.data === undefined ? undefined : JSON.parse(TEXT.decode(value.data)) as T;
      const after = await next(before);
      if (after === undefined) return before as T;
      const data = UTF8.encode(JSON.stringify(after));
      const options = { revision: value?.revision ?? 0, ttl: LIFETIME };
      if (await this.#values.put({ name }, { data }, options) !== undefined) return after;
    }
    throw new ProtocolError("not_available", "too many others change it");
  }
}

function sizeOf(payload: object): number {
  return UTF8.encode(JSON.stringify(payload)).length;
}

function devicesKey(user: string): string {
  return `key_packages/devices/${user}`;
}

// The device first: it has no "/" in it, and a user id may.
function packagesKey(user: string, device: string): string {
  return `key_packages/of/${device}/${user}`;
}
