/**
 * A group at work: its log is read, what this device wants is said, and what others want is done.
 *
 * @module
 */

import { quietDeferred } from "../../async/deferred.ts";
import type { Document } from "../documents/document.ts";
import { Emitter } from "../emitter.ts";
import { SkeinError } from "../errors.ts";
import { GroupCipher } from "./cipher.ts";
import { encodeEntry } from "./entries.ts";
import type { GroupEvents } from "./events.ts";
import { GroupClock } from "./group_clock.ts";
import type { GroupRecord } from "./group_record.ts";
import { Intents, type Wish } from "./intents.ts";
import { type Happening, Ledger } from "./ledger.ts";
import { LogReader, skeinError } from "./log_reader.ts";
import type { Leaf } from "./membership.ts";
import { Newcomers } from "./newcomers.ts";
import { type GroupNote, openNote, sealNote } from "./notes.ts";
import { encodePackage } from "./packages.ts";
import { Reaching } from "./reaching.ts";
import { Renewal } from "./renewal.ts";
import { Requests } from "./requests.ts";
import { GroupSender } from "./sender.ts";
import type { GroupSurroundings } from "./surroundings.ts";

/**
 * Milliseconds before a device that is behind asks again to be let in anew: doubled each time until it has gone on. What
 * says that it is behind may be anybody's who may write to the log, and each asking costs everybody a change.
 */
const ASK_AGAIN = { first: 60_000, most: 3_600_000 };

/** The parts of a group, and what passes between them. */
export class GroupCore {
  readonly ledger: Ledger;
  readonly log: LogReader;
  readonly cipher: GroupCipher;
  /** For what peers say directly. */
  readonly directCipher: GroupCipher;
  readonly requests: Requests;
  readonly newcomers: Newcomers;
  readonly events = new Emitter<GroupEvents>();
  /** This device is in. */
  readonly ready = quietDeferred<void>();
  /** All that the log had was read. */
  readonly read = quietDeferred<void>();
  /** The log says that the group has begun. */
  readonly founded = quietDeferred<void>();
  readonly #around: GroupSurroundings;
  readonly #record: GroupRecord;
  readonly #clock: GroupClock;
  readonly #intents = new Intents();
  readonly #sender: GroupSender;
  readonly #renewal: Renewal;
  readonly #closing: () => void;
  readonly #reaching: Reaching;
  #asked = -Infinity;
  #askAgain = ASK_AGAIN.first;
  #cancelWatch: (() => void) | undefined;
  #hasEnded = false;
  /** The change that took this device out lets it in again, and the welcome has not come. */
  #isReturning = false;

  /** `document`: the log. `closing` is called once when it ends. */
  constructor(document: Document, around: GroupSurroundings, record: GroupRecord, closing: () => void) {
    this.#around = around;
    this.#record = record;
    this.#closing = closing;
    const { suite, packages, settings } = around;
    const clock = this.#clock = new GroupClock(document.clock);
    const reaching = this.#reaching = new Reaching(clock, settings.patience);
    const failed = (error: unknown) => this.failed(error);
    const ledger = this.ledger = new Ledger(suite, packages, () => clock.wall(), record.ledger);
    this.log = new LogReader(document, {
      take: (entry) => this.#take(entry),
      synced: () => this.#synced(),
      failed,
      closed: (error) => this.end(error),
    });
    const run = (act: () => Promise<void>) => this.log.run(act);
    const save = () => this.save();
    this.#sender = new GroupSender({ ledger, intents: this.#intents, document, clock, save, run, failed });
    const wish = (asked: Wish) => void this.wish(asked).catch(failed);
    this.requests = new Requests({
      suite,
      clock,
      leaves: () => this.leaves(),
      wish,
      asked: (request) => this.events.emit("request", request),
    }, record.handled);
    this.newcomers = new Newcomers({
      clock,
      epoch: () => ledger.membership?.epoch,
      tell: (note) => this.tell(note),
      failed,
    });
    this.#renewal = new Renewal(clock, settings.renewEvery, () => wish({ renew: true }));
    const port = {
      ledger,
      reach: (epoch: number) => reaching.expect(epoch, () => this.log.live),
      apart: (found: "behind" | "fork", epoch: number) => this.#apart(found, epoch),
      unreadable: (channel: string) => this.newcomers.want(channel),
      isOver: (epoch: number) => clock.wall() - (ledger.keys.endedAt(epoch) ?? Infinity) > settings.patience,
      uses: (channel: string) => record.uses(channel, ledger.joined),
    };
    this.cipher = new GroupCipher(port);
    this.directCipher = new GroupCipher(port, true);
    if (ledger.membership === undefined) return;
    this.ready.resolve();
    this.#renewal.since(record.renewed);
  }

