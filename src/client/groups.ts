/**
 * End-to-end encryption for groups (Messaging Layer Security, RFC 9420): documents that only the devices of a group read,
 * with keys that change with every change of the group and heal after a leak. Apart from the SDK, so that only those
 * programs carry it that use it.
 *
 * ```ts
 * import { indexedDbGroupStorage, SkeinGroups } from "@skein/client/groups";
 *
 * const groups = await SkeinGroups.open(client, { storage: indexedDbGroupStorage() });
 * const group = await groups.create("doc:plan");
 * await group.invite("bob");
 * const provider = new SkeinYjsProvider(openDocument(client, "doc:plan", { key: group.cipher }), doc);
 * group.follow(provider);
 * ```
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import { attempt, deferred } from "../async/deferred.ts";
import { isChannel } from "../protocol/core.ts";
import type { ClaimedKeyPackage, ServerType } from "../protocol/mod.ts";
import type { SkeinClient } from "./client.ts";
import { type Clock, systemClock } from "./clock.ts";
import { eachConnection } from "./each_connection.ts";
import { openDocument } from "./documents/open.ts";
import { SkeinError } from "./errors.ts";
import { DevicePackages } from "./groups/device_packages.ts";
import { fromBase64Url } from "./groups/encoding.ts";
import { EndingStorage } from "./groups/ending_storage.ts";
import { Group } from "./groups/group.ts";
import { GroupRecord } from "./groups/group_record.ts";
import { identityOf, keyPairOf, type Suite, suiteOf } from "./groups/identity.ts";
import { type CheckedPackage, readPackage } from "./groups/packages.ts";
import { type GroupStorage, jsonBytes, readJson } from "./groups/storage.ts";
import type { GroupSettings } from "./groups/surroundings.ts";
import { Verified } from "./groups/verified.ts";

export { Group } from "./groups/group.ts";
export type { GroupEvents, GroupMember, MemberDevice } from "./groups/events.ts";
export type { DeviceName } from "./groups/identity.ts";
export { indexedDbGroupStorage } from "./groups/indexeddb.ts";
export type { FollowedDocument } from "./groups/newcomers.ts";
export type { AdmissionRequest } from "./groups/requests.ts";
export { fileGroupStorage, type GroupStorage, MemoryGroupStorage } from "./groups/storage.ts";
export type { GroupSettings } from "./groups/surroundings.ts";

/** Options of `SkeinGroups.open`. */
export interface GroupsOptions extends GroupSettings {
  /** Where this device keeps its keys: `indexedDbGroupStorage`, or `fileGroupStorage` on Deno. */
  readonly storage: GroupStorage;
  /** The device's Ed25519 key in PKCS #8, such as that of a `PeerIdentity`. @default one that the storage makes */
  readonly identity?: Uint8Array;
  /** @default the runtime's clock */
  readonly clock?: Clock;
  /** Told of what went wrong beside the groups: key packages that could not be left at the service, or kept. */
  readonly onError?: (error: unknown) => void;
}

/** Milliseconds within which the client has to be connected when it is not known whose it is. */
const CONNECTING = 30_000;
const DAY = 86_400_000;
/** The service has few key packages of a device left. */
const LOW: ServerType = "key_packages_low";
/** Messages in which the packages of one user's devices may come: one at least comes in each. */
const MAX_CLAIMS = 16;

/** The groups of a device. */
export class SkeinGroups {
  /** This device's id: its Ed25519 public key in base64url. */
  readonly device: string;
  /** Whose device it is. */
  readonly user: string;
  readonly #client: SkeinClient;
  readonly #storage: GroupStorage;
  readonly #suite: Suite;
  readonly #packages: DevicePackages;
  readonly #verified: Verified;
  readonly #settings: Required<GroupSettings>;
  readonly #clock: Clock;
  readonly #groups = new Map<string, Promise<Group>>();
  readonly #off: () => void;

