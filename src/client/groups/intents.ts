/**
 * What this device wants changed in a group until the log says that it is so. A commit that comes second changes nothing:
 * what is still wanted then goes into the next one.
 *
 * @module
 */

import { type Deferred, quietDeferred } from "../../async/deferred.ts";
import { sameBytes } from "./encoding.ts";
import type { Changes, Leaf } from "./membership.ts";
import type { CheckedPackage } from "./packages.ts";

/** A wish. */
export interface Wish {
  readonly add?: readonly CheckedPackage[];
  /** Devices. */
  readonly remove?: readonly string[];
  /**
   * Those of `add` who are in are let in anew, with the key package given. Who is out by then, or is to be removed, stays
   * out: nobody has agreed to let them in. @default who is in stays as it is, who is out is let in
   */
  readonly anew?: boolean;
  /** This device renews its keys. @default false */
  readonly renew?: boolean;
}

interface Waiting extends Wish {
  readonly done: Deferred<void>;
}

/** Wishes of this device, oldest first. */
export class Intents {
  #waiting: Waiting[] = [];
  /** Those in the commit that is on its way. */
  #sent = new Set<Waiting>();

  /** Resolves when the group is as wished. */
  add(wish: Wish): Promise<void> {
    const done = quietDeferred<void>();
    this.#waiting.push({ ...wish, done });
    return done.promise;
  }

  get waiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** The changes that all wishes ask for; undefined: it is as they wish. */
  next(leaves: readonly Leaf[]): Changes | undefined {
    const members = new Map(leaves.map((leaf) => [leaf.device, leaf]));
    const add = new Map<string, CheckedPackage>(), remove = new Set<string>();
    const unwanted = new Set(this.#waiting.flatMap((each) => each.remove ?? []));
    const open = this.#waiting.filter(({ done, ...wish }) => {
      const isUseful = collect(wish, { members, unwanted }, add, remove);
      if (!isUseful) done.resolve();
      return isUseful;
    });
    this.#waiting = open;
    // A commit that only lets devices in renews nobody's keys (RFC 9420 §12.4): that is the next one's.
    const renews = add.size === 0 || remove.size > 0;
    this.#sent = new Set(renews ? open : open.filter(({ renew }) => renew !== true));
    return open.length === 0 ? undefined : { add: [...add.values()], remove: [...remove] };
  }

  /** The commit counts. */
  won(): void {
    for (const { done } of this.#sent) done.resolve();
    this.#waiting = this.#waiting.filter((each) => !this.#sent.has(each));
    this.#sent.clear();
  }

  /** What was to be sent cannot be. */
  failed(error: unknown): void {
    for (const { done } of this.#sent) done.reject(error);
    this.#waiting = this.#waiting.filter((each) => !this.#sent.has(each));
    this.#sent.clear();
  }

  /** Nothing is wished any more. */
  end(error: unknown): void {
    for (const { done } of this.#waiting.splice(0)) done.reject(error);
    this.#sent.clear();
  }
}

/** Puts what a wish still lacks into `add` and `remove`; false: it lacks nothing. */
function collect(
  { add: wanted = [], remove: leaving = [], anew = false, renew = false }: Wish,
  { members, unwanted }: { members: ReadonlyMap<string, Leaf>; unwanted: ReadonlySet<string> },
  add: Map<string, CheckedPackage>,
  remove: Set<string>,
): boolean {
  let lacks = renew;
  for (const each of wanted) {
    const leaf = members.get(each.device);
    if (anew && (leaf === undefined || unwanted.has(each.device))) continue;
    const isIn = leaf !== undefined &&
      (!anew || sameBytes(leaf.hpkeKey, each.keyPackage.leafNode.hpkePublicKey));
    if (isIn) continue;
    lacks = true;
    add.set(each.device, each);
    if (leaf !== undefined) remove.add(each.device);
  }
  for (const device of leaving) {
    if (!members.has(device)) continue;
    lacks = true;
    remove.add(device);
  }
  return lacks;
}
