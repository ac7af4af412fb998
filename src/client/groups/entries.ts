/**
 * What the log of a group holds: entries in the order in which all members see them.
 *
 * @module
 */

/** First byte of an entry. */
const ENTRY = {
  /** The group begins: its id. */
  founded: 1,
  /** An MLSMessage with a commit, as a private message. */
  commit: 2,
  /** An MLSMessage with the welcome of a commit that counts. */
  welcome: 3,
  /** An MLSMessage with a key package: a device asks to be let in. */
  request: 4,
  /** A sealed note of one member to the others. */
  note: 5,
} as const;

/** What an entry is. */
export type EntryKind = keyof typeof ENTRY;

/** An entry of the log. */
export interface Entry {
  readonly kind: EntryKind;
  readonly body: Uint8Array;
}

const KINDS = new Map<number, EntryKind>(
  Object.entries(ENTRY).map(([kind, byte]) => [byte, kind as EntryKind]),
);

/** An entry as an operation of the log. */
export function encodeEntry(kind: EntryKind, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = ENTRY[kind];
  bytes.set(body, 1);
  return bytes;
}

/** The entry of an operation; undefined when it is none that this version knows. */
export function decodeEntry(bytes: Uint8Array): Entry | undefined {
  const kind = KINDS.get(bytes[0] ?? 0);
  return kind === undefined ? undefined : { kind, body: bytes.subarray(1) };
}

/** Entries as a snapshot of the log: a length of four bytes before each. */
export function encodeSnapshot(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((size, { length }) => size + 4 + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const entry of entries) {
    view.setUint32(at, entry.length);
    bytes.set(entry, at + 4);
    at += 4 + entry.length;
  }
  return bytes;
}

/** The entries of a snapshot; those after a cut are left out. */
export function decodeSnapshot(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Uint8Array[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = view.getUint32(at);
    if (at + 4 + length > bytes.length) break;
    entries.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return entries;
}
