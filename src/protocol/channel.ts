/**
 * Channel names, and patterns over them.
 *
 * @module
 */

/** The channel that every session is on and `broadcast` publishes to. */
export const BROADCAST_CHANNEL = "broadcast:all";

const CHANNEL = /^[a-z][a-z0-9_-]{0,31}:[\x21-\x7e]{1,222}$/;

/** Whether `name` is `namespace:rest`: a lower-case namespace and 1 to 222 printable ASCII characters. */
export function isChannel(name: string): boolean {
  return CHANNEL.test(name);
}

/** The part before the first `:`. */
export function namespaceOf(channel: string): string {
  return channel.slice(0, channel.indexOf(":"));
}

const USER_ID = /^[\x21-\x7e]{1,128}$/;

/** Whether `id` can be a user id (the `sub` of a token): 1 to 128 printable ASCII characters without spaces. */
export function isUserId(id: string): boolean {
  return USER_ID.test(id);
}

/** A user's inbox: where direct messages to all of the user's devices go. */
export function inboxOf(userId: string): string {
  return `user:${userId}`;
}

/** Whether `channel` fits `pattern`; `*` stands for any run of characters, everything else for itself. */
export function matches(pattern: string, channel: string): boolean {
  if (pattern === "*" || pattern === channel) return true;
  const star = pattern.indexOf("*");
  if (star < 0) return false;
  // Most patterns are a prefix: `chat:*`.
  if (star === pattern.length - 1) return channel.startsWith(pattern.slice(0, star));
  const parts = pattern.split("*");
  const head = parts[0]!, tail = parts.at(-1)!;
  if (!channel.startsWith(head) || !channel.endsWith(tail)) return false;
  let at = head.length;
  const end = channel.length - tail.length;
  for (const part of parts.slice(1, -1)) {
    const found = channel.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  // The parts in the middle must not overlap the tail.
  return at <= end;
}

/** Whether `channel` fits one of `patterns`. */
export function matchesAny(patterns: readonly string[], channel: string): boolean {
  for (const pattern of patterns) if (matches(pattern, channel)) return true;
  return false;
}