  private constructor(
    client: SkeinClient,
    suite: Suite,
    storage: GroupStorage,
    packages: DevicePackages,
    verified: Verified,
    options: GroupsOptions,
  ) {
    const { renewEvery = DAY, keepKeys = 7 * DAY, patience = 10_000, clock = systemClock } = options;
    this.#client = client;
    this.#suite = suite;
    this.#packages = packages;
    this.#verified = verified;
    this.#storage = storage;
    this.#settings = { renewEvery, keepKeys, patience };
    this.#clock = clock;
    this.device = suite.identity.device;
    this.user = suite.identity.user;
    const failed = (error: unknown): void => options.onError?.(error);
    this.#off = eachConnection(client, clock, () => packages.publish(client), failed, (again) => {
      packages.onNeed = again;
      return client.on("message", ({ type, payload }) => {
        if (type === LOW && payload.device === this.device) again();
      });
    });
  }

  /**
   * Opens the groups of a device and leaves key packages at the service, so that others can invite it. The first time it
   * needs a connection, to know whose device it is. Rejects with `not_available` when another page of this browser has the
   * storage open, and with `storage` when it is another user's.
   */
  static async open(client: SkeinClient, options: GroupsOptions): Promise<SkeinGroups> {
    const { identity, clock = systemClock } = options;
    const storage = new EndingStorage(options.storage, clock);
    await storage.open();
    try {
      const known = await readJson<string>(storage, "user");
      const user = known ?? await userOf(client, clock);
      if (client.manager.userId !== undefined && client.manager.userId !== user) {
        throw new SkeinError("storage", "these groups are another user's");
      }
      if (known === undefined) await storage.put({ user: jsonBytes(user) });
      const keys = identity === undefined ? await storage.keyPair() : await keyPairOf(identity);
      const suite = await suiteOf(await identityOf(user, keys));
      const failed = options.onError ?? (() => {});
      const packages = await DevicePackages.load(suite, storage, clock, failed);
      return new SkeinGroups(client, suite, storage, packages, await Verified.load(storage), options);
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  /**
   * The group of a channel, `doc:name` or any other: this device may be in it, be let in later, or never. The same object
   * each time, until it is closed.
   */
  group(channel: string): Promise<Group> {
    let group = this.#groups.get(channel);
    if (group === undefined) this.#groups.set(channel, group = attempt(() => this.#open(channel)));
    return group;
  }

  /** Begins the group of a channel with this device alone. Rejects with `bad_argument` when there is one. */
  create(channel: string): Promise<Group> {
    return attempt(async () => {
      const group = await this.group(channel);
      await group.found();
      return group;
    });
  }

  /**
   * Closes all groups on this device; it stays in them. Resolves when the storage is given up, which waits at most some
   * seconds for what is being written.
   */
  async close(): Promise<void> {
    this.#off();
    for (const group of this.#groups.values()) await group.then((each) => each.close(), () => {});
    await this.#storage.close?.();
  }

  async #open(channel: string): Promise<Group> {
    const log = logOf(channel);
    if (!isChannel(channel) || !isChannel(log)) {
      throw new SkeinError("bad_argument", "a group is for a channel of at most 240 characters");
    }
    const record = await GroupRecord.load(this.#storage, channel);
    const { since } = record;
    const document = openDocument(this.#client, log, since === undefined ? {} : { since });
    const around = {
      suite: this.#suite,
      packages: this.#packages,
      storage: this.#storage,
      verified: this.#verified,
      settings: this.#settings,
      claim: (user: string) => this.#claim(user),
    };
    return new Group(channel, document, around, record, () => void this.#groups.delete(channel));
  }

  async #claim(userId: string): Promise<CheckedPackage[]> {
    const claimed: ClaimedKeyPackage[] = [];
    let rest: string[] | undefined;
    for (let i = 0; i < MAX_CLAIMS && rest?.length !== 0; i++) {
      const devices: { devices?: string[] } = rest === undefined ? {} : { devices: rest };
      const answer = await this.#client.manager.send("key_packages_claim", { userId, ...devices });
      claimed.push(...answer.packages);
      rest = answer.rest ?? [];
    }
    const checked = await Promise.allSettled(claimed.map(async ({ device, package: text }) => {
      const found = await readPackage(
        this.#suite,
        fromBase64Url(text) ?? new Uint8Array(),
        this.#clock.wall(),
      );
      // What the service says of it must be what its device has signed.
      return found.user === userId && found.device === device ? found : undefined;
    }));
    return checked.flatMap((each) => each.status === "fulfilled" && each.value ? [each.value] : []);
  }
}

/** The channel of a group's log: beside the channel that the group is for, so that whoever may use the one may use both. */
function logOf(channel: string): string {
  return `${channel.startsWith("doc:") ? "" : "doc:"}${channel}~group`;
}

/** Whose client it is, once it is connected. */
async function userOf({ manager }: SkeinClient, clock: Clock): Promise<string> {
  if (manager.userId !== undefined) return manager.userId;
  const { promise, resolve } = deferred<string>();
  const off = manager.on("connected", ({ userId }) => resolve(userId));
  const late = () => new SkeinError("timeout", "not connected, so it is not known whose device this is");
  return await deadline(promise, CONNECTING, late, { timers: clock }).finally(off);
}
