/**
 * `doc_*`: documents that several people edit at once. Operations are opaque bytes, kept in order until a snapshot
 * covers them.
 *
 * @module
 */

import * as v from "valibot";
import { isChannel } from "../channel.ts";
import type { Payload } from "../message.ts";
import {
  bytesField,
  channelField,
  epochField,
  flag,
  integer,
  offsetField,
  type Schema,
  type Schemas,
  shape,
  toBytes,
  token,
  userIdField,
} from "./fields.ts";

/** Most parts of an operation or a snapshot. */
const MAX_DOC_PARTS = 4096;
/** A CRC-32 has 32 bits. */
const MAX_CHECKSUM = 0xffffffff;

/** Opens a document. Its operations travel on the lane of this message. */
export interface DocOpen {
  channel: string;
  /** The last operation that the client has; those after it follow if they are still kept. */
  since?: { epoch: string; offset: number };
}

/** A snapshot whose parts follow. */
export interface DocSnapshotInfo {
  /** The last operation it covers. */
  offset: number;
  /** Bytes. */
  size: number;
  parts: number;
}

/** The answer to `doc_open`. The parts of the snapshot follow, then every operation after `start`. */
export interface DocOpened {
  channel: string;
  epoch: string;
  /** The last operation now; 0: none. */
  offset: number;
  /** The offset after which operations follow. */
  start: number;
  /** True: `start` is what the client gave. False: the client begins anew, with the snapshot if there is one. */
  recovered: boolean;
  snapshot?: DocSnapshotInfo;
}

/** The place of a part in an operation that does not fit one message. */
export interface DocPart {
  /** The name of the operation: all its parts have it, no other operation of the sender does. */
  op: string;
  /** From 0. */
  index: number;
  count: number;
}

/** An operation, or a part of one. */
export interface DocOp {
  channel: string;
  data: Uint8Array;
  /** CRC-32 of `data`. */
  checksum: number;
  part?: DocPart;
}

/** An operation as it is delivered to those who have the document open. */
export interface DocOpDelivery extends DocOp {
  /** The sender's user id. */
  from: string;
  offset: number;
  /** The offset of the operation before it; 0: it is the first one. */
  prev: number;
}

/** No more parts of an operation will come: those that came do not count. */
export interface DocOpGivenUp {
  channel: string;
  /** The sender of the operation. */
  from: string;
  /** The name that its parts share. */
  op: string;
  offset: number;
  prev: number;
}

/** The checksum of an operation that the client got does not fit: the client asks for it again. */
export interface DocNack {
  channel: string;
  epoch: string;
  offset: number;
}

/** The checksum of an operation that the server got does not fit (`re` says of which): the server asks for it again. */
export interface DocNackDelivery {
  channel: string;
  reason: "checksum";
}

/** A part of a snapshot, which is the state of the document after all operations up to `offset`. */
export interface DocSnapshot {
  channel: string;
  epoch: string;
  offset: number;
  /** From 0. Parts are sent in order. */
  part: number;
  parts: number;
  data: Uint8Array;
  /** CRC-32 of `data`. */
  checksum: number;
}

/** The server has the part. */
export interface DocSnapshotAck {
  channel: string;
  offset: number;
  part: number;
  /** Present with the last part. False: a snapshot at this offset or a later one was kept before. */
  kept?: boolean;
}

/** What a user does in an open document, a cursor for example: opaque, not kept, may be lost. */
export interface DocAwareness {
  channel: string;
  data: Uint8Array;
}

/** It is delivered to the others who have the document open. */
export interface DocAwarenessDelivery extends DocAwareness {
  /** The sender's user id. */
  from: string;
  /** The sender's session. */
  session: string;
}

/** Leaves a document. */
export interface DocClose {
  channel: string;
}

const partField = v.pipe(
  shape({ op: token(64), index: integer(0, MAX_DOC_PARTS - 1), count: integer(1, MAX_DOC_PARTS) }),
  v.check(({ index, count }) => index < count, "index is less than count"),
);

const OP = {
  channel: channelField(),
  data: bytesField(),
  checksum: integer(0, MAX_CHECKSUM),
  part: v.exactOptional(partField),
} as const;

const docOpen: Schema<DocOpen> = shape({
  channel: channelField(),
  since: v.exactOptional(shape({ epoch: epochField(), offset: offsetField() })),
});

const docOpened: Schema<DocOpened> = shape({
  channel: channelField(),
  epoch: epochField(),
  offset: offsetField(),
  start: offsetField(),
  recovered: flag(),
  snapshot: v.exactOptional(
    shape({ offset: offsetField(), size: integer(0), parts: integer(1, MAX_DOC_PARTS) }),
  ),
});

