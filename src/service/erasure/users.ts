/**
 * What belongs to a user: exported in pages, and erased.
 *
 * @module
 */

import { quietDeferred } from "../../async/deferred.ts";
import type { Engine, Redacted } from "../../engine/contract.ts";
import { type Hub, isDocument, readPositionOf } from "../../hub/mod.ts";
import { inboxOf, ProtocolError, uuidv7 } from "../../protocol/mod.ts";
import type { ApiErased } from "../../protocol/api/types.ts";
import type { DocumentLife } from "./documents.ts";

/** The users whose data is being erased, as a value: an erasure that was interrupted goes on. */
const UNDER_WAY = "erasures";
/** Times that another node may be faster. */
const ATTEMPTS = 32;
/** Looks at the service's own channels: what waits for a back end moves from one to another. */
const OWN_LOOKS = 8;
/** The newest messages of a channel that are deleted so that clients who show them hear of it, and the part of a history they may push out. */
const TOLD = { most: 50, share: 0.1, lookedAt: 500 };
const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

/** What erasing needs. */
export interface ErasureParts {
  readonly engine: Engine;
  readonly hub: Hub;
  readonly documents: DocumentLife;
  /** Refuses the tokens of a user that there are, and ends the connections that came with them. */
  readonly endUser: (user: string) => Promise<void>;
  readonly events: ErasureEvents;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** What erasing comes to, for metrics and log lines. */
export interface ErasureEvents {
  /** Nothing of a user is left. `ms`: how long it took. */
  erased(erased: ApiErased, ms: number): void;
  /** It is tried again later. Without `user` it is not known whose data is being erased. */
  failed(error: unknown, user?: string): void;
}

/** Erases what belongs to users. */
export class Erasures {
  readonly #parts: ErasureParts;
  readonly #running = new Map<string, Promise<ApiErased>>();
  #resuming: Promise<void> | undefined;
  /** Rejects when it is closed. */
  readonly #over = quietDeferred<never>();
  #closed: ProtocolError | undefined;

  constructor(parts: ErasureParts) {
    this.#parts = parts;
  }

  /** Users who are being erased by this node. */
  get active(): number {
    return this.#running.size;
  }

  /**
   * Erases what belongs to a user; another call meanwhile gets the same answer. Of messages in channels of others a mark
   * without content stays. It survives the end of the process: `resume` goes on. Rejects with ProtocolError.
   */
  erase(user: string): Promise<ApiErased> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    let running = this.#running.get(user);
    if (running === undefined) {
      running = this.#observed(user).finally(() => this.#running.delete(user));
      this.#running.set(user, running);
    }
    return running;
  }

