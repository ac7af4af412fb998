/**
 * Users of whom the safety codes were compared, with the devices they had then.
 *
 * @module
 */

import type { DeviceName } from "./identity.ts";
import type { VerifiedUsers } from "./members.ts";
import { type GroupStorage, jsonBytes, readJson } from "./storage.ts";

const NAME = "verified";

/** The verified users of this device, in all its groups. */
export class Verified implements VerifiedUsers {
  readonly #storage: GroupStorage;
  readonly #users: Map<string, readonly string[]>;

  private constructor(storage: GroupStorage, users: Readonly<Record<string, readonly string[]>>) {
    this.#storage = storage;
    this.#users = new Map(Object.entries(users));
  }

  /** Reads what is kept. */
  static async load(storage: GroupStorage): Promise<Verified> {
    return new Verified(storage, await readJson(storage, NAME) ?? {});
  }

  has({ user, device }: DeviceName): boolean {
    return this.#users.get(user)?.includes(device) ?? false;
  }

  async set(user: string, devices: readonly string[]): Promise<void> {
    this.#users.set(user, devices);
    await this.#storage.put({ [NAME]: jsonBytes(Object.fromEntries(this.#users)) });
  }
}