  /** The devices in the group. */
  leaves(): Leaf[] {
    return this.ledger.membership?.leaves() ?? [];
  }

  /** Resolves once this device is in, for which one that is let in anew waits. Otherwise rejects with `not_available`. */
  async inside(): Promise<void> {
    if (this.#isReturning) await this.#reaching.reach(0);
    if (this.#hasEnded) throw SkeinError.closed();
    if (this.ledger.membership !== undefined) return;
    throw new SkeinError("not_available", "this device is not in the group", { temporary: true });
  }

  /** Resolves when the group is as wished. Rejects with `not_available` when this device is not in it. */
  async wish(wish: Wish): Promise<void> {
    await this.inside();
    const done = this.#intents.add(wish);
    this.log.run(() => this.#pump());
    await done;
  }

  /** Tells the other members something. Nobody waits for it. */
  tell(note: GroupNote): void {
    this.log.run(async () => {
      const { membership, keys } = this.ledger;
      if (membership === undefined || this.#hasEnded) return;
      const body = await sealNote(keys, membership.epoch, this.log.document.name, note);
      this.log.document.send(encodeEntry("note", body)).catch((error) => this.failed(error));
    });
  }

  /** Asks the others to be let in. */
  async ask(): Promise<void> {
    this.#asked = this.#clock.now();
    const { publicPackage } = await this.#around.packages.make();
    await this.log.document.send(encodeEntry("request", encodePackage(publicPackage)));
  }

  /** Begins the group with this device alone. Rejects with `bad_argument` when somebody else was faster. */
  async found(groupId: Uint8Array): Promise<void> {
    const own = await this.#around.packages.make();
    this.log.run(async () => {
      await this.ledger.found(groupId, own);
      this.#around.packages.used(own.ref);
      this.#record.renewed = this.#clock.wall();
      await this.save();
    });
    await this.log.idle();
    await this.log.document.send(encodeEntry("founded", groupId));
    await this.founded.promise;
    if (this.ledger.membership === undefined) {
      throw new SkeinError("bad_argument", "somebody else was faster");
    }
    this.ready.resolve();
    this.#renewal.since(this.#record.renewed);
  }

  /** Keeps what is known now, and forgets keys that nothing needs. */
  async save(): Promise<void> {
    const { ledger } = this;
    const since = this.#clock.wall() - this.#around.settings.keepKeys;
    if (ledger.membership !== undefined) {
      ledger.keys.forget(this.#record.floor(ledger.membership.epoch), since);
    }
    await this.#record.save(ledger, this.log.position, this.requests.handled);
  }

  failed(error: unknown): void {
    if (!this.#hasEnded) this.events.emit("error", skeinError(error));
  }

  /** Ends it; `error`: why, when it was not the application. */
  end(error?: SkeinError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const reason = error ?? SkeinError.closed();
    this.log.close();
    this.#intents.end(reason);
    for (const each of [this.ready, this.read, this.founded]) each.reject(reason);
    this.#reaching.end(reason);
    this.#clock.end();
    this.newcomers.end(reason);
    this.events.emit("closed", error);
    this.events.clear();
    this.#closing();
  }

  // --- the log ---

  async #take(entry: Uint8Array): Promise<void> {
    for (const happening of await this.ledger.take(entry)) await this.#happened(happening);
    // What comes in one go is kept once: see `#synced`.
    if (this.log.live) await this.#settle();
  }

  async #synced(): Promise<void> {
    await this.#settle();
    this.read.resolve();
  }

  async #settle(): Promise<void> {
    await this.save();
    await this.#pump();
    this.#watch();
  }

  async #pump(): Promise<void> {
    if (this.log.live && !this.#hasEnded) await this.#sender.pump();
  }

  async #happened(happening: Happening): Promise<void> {
    switch (happening.type) {
      case "founded":
        return this.founded.resolve();
      case "joined":
        return this.#joined(happening.lastResort);
      case "removed":
        return this.#removed(happening.anew);
      case "epoch":
        return this.#turned(happening);
      case "ignored":
        return this.events.emit("ignored", { reason: happening.reason });
      case "request":
        return await this.requests.request(happening.keyPackage);
      case "note":
        return await this.#note(happening.body);
    }
  }

  #joined(isLastResort: boolean): void {
    const { epoch } = this.ledger.membership!;
    this.#isReturning = false;
    this.#record.renewed = this.#renewal.joined(isLastResort);
    this.ready.resolve();
    this.#reaching.reached(epoch);
    this.events.emit("joined", { epoch });
  }

  #removed(anew: boolean): void {
    this.#record.out(this.log.position);
    this.#renewal.stop();
    this.#isReturning = anew;
    if (!anew) return this.#isOut();
    // What is wished stays so for as long as a welcome may take.
    void this.#reaching.reach(0).then(() => {
      if (this.#isReturning) this.#isOut();
    });
  }

  #isOut(): void {
    this.#isReturning = false;
    this.#intents.end(new SkeinError("not_available", "this device was removed from the group"));
    this.events.emit("removed", undefined);
  }

  #turned({ added, removed, own }: Extract<Happening, { type: "epoch" }>): void {
    const { epoch } = this.ledger.membership!;
    this.#askAgain = ASK_AGAIN.first;
    this.requests.done([...added, ...removed]);
    this.#sender.decided(own);
    if (own) {
      this.#record.renewed = this.#clock.wall();
      this.#renewal.since(this.#record.renewed);
      if (added.length > 0) this.newcomers.admitted();
      this.log.tidy();
    }
    this.#reaching.reached(epoch);
    this.events.emit("epoch", { epoch });
    if (added.length + removed.length > 0) {
      const names = (leaves: Leaf[]) => leaves.map(({ user, device }) => ({ user, device }));
      this.events.emit("members", { added: names(added), removed: names(removed) });
    }
  }

  async #note(body: Uint8Array): Promise<void> {
    const note = await openNote(this.ledger.keys, this.log.document.name, body);
    if (note === undefined) return;
    if ("failure" in note) {
      const { membership } = this.ledger;
      if (note.failure === "fork") this.#apart("fork", note.epoch);
      else if (membership !== undefined && note.epoch > membership.epoch) this.#apart("behind", note.epoch);
      return;
    }
    if (note.type === "leave") return this.requests.leaving(note.device);
    if (note.type === "snapshot") {
      this.#record.needs(note.channel, note.epoch, this.ledger.membership?.epoch ?? note.epoch);
    }
    this.newcomers.heard(note);
  }

  // --- being behind ---

  /** Commits have come and the one before them has not: it is waited for, and then it will not come. */
  #watch(): void {
    if (!this.ledger.lacksCommit) {
      this.#cancelWatch?.();
      this.#cancelWatch = undefined;
      return;
    }
    this.#cancelWatch ??= this.#clock.after(this.#around.settings.patience, () => {
      this.#cancelWatch = undefined;
      const { membership } = this.ledger;
      if (membership !== undefined && this.ledger.lacksCommit) this.#apart("behind", membership.epoch + 1);
    });
  }

  #apart(found: "behind" | "fork", epoch: number): void {
    this.events.emit(found, { epoch });
    const now = this.#clock.now();
    if (found === "fork" || now - this.#asked < this.#askAgain || !this.log.live) return;
    this.#askAgain = Math.min(this.#askAgain * 2, ASK_AGAIN.most);
    this.ask().catch((error) => this.failed(error));
  }
}
