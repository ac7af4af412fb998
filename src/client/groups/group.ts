/**
 * A group of devices that read what others cannot: who is in, what each may do, and the keys for documents.
 *
 * @module
 */

import { attempt, deferred, handled } from "../../async/deferred.ts";
import type { Cipher } from "../documents/encryption.ts";
import type { Document } from "../documents/document.ts";
import type { Listener } from "../emitter.ts";
import { SkeinError } from "../errors.ts";
import { GroupCore } from "./core.ts";
import { toBase64Url } from "./encoding.ts";
import type { GroupEvents, GroupMember } from "./events.ts";
import type { GroupRecord } from "./group_record.ts";
import type { Leaf } from "./membership.ts";
import { membersOf } from "./members.ts";
import { newGroupId } from "./membership.ts";
import type { FollowedDocument } from "./newcomers.ts";
import type { AdmissionRequest } from "./requests.ts";
import { codeOf } from "./safety_code.ts";
import type { GroupSurroundings } from "./surroundings.ts";

/** A group. Made by `SkeinGroups`. */
export class Group {
  /** The channel that the group is for. */
  readonly name: string;
  readonly #around: GroupSurroundings;
  readonly #core: GroupCore;

  /** `log`: the document that the group's log is. `closing` is called once when it closes. */
  constructor(
    name: string,
    log: Document,
    around: GroupSurroundings,
    record: GroupRecord,
    closing: () => void,
  ) {
    this.name = name;
    this.#around = around;
    this.#core = new GroupCore(log, around, record, closing);
  }

  /** Seals and opens: the option `key` of `SkeinClient.document`. */
  get cipher(): Cipher {
    return this.#core.cipher;
  }

  /**
   * Seals and opens what peers say to each other directly: the option `key` of `PeerDocuments.share`. It opens nothing that
   * was sealed with keys of before the last changes of the group, so that who was removed is not heard any more either.
   */
  get directCipher(): Cipher {
    return this.#core.directCipher;
  }

  /** Resolves when this device is in the group; rejects when the group is closed before. */
  get ready(): Promise<void> {
    return this.#core.ready.promise;
  }

  /** Resolves when all that the log has was read; with whether there is a group. */
  get read(): Promise<boolean> {
    return handled(this.#core.read.promise.then(() => this.#core.ledger.founded));
  }

  /** Whether this device is in the group. */
  get isMember(): boolean {
    return this.#core.ledger.membership !== undefined;
  }

  /** The number of changes since the group began; undefined: this device is not in it. */
  get epoch(): number | undefined {
    return this.#core.ledger.membership?.epoch;
  }

  /**
   * The same text for all who agree about everything that has happened in the group; two who compare it within one epoch
   * know that the service shows them the same log. Undefined: this device is not in it.
   */
  get authenticator(): string | undefined {
    const bytes = this.#core.ledger.membership?.authenticator;
    return bytes === undefined ? undefined : toBase64Url(bytes);
  }

  /** The users in it with their devices; empty when this device is not in it. */
  get members(): GroupMember[] {
    const { suite, verified } = this.#around;
    return membersOf(this.#core.leaves(), suite.identity, verified);
  }

  /** Calls `listener` at each `event`; returns what takes it off again. */
  on<E extends keyof GroupEvents>(event: E, listener: Listener<GroupEvents[E]>): () => void {
    return this.#core.events.on(event, listener);
  }

  /**
   * Lets in all devices of a user that have left key packages and are not in yet. Resolves with their number once it
   * counts. Rejects with `unknown_user` when there is no key package, and with the service's error.
   */
  invite(user: string): Promise<number> {
    return attempt(async () => {
      const found = await this.#around.claim(user);
      await this.#core.inside();
      if (found.length === 0) throw new SkeinError("unknown_user", `no device of ${user} can be added`);
      const members = new Set(this.#core.leaves().map(({ device }) => device));
      const add = found.filter(({ device }) => !members.has(device));
      await this.#core.wish({ add });
      return add.length;
    });
  }

  /** Lets in a device that has asked. Rejects with `bad_argument` when it has not. */
  admit({ user, device }: AdmissionRequest): Promise<void> {
    return attempt(async () => {
      const checked = this.#core.requests.find(device);
      if (checked?.user !== user) throw new SkeinError("bad_argument", "that device has not asked");
      await this.#core.wish({ add: [checked] });
    });
  }

  /** Removes all devices of a user: they read nothing that is said afterwards. */
  remove(user: string): Promise<void> {
    return attempt(async () => {
      await this.#core.inside();
      await this.#remove(this.#of(user));
    });
  }

  /** Removes one device. */
  removeDevice(device: string): Promise<void> {
    return attempt(() => this.#remove([device]));
  }

  /** Asks the others to take this device out; resolves when one of them has. */
  leave(): Promise<void> {
    return attempt(async () => {
      await this.#core.inside();
      const { promise, resolve, reject } = deferred<void>();
      const { device } = this.#around.suite.identity;
      const tell = () => this.#core.tell({ type: "leave", device });
      const offs = [
        this.on("removed", () => resolve()),
        // Who is let in anew has to say it again: for the others that is what it asked for.
        this.on("joined", tell),
        this.on("closed", (error) => reject(error ?? SkeinError.closed())),
      ];
      tell();
      await promise.finally(() => offs.forEach((off) => off()));
    });
  }

  /** Renews the keys of this device now: whoever has copied them before reads nothing that is said afterwards. */
  renew(): Promise<void> {
    return attempt(() => this.#core.wish({ renew: true }));
  }

  /**
   * Asks the members to let this device in. They do so of their own accord when it is in already and has lost what it
   * knew, otherwise after somebody has agreed (event `request`).
   */
  requestAdmission(): Promise<void> {
    return attempt(() => this.#core.ask());
  }

  /**
   * Six groups of five digits that this user and `user` compare over another way: equal ones mean that nobody is between
   * them. Rejects with `unknown_user` when the user is not in the group.
   */
  safetyCode(user: string): Promise<string> {
    return attempt(async () => {
      if (this.#of(user).length === 0) throw new SkeinError("unknown_user", `${user} is not in the group`);
      const own = this.#around.suite.identity.user;
      return await codeOf(this.#core.leaves().filter((each) => each.user === user || each.user === own));
    });
  }

  /** The codes are equal: marks the devices of `user` as verified, on this device. Later ones are not. */
  verify(user: string): Promise<void> {
    return handled(this.#around.verified.set(user, this.#of(user)));
  }

  /**
   * Makes snapshots of a document for members who came later; to be called for each `SkeinYjsProvider` whose document is
   * sealed for the group. Returns what ends that.
   */
  follow(content: FollowedDocument): () => void {
    return this.#core.newcomers.follow(content);
  }

  /** Begins the group with this device alone. Rejects with `bad_argument` when there is one. */
  found(): Promise<void> {
    return attempt(async () => {
      if (await this.read) throw new SkeinError("bad_argument", `${this.name} has a group`);
      await this.#core.found(newGroupId(this.name));
    });
  }

  /** Ends it on this device until it is opened again; the device stays in the group. */
  close(): void {
    this.#core.end();
  }

  #of(user: string): string[] {
    return this.#core.leaves().filter((each: Leaf) => each.user === user).map(({ device }) => device);
  }

  #remove(devices: readonly string[]): Promise<void> {
    if (devices.includes(this.#around.suite.identity.device)) {
      throw new SkeinError("bad_argument", "a device does not remove itself: leave()");
    }
    return this.#core.wish({ remove: devices });
  }
}
