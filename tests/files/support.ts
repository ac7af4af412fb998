/** Files as a client of the service sends and gets them, and stores in directories of their own. */

import { createHash } from "node:crypto";
import { SqliteBlobs } from "../../src/engine/sqlite/blobs/blobs.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import type { FileLimits, FileStoreOptions, UploadRequest } from "../../src/files/mod.ts";
import { FileStore } from "../../src/files/mod.ts";
import type { Received, TestClient } from "../support/client.ts";

const MIB = 1024 ** 2;

/** Generous. */
export const LIMITS: FileLimits = {
  maxSize: 16 * MIB,
  maxChunk: 65_536,
  window: MIB,
  maxUploads: 4,
  maxDownloads: 4,
  quota: { files: 100_000, bytes: 65_536 * MIB },
  maxTotal: 65_536 * MIB,
  allow: [],
  deny: [],
  maxAge: 86_400_000,
  partialAge: 3_600_000,
  rate: 0,
  busyRate: 0,
};

/** SHA-256 in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes that do not repeat soon, the same for the same seed. */
export function sampleBytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

/** What a user says of a file to the store. */
export function requestOf(bytes: Uint8Array, over: Partial<UploadRequest> = {}): UploadRequest {
  return {
    userId: "ann",
    owner: "s1",
    channel: "chat:a",
    name: "file.bin",
    type: "application/octet-stream",
    size: bytes.length,
    sha256: sha256(bytes),
    ...over,
  };
}

/** How a store on the disk is made. */
export type DiskStoreOptions =
  & Omit<FileStoreOptions, "blobs" | "values">
  & ConstructorParameters<typeof SqliteBlobs>[0];

/** Files on the disk, as the SQLite engine keeps them, without the rest of the engine. */
export class DiskStore extends FileStore {
  readonly blobs: SqliteBlobs;

  constructor(options: DiskStoreOptions) {
    const blobs = new SqliteBlobs(options);
    super({ ...options, blobs, values: new MemoryEngine().values });
    this.blobs = blobs;
  }

  override sweep(now: number): void {
    super.sweep(now);
    this.blobs.sweep(now);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.blobs.close();
  }
}

/** A store in a directory that is removed afterwards. */
export async function withStore(
  run: (
    open: (over?: Partial<FileLimits>, now?: () => number) => DiskStore,
    directory: string,
  ) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-files-" });
  const stores: DiskStore[] = [];
  try {
    await run((over = {}, now = Date.now) => {
      const store = new DiskStore({ directory, limits: () => ({ ...LIMITS, ...over }), now });
      stores.push(store);
      return store;
    }, directory);
  } finally {
    await Promise.all(stores.map((store) => store.close()));
    await Deno.remove(directory, { recursive: true });
  }
}

/** Nobody may read anything but their own. */
export const OWN_ONLY = () => false;

/** Sends all of `bytes` to a store from where it stands, in chunks of `size`. */
export async function pushAll(
  upload: { readonly offset: number; push(offset: number, data: Uint8Array): Promise<void> },
  bytes: Uint8Array,
  size = 50_000,
): Promise<void> {
  while (upload.offset < bytes.length) {
    const at = upload.offset;
    await upload.push(at, bytes.slice(at, at + size));
  }
}

/** All of a file, read from a store. */
export async function readAll(store: FileStore, fileId: string): Promise<Uint8Array> {
  const file = await store.get(fileId);
  const reader = await store.open(file);
  try {
    const bytes = new Uint8Array(file.size);
    let at = 0;
    for (;;) {
      const got = await reader.read(bytes.subarray(at), at);
      if (got === 0) return bytes.subarray(0, at);
      at += got;
    }
  } finally {
    reader.close();
  }
}

/** What is to be uploaded, and how. */
export interface Sending {
  readonly bytes: Uint8Array;
  readonly channel?: string;
  readonly name?: string;
  readonly type?: string;
  readonly lane?: number;
  /** The form the client was dialled with. @default "json" */
  readonly form?: "json" | "msgpack";
  /** Ends with the first acknowledgement from this offset on, without completing. */
  readonly stopAt?: number;
  /** The id of `file_upload_complete`. */
  readonly completeId?: string;
}

/** `file_upload_start`; an error in answer is thrown. */
export function startUpload(client: TestClient, sending: Sending): Promise<Received> {
  const { bytes, channel = "chat:files", name = "a file.bin", type = "application/octet-stream" } = sending;
  const payload = { channel, name, type, size: bytes.length, sha256: sha256(bytes) };
  return client.ask("file_upload_start", payload, { lane: sending.lane ?? 0 });
}

/**
 * Uploads a file as PROTOCOL.md says, heeding the window. Resolves with the payload of the answer, or with where it
 * stopped, and with the types of the answers to the start and the end.
 */
export async function uploadFile(
  client: TestClient,
  sending: Sending,
): Promise<
  {
    from: number;
    acked: number;
    uploadId: string;
    uploaded?: Received["payload"];
    answers: readonly string[];
  }
> {
  const { bytes, lane = 0, form = "json", stopAt = Infinity } = sending;
  const { type: started, payload: ready } = await startUpload(client, sending);
  const { uploadId, chunkSize, window } = ready;
  const from: number = ready.offset;
  let acked = from;
  for (let at = from; at < bytes.length;) {
    while (at - acked + chunkSize > window) {
      const ack = await client.next((message) =>
        message.type === "file_chunk_ack" || message.type === "error"
      );
      if (ack.type === "error") throw new Error(`${ack.payload.name}: ${ack.payload.message}`);
      acked = ack.payload.offset;
      if (acked >= stopAt) return { from, acked, uploadId, answers: [started] };
    }
    const chunk = bytes.slice(at, at + chunkSize);
    const data = form === "json" ? chunk.toBase64() : chunk;
    await client.send("file_chunk", { uploadId, offset: at, data }, { lane });
    at += chunk.length;
  }
  const options = { lane, ...(sending.completeId === undefined ? {} : { id: sending.completeId }) };
  const { type, payload } = await client.ask("file_upload_complete", { uploadId }, options);
  return { from, acked, uploadId, uploaded: payload, answers: [started, type] };
}

/** Downloads a file, or a part of it, over a lane. */
export async function downloadFile(
  client: TestClient,
  fileId: string,
  part: { offset?: number; length?: number } = {},
  lane = 0,
): Promise<Uint8Array> {
  const id = crypto.randomUUID();
  await client.send("file_download", { fileId, ...part }, { id, lane });
  const mine = (message: Received) => message.re === id;
  const ready = await client.next(mine);
  if (ready.type !== "file_download_ready") {
    throw new Error(`${ready.payload.name}: ${ready.payload.message}`);
  }
  const bytes = new Uint8Array(ready.payload.length);
  let at = 0;
  for (;;) {
    const { type, payload } = await client.next(mine);
    if (type !== "file_data") throw new Error(`${type}: ${payload.message}`);
    if (payload.offset !== ready.payload.offset + at) throw new Error(`a gap at ${at}: ${payload.offset}`);
    const data: Uint8Array = typeof payload.data === "string"
      ? Uint8Array.fromBase64(payload.data)
      : payload.data;
    bytes.set(data, at);
    at += data.length;
    if (payload.last) return bytes.subarray(0, at);
  }
}
