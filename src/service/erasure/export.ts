/**
 * What belongs to a user, in pages: each is a bounded amount of work, and says where the next one begins.
 *
 * @module
 */

import type { Engine, StoredRecord } from "../../engine/contract.ts";
import { isDocument, readPositionOf } from "../../hub/mod.ts";
import { inboxOf, ProtocolError } from "../../protocol/mod.ts";
import type { ApiExport, ApiExported } from "../../protocol/api/types.ts";
import type { DocumentLife } from "./documents.ts";

/** Messages that a page looks at, and bytes that it holds, about. */
const LOOK = 2000, BYTES = 512 * 1024;
/** Messages read at once. */
const READ = 200;
/** Bytes of a file in one item. */
const PIECE = 192 * 1024;
const SNAPSHOT = "snapshot";

/** Where a page begins. */
type Cursor =
  | { readonly at: "channels"; readonly after: string; readonly channel?: string; readonly since?: number }
  | { readonly at: "files"; readonly after: string; readonly from?: number };

/** Exports what belongs to users. */
export class UserExport {
  readonly #engine: Engine;
  readonly #documents: DocumentLife;

  constructor(engine: Engine, documents: DocumentLife) {
    this.#engine = engine;
    this.#documents = documents;
  }

  /** A page; `cursor` is the `next` of the one before. Rejects with ProtocolError `bad_payload` for another cursor. */
  async page(user: string, cursor?: string): Promise<ApiExport> {
    const page = new Page(user);
    let next: Cursor | undefined = cursor === undefined ? { at: "channels", after: "" } : parse(cursor);
    while (next !== undefined && !page.isFull) {
      next = next.at === "channels" ? await this.#channels(page, next) : await this.#files(page, next);
    }
    const { items } = page;
    return next === undefined ? { items } : { items, next: btoa(JSON.stringify(next)) };
  }

  async #channels(page: Page, cursor: Cursor & { at: "channels" }): Promise<Cursor> {
    const { after } = cursor;
    const channel = cursor.channel ?? (await this.#engine.log.list({ after, limit: 1 }))[0];
    if (channel === undefined) return { at: "files", after: "" };
    if (cursor.since === undefined) await this.#beside(page, channel);
    let since = cursor.since ?? 0;
    while (!page.isFull) {
      const { records, offset } = await this.#engine.log.read(channel, { since, limit: READ, bytes: BYTES });
      page.looked += records.length;
      for (const record of records) {
        if (await this.#belongs(record, channel, page.user)) page.add(messageOf(channel, record));
      }
      since = records.at(-1)?.offset ?? offset;
      if (since >= offset || records.length === 0) {
        page.looked++;
        return { at: "channels", after: channel };
      }
    }
    return { at: "channels", after, channel, since };
  }

  async #belongs({ from }: StoredRecord, channel: string, user: string): Promise<boolean> {
    if (from === user || channel === inboxOf(user)) return true;
    return isDocument(channel) && await this.#documents.owner(channel) === user;
  }

  /** What is kept beside a channel. */
  async #beside(page: Page, channel: string): Promise<void> {
    const { values } = this.#engine;
    const read = await values.get({ channel, name: readPositionOf(page.user) });
    if (read?.at !== undefined) page.add({ kind: "read_position", channel, ...read.at });
    if (!isDocument(channel) || await this.#documents.owner(channel) !== page.user) return;
    const snapshot = await values.get({ channel, name: SNAPSHOT });
    page.add({
      kind: "document",
      channel,
      ...(snapshot?.data === undefined ? {} : { snapshot: snapshot.data.toBase64(), ...snapshot.at }),
    });
  }

  async #files(page: Page, { after, from }: Cursor & { at: "files" }): Promise<Cursor | undefined> {
    const { blobs } = this.#engine;
    const [file] = await blobs.list({ userId: page.user, after, limit: 1 });
    if (file === undefined) return undefined;
    const { fileId, size } = file;
    if (from === undefined) {
      const { channel, name, type, sha256, createdAt } = file;
      page.add({ kind: "file", fileId, channel, name, type, size, sha256, createdAt });
    }
    let at = from ?? 0;
    const reader = await blobs.open(file.sha256);
    try {
      while (at < size && !page.isFull) {
        const buffer = new Uint8Array(Math.min(PIECE, size - at));
        const got = await reader.read(buffer, at);
        if (got === 0) throw new ProtocolError("not_available", "a file is shorter than it was");
        page.add({ kind: "file_data", fileId, at, data: buffer.subarray(0, got).toBase64() });
        at += got;
      }
    } finally {
      reader.close();
    }
    return at < size ? { at: "files", after, from: at } : { at: "files", after: fileId };
  }
}

class Page {
  readonly items: ApiExported[] = [];
  looked = 0;
  #bytes = 0;

  constructor(readonly user: string) {}

  get isFull(): boolean {
    return this.#bytes >= BYTES || this.looked >= LOOK;
  }

  add(item: ApiExported): void {
    this.items.push(item);
    this.#bytes += JSON.stringify(item).length;
  }
}

function messageOf(
  channel: string,
  { type, id, from, offset, timestamp, payload }: StoredRecord,
): ApiExported {
  const { data } = payload;
  const told = data instanceof Uint8Array ? { ...payload, data: data.toBase64() } : payload;
  return { kind: "message", channel, offset, type, id, from, timestamp, payload: told };
}

function parse(cursor: string): Cursor {
  try {
    const { at, after, channel, since, from } = JSON.parse(atob(cursor));
    const isPlace = (at === "channels" || at === "files") && typeof after === "string" &&
      (channel === undefined || typeof channel === "string") &&
      [since, from].every((each) => each === undefined || Number.isSafeInteger(each) && each >= 0);
    if (isPlace) return { at, after, channel, since, from } as Cursor;
  } catch {
    // It is none of ours.
  }
  throw new ProtocolError("bad_payload", "cursor: the next of an earlier page");
}
