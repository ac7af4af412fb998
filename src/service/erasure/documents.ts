/**
 * The life of documents: who made one, that it was deleted, and when it is forgotten because nobody changes it.
 *
 * @module
 */

import type { Engine, MaybePromise } from "../../engine/contract.ts";
import { type Hub, isDocument, type Publication, type PublishHook } from "../../hub/mod.ts";
import { ProtocolError } from "../../protocol/mod.ts";

/** Milliseconds for which a deleted document cannot be made anew: whoever had it open would bring it back. */
const REMEMBERED = 30 * 86_400_000;
/** Milliseconds for which it is taken for granted that a document is not deleted: another node may have done it. */
const FRESH = 5000;
/** Documents that are remembered in memory. */
const MOST = 10_000;
/** Documents that one look at ages takes. */
const SOME = 50;
const OWNER = "owner";
const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

/** What the life of documents needs. */
export interface DocumentLifeParts {
  readonly engine: Engine;
  readonly hub: Hub;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
}

/** Deletes documents, and knows who made them. */
export class DocumentLife {
  readonly #parts: DocumentLifeParts;
  /** When a document was last seen not to be deleted. */
  readonly #alive = new Map<string, number>();
  /** Documents whose owner is kept. */
  readonly #owned = new Set<string>();
  #after = "";
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(parts: DocumentLifeParts) {
    this.#parts = parts;
    parts.hub.addHook(this.#hook());
  }

  /** Who made a document; undefined: it is not known. */
  async owner(channel: string): Promise<string | undefined> {
    const data = (await this.#parts.engine.values.get({ channel, name: OWNER }))?.data;
    return data === undefined ? undefined : TEXT.decode(data);
  }

  /**
   * Deletes a document. Who has it open is told that its history is gone, and nobody can open or write it for 30 days: a
   * client that had it would bring it back. False: nothing was kept of it.
   */
  async delete(channel: string): Promise<boolean> {
    const { values } = this.#parts.engine;
    await values.put({ name: deletedKey(channel) }, {}, { ttl: REMEMBERED });
    return await this.#forget(channel);
  }

  /** Forgets some documents that nobody changed for the `maxAge` of their namespace and nobody has open. Never rejects. */
  async expire(failed: (error: unknown) => void): Promise<void> {
    if (this.#looking !== undefined || this.#closed) return;
    await (this.#looking = this.#expire().catch(failed).finally(() => this.#looking = undefined));
  }

  /** Looks for no more documents. Resolves when no look is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking;
  }

  async #expire(): Promise<void> {
    const { engine: { log }, hub, wall } = this.#parts;
    const maxAge = hub.settings("doc:any")?.maxAge ?? 0;
    if (maxAge === 0) return void (this.#after = "");
    const after = this.#after < "doc:" ? "doc:" : this.#after;
    const names = (await log.list({ after, limit: SOME })).filter(isDocument);
    this.#after = names.length < SOME ? "" : names.at(-1)!;
    for (const channel of names) {
      if (this.#closed) return;
      const { records: [last] } = await log.read(channel, { reverse: true, limit: 1 });
      if (last === undefined || last.timestamp + maxAge > wall()) continue;
      if ((await hub.presence(channel)).length === 0) await this.#forget(channel);
    }
  }

  async #forget(channel: string): Promise<boolean> {
    this.#alive.delete(channel);
    this.#owned.delete(channel);
    return await this.#parts.engine.log.forget(channel);
  }

  #hook(): PublishHook {
    return {
      name: "life of documents",
      types: ["doc_op"],
      before: ({ channel }) => this.refuseDeleted(channel),
      // Not a promise for each operation: nearly all are of a document whose owner is known.
      after: (publication) => this.#owned.has(publication.channel) ? undefined : this.#own(publication),
    };
  }

  /** Throws or rejects with ProtocolError `unknown_channel` for a document that was deleted. */
  refuseDeleted(channel: string): MaybePromise<void> {
    const now = this.#parts.now();
    const seen = this.#alive.get(channel);
    if (seen !== undefined && now - seen < FRESH) return;
    const decide = (mark: unknown): void => {
      if (mark !== undefined) throw new ProtocolError("unknown_channel", "the document was deleted");
      if (this.#alive.size >= MOST) this.#alive.clear();
      this.#alive.set(channel, now);
    };
    const mark = this.#parts.engine.values.get({ name: deletedKey(channel) });
    return mark instanceof Promise ? mark.then(decide) : decide(mark);
  }

  /** The author of the first operation owns the document. */
  async #own({ channel, from }: Publication): Promise<void> {
    if (this.#owned.size >= MOST) this.#owned.clear();
    this.#owned.add(channel);
    const { values } = this.#parts.engine;
    const key = { channel, name: OWNER };
    if (await values.get(key) === undefined) {
      await values.put(key, { data: UTF8.encode(from) }, { revision: 0 });
    }
  }
}

function deletedKey(channel: string): string {
  return `deleted ${channel}`;
}
