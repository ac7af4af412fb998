/**
 * Who is in a group, by user.
 *
 * @module
 */

import type { GroupMember, MemberDevice } from "./events.ts";
import type { DeviceName } from "./identity.ts";

/** Users of whom the codes were compared, with the devices they had then. */
export interface VerifiedUsers {
  has(name: DeviceName): boolean;
  /** Resolves when it survives a restart. */
  set(user: string, devices: readonly string[]): Promise<void>;
}

/** Devices as users, in the order of their names. */
export function membersOf(
  devices: readonly DeviceName[],
  own: DeviceName,
  verified: VerifiedUsers,
): GroupMember[] {
  const users = new Map<string, MemberDevice[]>();
  for (const { user, device } of devices) {
    const isOwn = device === own.device;
    const known = users.get(user) ?? [];
    known.push({ id: device, own: isOwn, verified: isOwn || verified.has({ user, device }) });
    users.set(user, known);
  }
  return [...users].sort(([a], [b]) => a < b ? -1 : 1).map(([user, devices]) => ({
    user,
    devices,
    verified: devices.every((device) => device.verified),
  }));
}
