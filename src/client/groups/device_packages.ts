/**
 * Key packages of this device: made, left at the service, and kept until somebody has used them.
 *
 * @module
 */

import type { SkeinClient } from "../client.ts";
import type { Clock } from "../clock.ts";
import { toBase64Url } from "./encoding.ts";
import type { Suite } from "./identity.ts";
import {
  encodePackage,
  makePackage,
  type OwnPackage,
  restoredPackage,
  type StoredPackage,
  storedPackage,
} from "./packages.ts";
import { type GroupStorage, jsonBytes, readJson } from "./storage.ts";
import type { OwnPackages } from "./surroundings.ts";

/** Packages at the service: below the first number there are made as many as make up the second. */
const PUBLISHED = { least: 8, most: 24 };
/** Private halves that are kept; the oldest go. */
const MAX_KEPT = 256;
const DAY = 86_400_000;
/** Milliseconds before it expires at which a package of last resort gets a successor. */
const SUCCESSION = 28 * DAY;
/** Milliseconds that the one before is kept for welcomes that are on their way. */
const LATE = 7 * DAY;
const NAME = "packages";

/** The key packages of one device. */
export class DevicePackages implements OwnPackages {
  readonly #suite: Suite;
  readonly #storage: GroupStorage;
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  readonly #kept = new Map<string, OwnPackage>();
  /** Packages of last resort that have a successor, or need one: since when, in milliseconds since the epoch. */
  readonly #spent = new Map<string, number>();
  /** Called when `publish` has something to do. */
  onNeed: () => void = () => {};

  private constructor(
    suite: Suite,
    storage: GroupStorage,
    clock: Clock,
    failed: (error: unknown) => void,
  ) {
    this.#suite = suite;
    this.#storage = storage;
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Reads what is kept. `failed` is told of what could not be written later. */
  static async load(
    suite: Suite,
    storage: GroupStorage,
    clock: Clock,
    failed: (error: unknown) => void,
  ): Promise<DevicePackages> {
    const packages = new DevicePackages(suite, storage, clock, failed);
    for (const stored of await readJson<StoredPackage[]>(storage, NAME) ?? []) {
      const own = await restoredPackage(suite, stored);
      if (own === undefined || own.expires <= clock.wall()) continue;
      packages.#kept.set(own.ref, own);
      if (stored.spent !== undefined) packages.#spent.set(own.ref, stored.spent);
    }
    packages.#forget();
    return packages;
  }

  find(ref: string): OwnPackage | undefined {
    return this.#kept.get(ref);
  }

  /**
   * One that is given out once is forgotten; one of last resort, which may be in others' hands too, gets a successor (RFC
   * 9420 §16.8).
   */
  used(ref: string): void {
    const own = this.#kept.get(ref);
    if (own === undefined || this.#spent.has(ref)) return;
    if (own.lastResort) this.#spent.set(ref, this.#clock.wall());
    else this.#kept.delete(ref);
    this.#save().catch(this.#failed);
    if (own.lastResort) this.onNeed();
  }

  async make(): Promise<OwnPackage> {
    const [made] = await this.#make(1, false);
    return made!;
  }

  /** Leaves as many packages at the service as others may need until the device is there again. */
  async publish({ manager }: SkeinClient): Promise<void> {
    const { device } = this.#suite.identity;
    const { count } = await manager.send("key_packages_publish", { device, packages: [] });
    const last = [...this.#kept.values()].filter(({ ref, lastResort }) => lastResort && !this.#spent.has(ref))
      .at(-1);
    const isLastOld = last === undefined || last.expires - this.#clock.wall() < SUCCESSION;
    if (count >= PUBLISHED.least && !isLastOld) return;
    const packages = await this.#make(PUBLISHED.most - Math.min(count, PUBLISHED.most), false);
    const lastResort = isLastOld ? (await this.#make(1, true))[0]! : last;
    const text = ({ publicPackage }: OwnPackage): string => toBase64Url(encodePackage(publicPackage));
    await manager.send("key_packages_publish", {
      device,
      packages: packages.map(text),
      lastResort: text(lastResort),
    });
    // Only now nobody is given those before.
    for (const { ref, lastResort: isLast } of this.#kept.values()) {
      if (isLast && ref !== lastResort.ref && !this.#spent.has(ref)) this.#spent.set(ref, this.#clock.wall());
    }
    this.#forget();
    await this.#save();
  }

  /** Forgets packages of last resort whose successors have been there for a while. */
  #forget(): void {
    for (const [ref, spent] of this.#spent) {
      if (this.#clock.wall() - spent < LATE) continue;
      this.#spent.delete(ref);
      this.#kept.delete(ref);
    }
  }

  /** Makes packages, and keeps their private halves before anybody can use them. */
  async #make(count: number, lastResort: boolean): Promise<OwnPackage[]> {
    const made: OwnPackage[] = [];
    for (let i = 0; i < count; i++) {
      made.push(await makePackage(this.#suite, this.#clock.wall(), lastResort));
    }
    for (const each of made) this.#kept.set(each.ref, each);
    for (const [ref, { lastResort }] of this.#kept) {
      if (this.#kept.size <= MAX_KEPT) break;
      if (!lastResort) this.#kept.delete(ref);
    }
    await this.#save();
    return made;
  }

  async #save(): Promise<void> {
    const stored = [...this.#kept.values()].map((own): StoredPackage => {
      const spent = this.#spent.get(own.ref);
      return spent === undefined ? storedPackage(own) : { ...storedPackage(own), spent };
    });
    await this.#storage.put({ [NAME]: jsonBytes(stored) });
  }
}
