/** Devices that share a log in memory, each reading and saying things at its own time; the log may misbehave. */

import { systemClock } from "../../../src/client/clock.ts";
import { encodeEntry } from "../../../src/client/groups/entries.ts";
import { EpochKeys, sealedIn } from "../../../src/client/groups/epoch_keys.ts";
import { identityOf, type Suite, suiteOf } from "../../../src/client/groups/identity.ts";
import { Intents, type Wish } from "../../../src/client/groups/intents.ts";
import { type Happening, Ledger, type StoredLedger } from "../../../src/client/groups/ledger.ts";
import { newGroupId } from "../../../src/client/groups/membership.ts";
import { type CheckedPackage, makePackage, type OwnPackage } from "../../../src/client/groups/packages.ts";

export const CHANNEL = "doc:plan";
const NOW = systemClock.wall();
const text = new TextEncoder();

/** Something said, and by whom it could be read at that moment. */
export interface Said {
  readonly what: string;
  readonly sealed: Uint8Array;
  readonly epoch: number;
  readonly authenticator: string;
}

/** Somebody who has copied all that a device knew, and reads the log from then on. */
export interface Attacker {
  readonly device: string;
  readonly ledger: Ledger;
  /** Place in the log up to which the copy had read. */
  readonly read: number;
  /** Epochs of which it must not read anything: from the first up to, not including, the second. */
  readonly blind: { from: number; to: number };
}

/** The log that all of them read. */
export class SimLog {
  readonly entries: Uint8Array[] = [];
}

/** A device. */
export class SimDevice {
  readonly #shelf = new Map<string, OwnPackage>();
  readonly happened: Happening[] = [];
  ledger: Ledger;
  intents = new Intents();
  read = 0;
  /** What it has said and the log has not got yet. */
  outbox: Uint8Array[] = [];
  readonly leaks: { attacker: Attacker; pending: string | undefined }[] = [];
  readonly attackers: Attacker[] = [];
  #flying: Uint8Array | undefined;

  private constructor(readonly suite: Suite, readonly log: SimLog) {
    this.ledger = this.#made();
  }