  /** Goes on with what was interrupted; one user who cannot be erased now holds up no other. Never rejects. */
  async resume(): Promise<void> {
    if (this.#resuming !== undefined || this.#closed !== undefined) return;
    await (this.#resuming = this.#resume().finally(() => this.#resuming = undefined));
  }

  /** Begins nothing more. Resolves when nothing of it is under way: what is not done goes on at the next start. */
  async close(): Promise<void> {
    this.#over.reject(this.#closed ??= new ProtocolError("not_available", "shutting down"));
    await Promise.allSettled([this.#resuming, ...this.#running.values()]);
  }

  async #resume(): Promise<void> {
    try {
      // A failure has been told of, and is tried again with the next call.
      for (const user of await this.#underWay()) await this.erase(user).catch(() => {});
    } catch (error) {
      this.#parts.events.failed(error);
    }
  }

  /** Throws once it is closed. */
  #goOn(): void {
    if (this.#closed !== undefined) throw this.#closed;
  }

  async #observed(user: string): Promise<ApiErased> {
    const { events, now } = this.#parts;
    const began = now();
    try {
      const erased = await this.#erase(user);
      events.erased(erased, now() - began);
      return erased;
    } catch (error) {
      if (error !== this.#closed) events.failed(error, user);
      throw error;
    }
  }

  async #erase(user: string): Promise<ApiErased> {
    const { engine, hub, endUser } = this.#parts;
    await this.#note((users) => users.includes(user) ? users : [...users, user]);
    this.#goOn();
    await endUser(user);
    const erased = { user, done: true, messages: 0, documents: 0, files: 0 };
    await this.#eraseFiles(user, erased);
    await hub.keyPackages.forget(user);
    for await (const channel of channelsOf(engine)) {
      this.#goOn();
      if (!isOwn(channel)) await this.#eraseIn(channel, user, erased);
    }
    await this.#eraseInOwn(user);
    // It takes long, and ends with the engine.
    await Promise.race([engine.scrub(), this.#over.promise]);
    await this.#note((users) => users.filter((each) => each !== user));
    return erased;
  }

  /**
   * Takes the words of a user from the channels that clients cannot name. After all others: what is committed there is told
   * of here. Until a look finds nothing: what is given up moves on, perhaps into a channel that was looked at before.
   */
  async #eraseInOwn(user: string): Promise<void> {
    const { engine } = this.#parts;
    for (let looks = 0, count = 1; count > 0 && looks < OWN_LOOKS; looks++) {
      count = 0;
      for await (const channel of channelsOf(engine)) {
        this.#goOn();
        if (isOwn(channel)) count += await this.#redact(channel, user);
      }
    }
  }

  async #eraseFiles(user: string, erased: ApiErased): Promise<void> {
    const { blobs } = this.#parts.engine;
    for (const key of await blobs.uploads(user)) await blobs.discard(key);
    for (;;) {
      const files = await blobs.list({ userId: user, limit: 100 });
      if (files.length === 0) return;
      this.#goOn();
      for (const { fileId } of files) if (await blobs.delete(fileId)) erased.files++;
    }
  }

  async #eraseIn(channel: string, user: string, erased: ApiErased): Promise<void> {
    const { log, values } = this.#parts.engine;
    const { documents } = this.#parts;
    if (channel === inboxOf(user)) return void await log.forget(channel);
    await values.delete({ channel, name: readPositionOf(user) });
    if (isDocument(channel)) {
      if (await documents.owner(channel) === user && await documents.delete(channel)) erased.documents++;
      return;
    }
    erased.messages += await this.#tellOf(channel, user) + await this.#redact(channel, user);
  }

  /** How many messages of a channel had words of a user. */
  async #redact(channel: string, user: string): Promise<number> {
    const { log } = this.#parts.engine;
    let since: number | undefined = 0, count = 0;
    while (since !== undefined) {
      this.#goOn();
      const redacted: Redacted = await log.redact(channel, { from: user, since });
      count += redacted.count;
      since = redacted.upTo;
    }
    return count;
  }

  /** Deletes the newest messages as anybody's deletion would, so that clients take them away. */
  async #tellOf(channel: string, user: string): Promise<number> {
    const { engine: { log }, hub } = this.#parts;
    const size = hub.settings(channel)?.retention.size ?? 0;
    const most = Math.min(TOLD.most, Math.floor(size * TOLD.share));
    const { records } = await log.read(channel, { reverse: true, limit: TOLD.lookedAt });
    const own = records.filter(({ type, from, payload }) =>
      type === "chat_message" && from === user && payload.deleted === undefined
    ).slice(0, most);
    for (const { offset: target } of own) {
      this.#goOn();
      await hub.publish({
        origin: "service",
        from: "server",
        channel,
        id: uuidv7(),
        type: "chat_delete",
        payload: { target },
        edit: { kind: "erase", target },
      });
    }
    return own.length;
  }

  async #underWay(): Promise<readonly string[]> {
    const value = await this.#parts.engine.values.get({ name: UNDER_WAY });
    return value?.data === undefined ? [] : JSON.parse(TEXT.decode(value.data));
  }

  async #note(change: (users: readonly string[]) => readonly string[]): Promise<void> {
    const { values } = this.#parts.engine;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const value = await values.get({ name: UNDER_WAY });
      const before: readonly string[] = value?.data === undefined ? [] : JSON.parse(TEXT.decode(value.data));
      const data = UTF8.encode(JSON.stringify(change(before)));
      if (await values.put({ name: UNDER_WAY }, { data }, { revision: value?.revision ?? 0 }) !== undefined) {
        return;
      }
    }
    throw new ProtocolError("not_available", "too many others change it");
  }
}

/** Whether a channel is of the service itself: the names of others begin with a letter. */
function isOwn(channel: string): boolean {
  return channel.startsWith("$");
}

/** The names of all channels that something is kept of. */
async function* channelsOf({ log }: Engine): AsyncGenerator<string> {
  let after = "";
  for (;;) {
    const names = await log.list({ after, limit: 200 });
    yield* names;
    if (names.length < 200) return;
    after = names.at(-1)!;
  }
}
