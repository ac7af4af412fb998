/**
 * The log of a group read in order: which commit counts, who is in, which epoch it is. It decides alone from what the log
 * says, so that all members decide the same, and it sends nothing.
 *
 * @module
 */

import { fromBase64Url, ownCopy, sameBytes, toBase64Url } from "./encoding.ts";
import { decodeEntry } from "./entries.ts";
import { EpochKeys, type KnownEpoch } from "./epoch_keys.ts";
import type { Suite } from "./identity.ts";
import {
  type Changes,
  type EpochSecret,
  type Leaf,
  Membership,
  type Prepared,
  readCommit,
  readWelcome,
} from "./membership.ts";
import type { PrivateMessage } from "./mls.ts";
import type { OwnPackage } from "./packages.ts";

/** What an entry of the log did. */
export type Happening =
  /** The group has begun. */
  | { readonly type: "founded" }
  /** This device is in. `lastResort`: by a key package that others may have, too. */
  | { readonly type: "joined"; readonly lastResort: boolean }
  /** This device is out, and has forgotten the group's secrets. `anew`: the same change lets it in again. */
  | { readonly type: "removed"; readonly anew: boolean }
  /** A new epoch; `own`: by a commit of this device. Who is let in anew is in `added` alone. */
  | { readonly type: "epoch"; readonly added: Leaf[]; readonly removed: Leaf[]; readonly own: boolean }
  /** Something does not count: it cannot be read here, or has come before. */
  | { readonly type: "ignored"; readonly reason: "unreadable" | "replayed" }
  /** A device asks to be let in: its key package. */
  | { readonly type: "request"; readonly keyPackage: Uint8Array }
  /** A note of a member. */
  | { readonly type: "note"; readonly body: Uint8Array };

/** The key packages of this device. */
export interface PackageShelf {
  find(ref: string): OwnPackage | undefined;
  /** It was used; one that may be used once is forgotten. */
  used(ref: string): void;
}

/** What a ledger keeps over restarts; bytes in base64url. */
export interface StoredLedger {
  /** @default this device is not in the group */
  readonly state?: string;
  readonly joined: number;
  readonly epochs: readonly { epoch: number; content: string; tag: string; ended?: number }[];
  readonly pending?: { commit: string; epoch: number; next: string; welcome?: string };
  readonly welcomes: readonly string[];
}

/** Commits that wait for one before them, or for a welcome, and their bytes: anybody who may write can say some. */
const MAX_WAITING = { commits: 4096, bytes: 8 * 2 ** 20 };
/** Commits that are remembered to tell one that is played again. */
const MAX_REMEMBERED = 256;

interface Waiting {
  readonly epoch: number;
  readonly bytes: Uint8Array;
  readonly message: PrivateMessage;
}

/** One group, as its log tells it to this device. */
export class Ledger {
  readonly #suite: Suite;
  readonly #packages: PackageShelf;
  readonly #now: () => number;
  #membership: Membership | undefined;
  #pending: Prepared | undefined;
  #waiting: Waiting[] = [];
  readonly #remembered = new Set<string>();
  /** Secrets of this epoch and of earlier ones. */
  keys: EpochKeys = new EpochKeys();
  /** The first epoch of this device: what was said before it cannot be read. */
  joined = 0;
  /** The log says that the group has begun. */
  founded = false;
  /** Welcomes of own commits that count, still to be said. */
  readonly welcomes: Uint8Array[] = [];

