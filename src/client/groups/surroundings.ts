/**
 * What a group needs of the device it is on.
 *
 * @module
 */

import type { Suite } from "./identity.ts";
import type { PackageShelf } from "./ledger.ts";
import type { VerifiedUsers } from "./members.ts";
import type { CheckedPackage, OwnPackage } from "./packages.ts";
import type { GroupStorage } from "./storage.ts";

/** How groups treat their keys. */
export interface GroupSettings {
  /** Milliseconds after which this device renews its keys in each group. @default 86400000 */
  readonly renewEvery?: number;
  /**
   * Milliseconds that keys of an earlier epoch stay at least, for what others have said in it and is still on its way.
   * Keys that a document still needs stay longer: until a snapshot takes the place of what they have sealed.
   * @default 604800000
   */
  readonly keepKeys?: number;
  /** Milliseconds that something from a later epoch waits for the change that leads there. @default 10000 */
  readonly patience?: number;
}

/** Own key packages. */
export interface OwnPackages extends PackageShelf {
  /** Makes one that is not published, to ask with. */
  make(): Promise<OwnPackage>;
}

/** The device, as its groups see it. */
export interface GroupSurroundings {
  readonly suite: Suite;
  readonly packages: OwnPackages;
  readonly storage: GroupStorage;
  readonly verified: VerifiedUsers;
  readonly settings: Required<GroupSettings>;
  /** One key package of each device of a user, checked. */
  claim(user: string): Promise<CheckedPackage[]>;
}
