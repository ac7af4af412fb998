/** Uploads and files as the tests of blobs make them. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type {
  BlobFile,
  BlobQuota,
  Blobs,
  BlobUpload,
  BlobWriter,
  Engine,
} from "../../../src/engine/contract.ts";
import { ProtocolError } from "../../../src/protocol/mod.ts";

/** No limit that a test reaches. */
export const PLENTY: BlobQuota = { files: 1000, bytes: 2 ** 40, total: 2 ** 40 };

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that differ by `seed`. */
export function bytesOf(seed: number, length = 1000): Bytes {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255);
}

function hashOf(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("hex");
}

/** An upload of these bytes, of ann in `chat:a` unless `over` says otherwise. */
export function uploadOf(bytes: Uint8Array, over: Partial<BlobUpload> = {}): BlobUpload {
  const upload = {
    userId: "ann",
    channel: "chat:a",
    name: "a.bin",
    type: "text/plain",
    size: bytes.length,
    sha256: hashOf(bytes),
    ...over,
  };
  const { userId, channel, sha256 } = upload;
  return { key: hashOf(`${userId} ${channel} ${sha256}`), ...upload };
}

/** Reserves and opens. */
export async function begin(
  { blobs }: Engine,
  bytes: Uint8Array,
  over: Partial<BlobUpload> = {},
  quota = PLENTY,
): Promise<BlobWriter> {
  const upload = uploadOf(bytes, over);
  await blobs.reserve(upload, quota);
  return await blobs.write(upload.key);
}

/** Writes what is missing and makes a file of it. */
export async function finish(
  writer: BlobWriter,
  bytes: Uint8Array,
  fileId: string,
  createdAt = 1000,
): Promise<BlobFile> {
  if (writer.offset < bytes.length) await writer.append(new Uint8Array(bytes.subarray(writer.offset)));
  return await writer.commit({ fileId, request: `r-${fileId}`, createdAt });
}

/** Uploads a file. */
export async function keep(engine: Engine, bytes: Uint8Array, fileId: string, over = {}, createdAt?: number) {
  return await finish(await begin(engine, bytes, over), bytes, fileId, createdAt);
}

/** The whole content of a file. */
export async function readAll(blobs: Blobs, { sha256, size }: BlobFile): Promise<Bytes> {
  const reader = await blobs.open(sha256);
  try {
    const all = new Uint8Array(size + 1);
    let at = 0;
    for (let got = 1; got > 0; at += got) got = await reader.read(all.subarray(at), at);
    return all.subarray(0, at);
  } finally {
    reader.close();
  }
}

/** Asserts that `work` is refused with this error. It may throw or reject. */
export async function refused(error: ProtocolError["error"], work: () => unknown): Promise<void> {
  await assert.rejects(async () => await work(), (thrown) => {
    assert.ok(thrown instanceof ProtocolError, String(thrown));
    assert.equal(thrown.error, error);
    return true;
  });
}

/** The counts of an empty store. */
export const NOTHING = { files: 0, bytes: 0, partial: 0 };
