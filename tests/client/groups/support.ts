/** Devices of users, each with a client of a real service, its groups, and documents in them. */

import { openDocument } from "../../../src/client/documents.ts";
import { SignJWT } from "jose";
import * as Y from "yjs";
import {
  type Group,
  type GroupSettings,
  type GroupStorage,
  MemoryGroupStorage,
  SkeinGroups,
} from "../../../src/client/groups.ts";
import { type ClientOptions, SkeinClient } from "../../../src/client/mod.ts";
import { SkeinYjsProvider } from "../../../src/client/yjs.ts";
import { systemClock } from "../../../src/client/clock.ts";
import { until } from "../../integration/support.ts";

export { until };

const SECRET = "a secret of at least thirty-two bytes, for tests";

/** A token that may do what users of groups do. */
export function groupToken(user: string): Promise<string> {
  const claims = { sub: user, exp: Math.floor(Date.now() / 1000) + 3600, rights: ["direct_message"] };
  return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET));
}

/** Where a device finds its service. */
export interface Place {
  client(user: string, over?: Partial<ClientOptions>): SkeinClient;
}

/** A document of a group. */
export interface Shared {
  readonly doc: Y.Doc;
  readonly provider: SkeinYjsProvider;
  /** What went wrong, by text. */
  readonly errors: string[];
}

/** A device of a user. */
export class GroupDevice implements AsyncDisposable {
  readonly client: SkeinClient;
  readonly errors: unknown[] = [];
  groups!: SkeinGroups;

  private constructor(
    readonly user: string,
    readonly storage: GroupStorage,
    client: SkeinClient,
  ) {
    this.client = client;
  }

  /** A device that is connected and has left its key packages. */
  static async open(
    place: Place,
    user: string,
    { storage = new MemoryGroupStorage(), over = {}, ...settings }: GroupSettings & {
      storage?: GroupStorage;
      over?: Partial<ClientOptions>;
      identity?: Uint8Array;
    } = {},
  ): Promise<GroupDevice> {
    const client = place.client(user, { getToken: () => groupToken(user), ...over });
    const device = new GroupDevice(user, storage, client);
    try {
      await client.connect();
      device.groups = await SkeinGroups.open(client, {
        storage,
        clock: systemClock,
        onError: (error) => device.errors.push(error),
        ...settings,
      });
    } catch (error) {
      await client.close();
      throw error;
    }
    await until("key packages are there", async () => {
      const { count } = await client.manager.send("key_packages_publish", {
        device: device.groups.device,
        packages: [],
      });
      return count > 0;
    });
    return device;
  }

  /** Opens a document that is sealed for a group. */
  share(group: Group, channel = group.name): Shared {
    const doc = new Y.Doc();
    const document = openDocument(this.client, channel, { key: group.cipher });
    const errors: string[] = [];
    document.on("error", (error) => errors.push(error.message));
    const provider = new SkeinYjsProvider(document, doc);
    group.follow(provider);
    return { doc, provider, errors };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.groups.close();
    await this.client.close();
  }
}

/** Waits until all of them are in one epoch and agree about everything that has happened. */
export async function agree(groups: readonly Group[]): Promise<void> {
  await until(
    "all members agree",
    () => groups[0]!.isMember && new Set(groups.map(({ authenticator }) => authenticator)).size === 1,
  );
}