  /** `now` in milliseconds since the epoch. */
  constructor(suite: Suite, packages: PackageShelf, now: () => number, stored?: StoredLedger) {
    this.#suite = suite;
    this.#packages = packages;
    this.#now = now;
    if (stored === undefined) return;
    const bytes = (text: string) => fromBase64Url(text)!;
    this.welcomes.push(...stored.welcomes.map(bytes));
    this.founded = true;
    if (stored.state === undefined) return;
    this.#membership = Membership.decode(suite, bytes(stored.state));
    this.joined = stored.joined;
    this.keys = new EpochKeys(
      stored.epochs.map(({ epoch, content, tag, ended }): KnownEpoch => ({
        epoch,
        content: bytes(content),
        tag: bytes(tag),
        ended,
      })),
    );
    const { pending } = stored;
    if (pending === undefined) return;
    this.#pending = {
      commit: bytes(pending.commit),
      epoch: pending.epoch,
      next: Membership.decode(suite, bytes(pending.next)),
      welcome: pending.welcome === undefined ? undefined : bytes(pending.welcome),
    };
  }

  /** The group now; undefined: this device is not in it. */
  get membership(): Membership | undefined {
    return this.#membership;
  }

  /** The own commit that the log has not decided about. */
  get pending(): Prepared | undefined {
    return this.#pending;
  }

  /** Commits of later epochs have come, and the one that leads there has not. */
  get lacksCommit(): boolean {
    return this.#membership !== undefined && this.#waiting.length > 0;
  }

  /** Nothing is held back: what was read need not be read again after a restart. */
  get settled(): boolean {
    return this.#membership !== undefined && this.#waiting.length === 0;
  }

  /** Begins a group with this device alone. */
  async found(groupId: Uint8Array, own: OwnPackage): Promise<void> {
    await this.#enter(await Membership.create(this.#suite, groupId, own));
  }

  /** Makes the commit that is to be sent next. There is one at a time, whose fate the log decides. */
  async prepare(changes: Changes): Promise<Prepared> {
    return this.#pending ??= await this.#membership!.prepare(changes);
  }

  /** Takes the next entry of the log. Never rejects. */
  async take(bytes: Uint8Array): Promise<Happening[]> {
    const entry = decodeEntry(bytes);
    switch (entry?.kind) {
      case "founded":
        return this.#found(entry.body);
      case "commit":
        return await this.#commit(entry.body);
      case "welcome":
        return await this.#welcome(entry.body);
      case "request":
        return [{ type: "request", keyPackage: entry.body }];
      case "note":
        return [{ type: "note", body: entry.body }];
      default:
        return [{ type: "ignored", reason: "unreadable" }];
    }
  }

  /** What to keep; undefined: this device is not in the group, and owes nobody a welcome. */
  store(): StoredLedger | undefined {
    const welcomes = this.welcomes.map(toBase64Url);
    if (this.#membership === undefined) {
      return welcomes.length === 0 ? undefined : { joined: this.joined, epochs: [], welcomes };
    }
    const pending = this.#pending;
    return {
      state: toBase64Url(this.#membership.encode()),
      joined: this.joined,
      epochs: this.keys.known().map(({ epoch, content, tag, ended }) => ({
        epoch,
        content: toBase64Url(content),
        tag: toBase64Url(tag),
        ...ended === undefined ? {} : { ended },
      })),
      welcomes,
      ...pending === undefined ? {} : {
        pending: {
          commit: toBase64Url(pending.commit),
          epoch: pending.epoch,
          next: toBase64Url(pending.next.encode()),
          ...pending.welcome === undefined ? {} : { welcome: toBase64Url(pending.welcome) },
        },
      },
    };
  }

  #found(groupId: Uint8Array): Happening[] {
    const before = this.#membership;
    const isSecond = !this.founded && before?.epoch === 0 && !sameBytes(before.groupId, groupId);
    this.founded = true;
    // Somebody else has begun the group just before: this one never was.
    return isSecond ? [this.#leave(false), { type: "founded" }] : [{ type: "founded" }];
  }

  async #commit(bytes: Uint8Array): Promise<Happening[]> {
    const commit = readCommit(bytes, this.#membership?.groupId);
    if (commit === undefined) return [{ type: "ignored", reason: "unreadable" }];
    if (this.#membership !== undefined && commit.epoch < this.#membership.epoch) {
      // One that came second in its epoch is how concurrent changes end; one that has counted is played again.
      const isKnown = this.#remembered.has(await nameOf(bytes));
      return isKnown ? [{ type: "ignored", reason: "replayed" }] : [];
    }
    this.#waiting.push({ ...commit, bytes });
    let size = this.#waiting.reduce((sum, each) => sum + each.bytes.length, 0);
    while (this.#waiting.length > MAX_WAITING.commits || size > MAX_WAITING.bytes) {
      size -= this.#waiting.shift()!.bytes.length;
    }
    return await this.#advance();
  }

  async #welcome(bytes: Uint8Array): Promise<Happening[]> {
    const welcome = readWelcome(bytes);
    const own = welcome?.secrets.map(({ newMember }) => this.#packages.find(toBase64Url(newMember)))
      .find((found) => found !== undefined);
    // Others' welcomes are none of this device's business.
    if (welcome === undefined || own === undefined) return [];
    const before = this.#membership;
    let joined: Membership;
    try {
      joined = await Membership.join(this.#suite, welcome, own);
    } catch {
      return [{ type: "ignored", reason: "unreadable" }];
    }
    if (before !== undefined) {
      const isLater = sameBytes(before.groupId, joined.groupId) && joined.epoch > before.epoch;
      // An older one, or another group that somebody has begun in the same log.
      if (!isLater) return [{ type: "ignored", reason: "replayed" }];
    }
    this.#packages.used(own.ref);
    this.founded = true;
    await this.#enter(joined);
    const happened = await this.#advance();
    // Commits are in the log one after the other, so those that lead on from here have come in turn. The others are nobody's:
    // they would make this device think that it is behind.
    this.#waiting = [];
    return [{ type: "joined", lastResort: own.lastResort }, ...happened];
  }

  async #enter(membership: Membership): Promise<void> {
    this.#begin(membership, await membership.secret());
    this.#pending = undefined;
    this.joined = membership.epoch;
  }

  /** Begins an epoch together with its keys: whoever seals takes those of the epoch that is seen here. */
  #begin(membership: Membership, secret: EpochSecret): void {
    this.#membership = membership;
    this.keys.begin(membership.epoch, secret, this.#now());
  }

  /** Goes on as far as the commits that have come lead. */
  async #advance(): Promise<Happening[]> {
    const happened: Happening[] = [];
    for (let now = this.#membership; now !== undefined; now = this.#membership) {
      const { epoch, groupId } = now;
      this.#waiting = this.#waiting.filter((each) =>
        each.epoch >= epoch && sameBytes(each.message.groupId, groupId)
      );
      const at = this.#waiting.findIndex((each) => each.epoch === epoch);
      if (at < 0) break;
      const [{ bytes, message }] = this.#waiting.splice(at, 1) as [Waiting];
      happened.push(await this.#step(now, bytes, message));
    }
    return happened;
  }

  /** Takes a commit of the current epoch: the first that can be read counts. */
  async #step(now: Membership, bytes: Uint8Array, message: PrivateMessage): Promise<Happening> {
    const pending = this.#pending;
    const own = pending !== undefined && sameBytes(pending.commit, bytes);
    const step = own ? { next: pending.next, committer: now.own } : await now.take(message);
    if (step === undefined) return { type: "ignored", reason: "unreadable" };
    this.#pending = undefined;
    if ("removed" in step) return this.#leave(step.anew);
    if (own && pending.welcome !== undefined) this.welcomes.push(pending.welcome);
    await this.#remember(bytes);
    const { next, committer } = step;
    this.#begin(next, await next.secret());
    return { type: "epoch", own, ...changed(now.leaves(), next.leaves(), committer) };
  }

  #leave(anew: boolean): Happening {
    this.#membership = undefined;
    this.#pending = undefined;
    this.#waiting = [];
    // Welcomes are still said: those whom this device has let in are in, and have no other.
    this.keys.clear();
    return { type: "removed", anew };
  }

  async #remember(bytes: Uint8Array): Promise<void> {
    this.#remembered.add(await nameOf(bytes));
    for (const oldest of this.#remembered) {
      if (this.#remembered.size <= MAX_REMEMBERED) return;
      this.#remembered.delete(oldest);
    }
  }
}

/** Who came and who went. Who has other keys and has not committed was let in anew. */
function changed(before: Leaf[], after: Leaf[], committer: number): { added: Leaf[]; removed: Leaf[] } {
  const was = new Map(before.map((leaf) => [leaf.device, leaf]));
  const is = new Set(after.map(({ device }) => device));
  return {
    added: after.filter(({ device, index, hpkeKey }) => {
      const earlier = was.get(device);
      return earlier === undefined || (index !== committer && !sameBytes(earlier.hpkeKey, hpkeKey));
    }),
    removed: before.filter(({ device }) => !is.has(device)),
  };
}

async function nameOf(bytes: Uint8Array): Promise<string> {
  return toBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", ownCopy(bytes))));
}