const docOp: Schema<DocOp> = shape(OP);

/**
 * What `docOp` takes when it is not in parts, checked by hand: one comes for each keystroke, and the schema takes a fifth
 * of its processor time. Undefined leaves it to the schema, which says what is wrong.
 */
export function parseDocOp({ channel, data, checksum, part }: Payload): DocOp | undefined {
  if (part !== undefined || typeof channel !== "string" || !isChannel(channel)) return undefined;
  if (!Number.isSafeInteger(checksum)) return undefined;
  if ((checksum as number) < 0 || (checksum as number) > MAX_CHECKSUM) return undefined;
  const bytes = toBytes(data);
  return bytes === undefined ? undefined : { channel, data: bytes, checksum: checksum as number };
}

const docOpDelivery: Schema<DocOpDelivery> = shape({
  ...OP,
  from: userIdField(),
  offset: offsetField(),
  prev: offsetField(),
});

const docOpGivenUp: Schema<DocOpGivenUp> = shape({
  channel: channelField(),
  from: userIdField(),
  op: token(64),
  offset: offsetField(),
  prev: offsetField(),
});

const docNack: Schema<DocNack> = shape({
  channel: channelField(),
  epoch: epochField(),
  offset: integer(1),
});

const docNackDelivery: Schema<DocNackDelivery> = shape({
  channel: channelField(),
  reason: v.literal("checksum", "checksum"),
});

/** The same in both directions. */
const docSnapshot: Schema<DocSnapshot> = v.pipe(
  shape({
    channel: channelField(),
    epoch: epochField(),
    offset: offsetField(),
    part: integer(0, MAX_DOC_PARTS - 1),
    parts: integer(1, MAX_DOC_PARTS),
    data: bytesField(),
    checksum: integer(0, MAX_CHECKSUM),
  }),
  v.check(({ part, parts }) => part < parts, "part is less than parts"),
);

const docSnapshotAck: Schema<DocSnapshotAck> = shape({
  channel: channelField(),
  offset: offsetField(),
  part: integer(0, MAX_DOC_PARTS - 1),
  kept: v.exactOptional(flag()),
});

const docAwareness: Schema<DocAwareness> = shape({ channel: channelField(), data: bytesField() });

const docAwarenessDelivery: Schema<DocAwarenessDelivery> = shape({
  channel: channelField(),
  data: bytesField(),
  from: userIdField(),
  session: token(64),
});

/** A document that the user made is to be deleted, or anybody's with the right `admin`. */
export interface DocDelete {
  channel: string;
}

/** The document is deleted. */
export interface DocDeleted {
  channel: string;
  /** It was there. */
  deleted: boolean;
}

const docDeleted: Schema<DocDeleted> = shape({ channel: channelField(), deleted: flag() });

/** Of `doc_close`, `doc_closed` and `doc_delete`. */
const docClose: Schema<DocClose> = shape({ channel: channelField() });

/** What a client sends. */
export interface DocClientPayloads {
  doc_open: DocOpen;
  doc_op: DocOp;
  doc_nack: DocNack;
  doc_snapshot: DocSnapshot;
  doc_awareness: DocAwareness;
  doc_close: DocClose;
  doc_delete: DocDelete;
}

/** Its schemas. */
export const DOC_CLIENT: Schemas<DocClientPayloads> = {
  doc_open: docOpen,
  doc_op: docOp,
  doc_nack: docNack,
  doc_snapshot: docSnapshot,
  doc_awareness: docAwareness,
  doc_close: docClose,
  doc_delete: docClose,
};

/** What a server sends. */
export interface DocServerPayloads {
  doc_opened: DocOpened;
  doc_op: DocOpDelivery;
  doc_op_given_up: DocOpGivenUp;
  doc_nack: DocNackDelivery;
  doc_snapshot: DocSnapshot;
  doc_snapshot_ack: DocSnapshotAck;
  doc_awareness: DocAwarenessDelivery;
  doc_closed: DocClose;
  doc_deleted: DocDeleted;
}

/** Its schemas. */
export const DOC_SERVER: Schemas<DocServerPayloads> = {
  doc_opened: docOpened,
  doc_op: docOpDelivery,
  doc_op_given_up: docOpGivenUp,
  doc_nack: docNackDelivery,
  doc_snapshot: docSnapshot,
  doc_snapshot_ack: docSnapshotAck,
  doc_awareness: docAwarenessDelivery,
  doc_closed: docClose,
  doc_deleted: docDeleted,
};
