/**
 * Files: `file_upload_start` -> `file_upload_ready`, `file_chunk` -> `file_chunk_ack`, `file_upload_complete` ->
 * `file_uploaded`; `file_download` -> `file_download_ready` and `file_data`; `file_link` -> `file_link_response`.
 *
 * @module
 */

import * as v from "valibot";
import type { Payload } from "../message.ts";
import {
  bytesField,
  channelField,
  flag,
  integer,
  type Schema,
  type Schemas,
  shape,
  text,
  token,
} from "./fields.ts";

/** Longest name of a file, in characters. */
const MAX_FILE_NAME_LENGTH = 255;
/** Longest media type, in characters. */
const MAX_FILE_TYPE_LENGTH = 127;
/** Most bytes of a chunk, whatever a server allows. */
const MAX_FILE_CHUNK = 1024 ** 2;
/** Longest id of an upload or file, in characters. */
const MAX_ID = 64;

/** Begins an upload or resumes one: the same user, channel, size and hash is the same upload. */
export interface FileUploadStart {
  /** The conversation the file is announced in. */
  channel: string;
  /** Shown to people; never a path. */
  name: string;
  /** Bytes. */
  size: number;
  /** A media type; empty: not known. */
  type: string;
  /** Of the whole file, 64 hexadecimal digits. */
  sha256: string;
}

/** The server takes chunks. */
export interface FileUploadReady {
  uploadId: string;
  /** Bytes the server has: the first chunk begins here. */
  offset: number;
  /** Most bytes of a chunk: it fits a message in either form. */
  chunkSize: number;
  /** Bytes that may be on their way without an acknowledgement. */
  window: number;
  /** The server has the whole file and the user may read it: complete at once. */
  exists?: boolean;
}

/** A piece of a file. */
export interface FileChunk {
  uploadId: string;
  /** The end of the chunk before it. */
  offset: number;
  data: Uint8Array;
}

/** Everything before `offset` is written. */
export interface FileChunkAck {
  uploadId: string;
  offset: number;
}

/** The payload of `file_upload_complete`, `file_upload_cancel` and `file_upload_cancelled`. */
export interface FileUploadId {
  uploadId: string;
}

/** What is known of a file. */
export interface FileInfo {
  fileId: string;
  /** Path on the HTTP port. It needs a token. */
  url: string;
  name: string;
  size: number;
  type: string;
  sha256: string;
}

/** The file is kept, and announced in its channel. */
export interface FileUploaded extends FileInfo {
  channel: string;
  /** When it is deleted: milliseconds since the epoch. */
  expiresAt: number;
}

/** Asks for a file, or a part of it, on this lane. */
export interface FileDownload {
  fileId: string;
  /** @default 0 */
  offset: number;
  /** Bytes. @default all that follow */
  length?: number;
}

/** `file_data` follows. */
export interface FileDownloadReady extends FileInfo {
  offset: number;
  /** Bytes that follow. */
  length: number;
}

/** A piece of a file for a client; `re` is the id of its `file_download`. */
export interface FileData {
  fileId: string;
  offset: number;
  data: Uint8Array;
  /** It is the last piece. */
  last: boolean;
}

/** Ends a download; `download` is the id of its `file_download`. */
export interface FileDownloadCancel {
  download: string;
}

/** Asks for a URL that needs no token. */
export interface FileLink {
  fileId: string;
}

/** A URL that everybody who has it may read, for a short time. */
export interface FileLinkResponse {
  fileId: string;
  /** Path and query on the HTTP port. */
  url: string;
  /** Seconds. */
  expiresIn: number;
}

const HEX = /^[0-9a-f]{64}$/;
const sha256 = (): Schema<string> =>
  v.custom<string>((h) => typeof h === "string" && HEX.test(h), "64 hexadecimal digits in lower case");

const uploadId = (): Schema<string> => token(MAX_ID);
const fileId = (): Schema<string> => token(MAX_ID);

const INFO = {
  fileId: fileId(),
  url: text(1024),
  name: text(MAX_FILE_NAME_LENGTH),
  size: integer(0),
  type: text(MAX_FILE_TYPE_LENGTH),
  sha256: sha256(),
} as const;

const fileUploadStart: Schema<FileUploadStart> = shape({
  channel: channelField(),
  name: v.pipe(
    v.string("a text"),
    v.minLength(1, "a text that is not empty"),
    v.maxLength(MAX_FILE_NAME_LENGTH, `a text of at most ${MAX_FILE_NAME_LENGTH} characters`),
  ),
  size: integer(0),
  type: text(MAX_FILE_TYPE_LENGTH),
  sha256: sha256(),
});

