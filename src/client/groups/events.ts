/**
 * What a group tells the application.
 *
 * @module
 */

import type { SkeinError } from "../errors.ts";
import type { DeviceName } from "./identity.ts";
import type { AdmissionRequest } from "./requests.ts";

/** A device of a member. */
export interface MemberDevice {
  /** Its Ed25519 public key in base64url. */
  readonly id: string;
  /** It is this device. */
  readonly own: boolean;
  /** It was there when the user was verified, or is this device. */
  readonly verified: boolean;
}

/** A user in a group. */
export interface GroupMember {
  readonly user: string;
  readonly devices: readonly MemberDevice[];
  /** All devices are verified. */
  readonly verified: boolean;
}

/** Events of a group. */
export interface GroupEvents {
  /** This device is in; also when it was let in anew, because it had asked. */
  joined: { readonly epoch: number };
  /** This device is out: it reads nothing that is said from now on. */
  removed: void;
  /** Devices came or went. Devices of verified users that come later are not verified: compare codes again. */
  members: { readonly added: readonly DeviceName[]; readonly removed: readonly DeviceName[] };
  /** The keys have changed. */
  epoch: { readonly epoch: number };
  /** A device of a user who is in asks to be let in: ask the user, then `admit`. */
  request: AdmissionRequest;
  /**
   * Changes of the group do not come here although others know them: the service holds them back, or this device could not
   * read one. It asks to be let in anew.
   */
  behind: { readonly epoch: number };
  /** Somebody has other keys for an epoch than this device: the service shows members different logs. */
  fork: { readonly epoch: number };
  /** Something in the log does not count: it has come before, or nobody in this epoch has made it. */
  ignored: { readonly reason: "unreadable" | "replayed" };
  /** Something could not be sent, read or kept. */
  error: SkeinError;
  /** It is closed, and why, when it was not the application. */
  closed: SkeinError | undefined;
}