  static async create(user: string, log: SimLog): Promise<SimDevice> {
    const keys = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]) as CryptoKeyPair;
    return new SimDevice(await suiteOf(await identityOf(user, keys)), log);
  }

  get name(): string {
    return this.suite.identity.device;
  }

  get authenticator(): string | undefined {
    return this.ledger.membership?.authenticator.toHex();
  }

  get #key(): string | undefined {
    return this.ledger.membership?.leaves().find(({ device }) => device === this.name)?.hpkeKey.toHex();
  }

  #made(stored?: StoredLedger, shelf: ReadonlyMap<string, OwnPackage> = this.#shelf): Ledger {
    const packages = {
      find: (ref: string) => shelf.get(ref),
      used: (ref: string) => void (shelf === this.#shelf && this.#shelf.delete(ref)),
    };
    return new Ledger(this.suite, packages, () => NOW, stored);
  }

  /** A key package for whoever invites it. */
  async package(): Promise<CheckedPackage> {
    const own = await makePackage(this.suite, NOW, false);
    this.#shelf.set(own.ref, own);
    const { user, device } = this.suite.identity;
    return { user, device, keyPackage: own.publicPackage };
  }

  async found(): Promise<void> {
    const id = newGroupId(CHANNEL);
    await this.ledger.found(id, await makePackage(this.suite, NOW, false));
    this.outbox.push(encodeEntry("founded", id));
  }

  wish(wish: Wish): void {
    void this.intents.add(wish).catch(() => {});
  }

  /** Says its commit and welcomes, into its outbox. */
  async pump(): Promise<void> {
    const { ledger } = this;
    for (const welcome of ledger.welcomes.splice(0)) this.outbox.push(encodeEntry("welcome", welcome));
    if (ledger.membership === undefined) return;
    if (ledger.pending === undefined) {
      const changes = this.intents.next(ledger.membership.leaves());
      if (changes === undefined) return;
      await ledger.prepare(changes);
    }
    const { commit } = ledger.pending!;
    if (this.#flying === commit) return;
    this.#flying = commit;
    this.outbox.push(encodeEntry("commit", commit));
  }

  flush(): void {
    this.log.entries.push(...this.outbox.splice(0));
  }

  /** Reads up to `count` entries. */
  async take(count: number): Promise<void> {
    const { entries } = this.log;
    for (const end = Math.min(this.read + count, entries.length); this.read < end; this.read++) {
      const isCommit = entries[this.read]![0] === 2;
      const before = isCommit ? this.ledger.store() : undefined,
        pending = this.ledger.pending?.commit.toHex(),
        key = this.#key;
      for (const happening of await this.ledger.take(entries[this.read]!)) {
        this.happened.push(happening);
        if (happening.type === "epoch") {
          if (happening.own) this.intents.won();
          // A commit that only lets devices in renews nothing.
          if (happening.own && this.#key !== key) this.#healed(pending);
        }
        if (happening.type === "removed") this.#out(before && this.#copy(before));
        if (happening.type === "joined") this.#in();
      }
    }
  }

  async say(what: string): Promise<Said> {
    const { membership, keys } = this.ledger;
    const sealed = await keys.seal(membership!.epoch, "operation", CHANNEL, text.encode(what));
    return { what, sealed, epoch: membership!.epoch, authenticator: this.authenticator! };
  }

  async reads(said: Said): Promise<boolean> {
    return await opens(this.ledger.keys, said);
  }

  /** The program ends and begins again: what it wished and had not sent is forgotten. */
  restart(): void {
    const stored = this.ledger.store();
    if (stored?.state === undefined) return;
    this.ledger = this.#made(JSON.parse(JSON.stringify(stored)));
    this.intents = new Intents();
    this.#flying = undefined;
  }

  /** Somebody copies all it knows now. */
  leak(): void {
    const attacker = this.leaks.length < 2 ? this.#copy() : undefined;
    if (attacker === undefined) return;
    this.leaks.push({ attacker, pending: this.ledger.pending?.commit.toHex() });
    this.attackers.push(attacker);
  }

  #copy(stored = this.ledger.store()): Attacker | undefined {
    if (stored?.state === undefined) return undefined;
    const ledger = this.#made(JSON.parse(JSON.stringify(stored)), new Map(this.#shelf));
    return { device: this.name, ledger, read: this.read, blind: { from: Infinity, to: Infinity } };
  }

  /** An own commit that was made after a leak counts, and renews the keys. */
  #healed(commit: string | undefined): void {
    const { epoch } = this.ledger.membership!;
    for (const leak of this.leaks.splice(0)) {
      // The copy has the keys of a commit that was on its way when it was made.
      if (leak.pending !== undefined && leak.pending === commit) {
        this.leaks.push({ ...leak, pending: undefined });
      } else if (commit !== undefined) leak.attacker.blind.from = epoch;
    }
  }

  #out(before: Attacker | undefined): void {
    if (before === undefined) return;
    before.blind.from = before.ledger.membership!.epoch + 1;
    this.attackers.push(before);
    for (const { attacker } of this.leaks.splice(0)) attacker.blind.from = before.blind.from;
  }

  #in(): void {
    for (const { blind } of this.attackers) {
      if (blind.from < Infinity) blind.to = Math.min(blind.to, this.ledger.joined);
    }
  }
}

/** Whether somebody who knows what a ledger knows can open something, with whatever secret, and whatever it says it is. */
export async function cracks({ keys }: Ledger, said: Said): Promise<boolean> {
  const { tag } = sealedIn(CHANNEL, said.sealed);
  for (const { content } of keys.known()) {
    const tried = new EpochKeys([{ epoch: said.epoch, content, tag, ended: undefined }]);
    if (await opens(tried, said)) return true;
  }
  return false;
}

async function opens(keys: EpochKeys, said: Said): Promise<boolean> {
  const opened = await keys.open("operation", CHANNEL, said.sealed);
  return "data" in opened && new TextDecoder().decode(opened.data) === said.what;
}
