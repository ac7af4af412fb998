/**
 * `doc_*`: documents that several people edit at once. Operations are opaque bytes, kept in order until a snapshot
 * covers them.
 *
 * @module
 */

import * as v from "valibot";
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
  token,
  userIdField,
} from "./fields.ts";

/** Most parts of an operation or a snapshot. */
const MAX_DOC_PARTS = 4096;

/** Opens a document; its operations travel on the lane this came on. */
export interface DocOpen {
  channel: string;
  /** The last operation the client has: those after it follow, when they are still kept. */
  since?: { epoch: string; offset: number };
}

/** What a snapshot is, before its parts come. */
export interface DocSnapshotInfo {
  /** The last operation it covers. */
  offset: number;
  /** Bytes. */
  size: number;
  parts: number;
}

/** The answer to `doc_open`; then the snapshot's parts, then every operation after `start`. */
export interface DocOpened {
  channel: string;
  epoch: string;
  /** The last operation now; 0: none. */
  offset: number;
  /** The offset after which operations follow. */
  start: number;
  /** True: `start` is what the client gave. False: begin anew, with the snapshot if there is one, else from nothing. */
  recovered: boolean;
  snapshot?: DocSnapshotInfo;
}

/** Which piece of an operation this is that does not fit one message. */
export interface DocPart {
  /** Names the operation: the same in all its parts, unique for the sender. */
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

/** An operation on its way to those who have the document open. */
export interface DocOpDelivery extends DocOp {
  /** The sender's user id. */
  from: string;
  offset: number;
  /** The offset of the operation before it; 0: it is the first one. */
  prev: number;
}

/** The client got an operation whose checksum does not fit, and wants it again. */
export interface DocNack {
  channel: string;
  epoch: string;
  offset: number;
}

/** The server got an operation whose checksum does not fit (`re` says which), and wants it again. */
export interface DocNackDelivery {
  channel: string;
  reason: "checksum";
}

/** A part of a snapshot: what the document is after all operations up to `offset`. */
export interface DocSnapshot {
  channel: string;
  epoch: string;
  offset: number;
  /** From 0; sent in order. */
  part: number;
  parts: number;
  data: Uint8Array;
  /** CRC-32 of `data`. */
  checksum: number;
}

/** The part was taken. */
export interface DocSnapshotAck {
  channel: string;
  offset: number;
  part: number;
  /** With the last part. False: a snapshot at this offset or a later one is kept already. */
  kept?: boolean;
}

/** Who has the document open does what, where: opaque, not kept, may be lost. */
export interface DocAwareness {
  channel: string;
  data: Uint8Array;
}

/** What the others get. */
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
  checksum: integer(0, 0xffffffff),
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

const docOpDelivery: Schema<DocOpDelivery> = shape({
  ...OP,
  from: userIdField(),
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

/** Checks `doc_snapshot`, the same in both directions. */
const docSnapshot: Schema<DocSnapshot> = v.pipe(
  shape({
    channel: channelField(),
    epoch: epochField(),
    offset: offsetField(),
    part: integer(0, MAX_DOC_PARTS - 1),
    parts: integer(1, MAX_DOC_PARTS),
    data: bytesField(),
    checksum: integer(0, 0xffffffff),
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

/** Checks `doc_close`, and `doc_closed`, which says the same. */
const docClose: Schema<DocClose> = shape({ channel: channelField() });

/** What a client sends. */
export interface DocClientPayloads {
  doc_open: DocOpen;
  doc_op: DocOp;
  doc_nack: DocNack;
  doc_snapshot: DocSnapshot;
  doc_awareness: DocAwareness;
  doc_close: DocClose;
}

/** Its schemas. */
export const DOC_CLIENT: Schemas<DocClientPayloads> = {
  doc_open: docOpen,
  doc_op: docOp,
  doc_nack: docNack,
  doc_snapshot: docSnapshot,
  doc_awareness: docAwareness,
  doc_close: docClose,
};

/** What a server sends. */
export interface DocServerPayloads {
  doc_opened: DocOpened;
  doc_op: DocOpDelivery;
  doc_nack: DocNackDelivery;
  doc_snapshot: DocSnapshot;
  doc_snapshot_ack: DocSnapshotAck;
  doc_awareness: DocAwarenessDelivery;
  doc_closed: DocClose;
}

/** Its schemas. */
export const DOC_SERVER: Schemas<DocServerPayloads> = {
  doc_opened: docOpened,
  doc_op: docOpDelivery,
  doc_nack: docNackDelivery,
  doc_snapshot: docSnapshot,
  doc_snapshot_ack: docSnapshotAck,
  doc_awareness: docAwarenessDelivery,
  doc_closed: docClose,
};