const fileUploadReady: Schema<FileUploadReady> = shape({
  uploadId: uploadId(),
  offset: integer(0),
  chunkSize: integer(1, MAX_FILE_CHUNK),
  window: integer(1),
  exists: v.exactOptional(flag()),
});

/** `parseChunk` checks the same, faster. */
const fileChunk: Schema<FileChunk> = shape({
  uploadId: uploadId(),
  offset: integer(0),
  data: v.pipe(bytesField(MAX_FILE_CHUNK), v.check((data) => data.length > 0, "at least one byte")),
});

const fileChunkAck: Schema<FileChunkAck> = shape({ uploadId: uploadId(), offset: integer(0) });

const fileUploadId: Schema<FileUploadId> = shape({ uploadId: uploadId() });

const fileUploaded: Schema<FileUploaded> = shape({
  ...INFO,
  channel: channelField(),
  expiresAt: integer(0),
});

const fileDownload: Schema<FileDownload> = shape({
  fileId: fileId(),
  offset: v.optional(integer(0), 0),
  length: v.exactOptional(integer(0)),
});

const fileDownloadReady: Schema<FileDownloadReady> = shape({
  ...INFO,
  offset: integer(0),
  length: integer(0),
});

const fileData: Schema<FileData> = shape({
  fileId: fileId(),
  offset: integer(0),
  data: bytesField(MAX_FILE_CHUNK),
  last: flag(),
});

const fileDownloadCancel: Schema<FileDownloadCancel> = shape({ download: token(64) });

const fileLink: Schema<FileLink> = shape({ fileId: fileId() });

const fileLinkResponse: Schema<FileLinkResponse> = shape({
  fileId: fileId(),
  url: text(1024),
  expiresIn: integer(0),
});

/**
 * Checks a `file_chunk` whose `data` is bytes; written by hand because it runs for every chunk. Undefined: it is another
 * one, or something is wrong with it, and the schema has to say what.
 */
export function parseChunk({ uploadId, offset, data }: Payload): FileChunk | undefined {
  if (!(data instanceof Uint8Array) || data.length === 0 || data.length > MAX_FILE_CHUNK) return undefined;
  if (!Number.isSafeInteger(offset) || (offset as number) < 0) return undefined;
  if (typeof uploadId !== "string" || !ID.test(uploadId)) return undefined;
  return { uploadId, offset: offset as number, data };
}

const ID = new RegExp(`^[\\x21-\\x7e]{1,${MAX_ID}}$`);

/** A file of the user's own is to be removed, or anybody's with the right `admin`. */
export interface FileDelete {
  fileId: string;
}

/** The file is removed. */
export interface FileDeleted {
  fileId: string;
  /** It was there. */
  deleted: boolean;
}

const fileDelete: Schema<FileDelete> = shape({ fileId: token(MAX_ID) });
const fileDeleted: Schema<FileDeleted> = shape({ fileId: token(MAX_ID), deleted: flag() });

/** What a client sends. */
export interface FileClientPayloads {
  file_upload_start: FileUploadStart;
  file_chunk: FileChunk;
  file_upload_complete: FileUploadId;
  file_upload_cancel: FileUploadId;
  file_download: FileDownload;
  file_download_cancel: FileDownloadCancel;
  file_link: FileLink;
  file_delete: FileDelete;
}

/** Its schemas. */
export const FILE_CLIENT: Schemas<FileClientPayloads> = {
  file_upload_start: fileUploadStart,
  file_chunk: fileChunk,
  file_upload_complete: fileUploadId,
  file_upload_cancel: fileUploadId,
  file_download: fileDownload,
  file_download_cancel: fileDownloadCancel,
  file_link: fileLink,
  file_delete: fileDelete,
};

/** What a server sends. */
export interface FileServerPayloads {
  file_upload_ready: FileUploadReady;
  file_chunk_ack: FileChunkAck;
  file_uploaded: FileUploaded;
  file_upload_cancelled: FileUploadId;
  file_download_ready: FileDownloadReady;
  file_data: FileData;
  file_link_response: FileLinkResponse;
  file_deleted: FileDeleted;
}

/** Its schemas. */
export const FILE_SERVER: Schemas<FileServerPayloads> = {
  file_upload_ready: fileUploadReady,
  file_chunk_ack: fileChunkAck,
  file_uploaded: fileUploaded,
  file_upload_cancelled: fileUploadId,
  file_download_ready: fileDownloadReady,
  file_data: fileData,
  file_link_response: fileLinkResponse,
  file_deleted: fileDeleted,
};
