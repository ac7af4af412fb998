/**
 * `key_packages_publish`, `key_packages_claim`, `key_packages_remove`, `key_packages_low`: what a device leaves at the service so that others
 * can add it to an encrypted group while it is away (RFC 9420 §10).
 *
 * @module
 */

import * as v from "valibot";
import {
  base64url,
  channelField,
  flag,
  integer,
  type Schema,
  type Schemas,
  shape,
  userIdField,
} from "./fields.ts";

/** Most key packages in one message. */
const MAX_PACKAGES = 32;
/** Most devices of one user. */
const MAX_DEVICES = 16;
/** Characters of one key package: some 250 bytes are usual, a post-quantum one has 5 KB. */
const MAX_PACKAGE = 16_384;

/** Leaves key packages at the service. */
export interface KeyPackagesPublish {
  /** The device: its Ed25519 public key in base64url. */
  device: string;
  /** Key packages in base64url: each is given out once. */
  packages: string[];
  /** The one that is given out when there is no other, as often as it is asked for. @default the one before */
  lastResort?: string;
  /** The packages kept so far are thrown away. @default false */
  replace?: boolean;
}

/** They are kept. */
export interface KeyPackagesPublished {
  /** Packages of the device that are given out once. */
  count: number;
}

/** Asks for one key package of each device of a user. */
export interface KeyPackagesClaim {
  userId: string;
  /** @default all devices of the user */
  devices?: string[];
}

/** A key package of a device. */
export interface ClaimedKeyPackage {
  device: string;
  /** In base64url. */
  package: string;
  /** It is given to others, too. */
  lastResort: boolean;
}

/** One key package of each device. */
export interface KeyPackagesClaimed {
  userId: string;
  packages: ClaimedKeyPackage[];
  /** Devices whose packages the message had no room for: they are to be claimed by another one. @default none */
  rest?: string[];
}

/** Few key packages of a device are left that are given out once. */
export interface KeyPackagesLow {
  /** The user's inbox. */
  channel: string;
  /** The user. */
  from: string;
  device: string;
  count: number;
}

/** Takes back all key packages of a device: it is lost, or leaves. */
export interface KeyPackagesRemove {
  device: string;
}

/** None of that device are given out any more. */
export type KeyPackagesRemoved = Record<never, never>;

const device = () => base64url(43, 43);
const keyPackage = () => base64url(1, MAX_PACKAGE);
const list = <T>(item: Schema<T>, most: number): Schema<T[]> =>
  v.pipe(v.array(item, "an array"), v.maxLength(most, `at most ${most} of them`));

/** What a client sends. */
export interface KeyPackageClientPayloads {
  key_packages_publish: KeyPackagesPublish;
  key_packages_claim: KeyPackagesClaim;
  key_packages_remove: KeyPackagesRemove;
}

/** Its schemas. */
export const KEY_PACKAGE_CLIENT: Schemas<KeyPackageClientPayloads> = {
  key_packages_publish: shape({
    device: device(),
    packages: list(keyPackage(), MAX_PACKAGES),
    lastResort: v.exactOptional(keyPackage()),
    replace: v.exactOptional(flag()),
  }),
  key_packages_claim: shape({
    userId: userIdField(),
    devices: v.exactOptional(list(device(), MAX_DEVICES)),
  }),
  key_packages_remove: shape({ device: device() }),
};

/** What a server sends. */
export interface KeyPackageServerPayloads {
  key_packages_published: KeyPackagesPublished;
  key_packages_claimed: KeyPackagesClaimed;
  key_packages_removed: KeyPackagesRemoved;
  key_packages_low: KeyPackagesLow;
}

/** Its schemas. */
export const KEY_PACKAGE_SERVER: Schemas<KeyPackageServerPayloads> = {
  key_packages_published: shape({ count: integer(0) }),
  key_packages_claimed: shape({
    userId: userIdField(),
    packages: list(shape({ device: device(), package: keyPackage(), lastResort: flag() }), MAX_DEVICES),
    rest: v.exactOptional(list(device(), MAX_DEVICES)),
  }),
  key_packages_removed: shape({}),
  key_packages_low: shape({
    channel: channelField(),
    from: userIdField(),
    device: device(),
    count: integer(0),
  }),
};
