/**
 * Key packages of devices (RFC 9420 §10): public keys with which others add a device to an encrypted group while it is
 * away. They are values of the engine, so that every node gives each one out once.
 *
 * @module
 */

import type { MaybePromise, Values } from "../engine/contract.ts";
import { type ClaimedKeyPackage, ProtocolError } from "../protocol/mod.ts";

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
}

/** Packages of one device that are given out once; the oldest go. */
const MAX_PACKAGES = 64;
/** Devices of one user. */
const MAX_DEVICES = 16;
/** Key packages of a device that does not come back go after so many ms, and it counts no more. */
const LIFETIME = 90 * 86_400_000;
/** Times that somebody else may be faster before it is given up. */
const ATTEMPTS = 32;
const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

/** The key packages of all users. */
export class KeyPackages {
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
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
      return last === undefined ? { packages: newest } : { packages: newest, lastResort: last };
    });
    return kept.packages.length;
  }

  /** One package of each device of a user, or of those in `only`: the oldest, or the last resort. */
  async claim(user: string, only?: readonly string[]): Promise<ClaimedKeyPackage[]> {
    const devices = await this.#read<readonly string[]>(devicesKey(user)) ?? [];
    const wanted = only === undefined ? devices : devices.filter((device) => only.includes(device));
    const claimed = await Promise.all(wanted.map((device) => this.#take(user, device)));
    return claimed.filter((each) => each !== undefined);
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

  async #take(user: string, device: string): Promise<ClaimedKeyPackage | undefined> {
    let taken: ClaimedKeyPackage | undefined;
    await this.#change<Kept>(packagesKey(user, device), (kept) => {
      const [first, ...rest] = kept?.packages ?? [];
      const given = first ?? kept?.lastResort;
      taken = given === undefined ? undefined : { device, package: given, lastResort: first === undefined };
      return first === undefined ? undefined : { ...kept, packages: rest };
    });
    return taken;
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

function devicesKey(user: string): string {
  return `key_packages/devices/${user}`;
}

// The device first: it has no "/" in it, and a user id may.
function packagesKey(user: string, device: string): string {
  return `key_packages/of/${device}/${user}`;
}
