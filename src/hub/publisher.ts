/**
 * The one way to publish: the checks that hold for messages of every origin, and the hooks around the commit.
 *
 * @module
 */

import type { Log, MaybePromise, Published, PublishOptions, Retention } from "../engine/contract.ts";
import {
  BROADCAST_CHANNEL,
  clientRow,
  fitsEveryForm,
  type Form,
  type KeptIn,
  type KeptType,
  type Payload,
  type Principal,
  ProtocolError,
  type Right,
  serverRow,
} from "../protocol/mod.ts";
import type { HookChain, PublishHook, PublishHooks } from "./hooks.ts";
import type { Publication, PublishRequest, SendPlace } from "./publication.ts";
import { DOCUMENT_RETENTION, isDocument, mayPublish, type NamespaceLookup, settingsOf } from "./settings.ts";

/** What a publisher is made of; see `HubOptions`. */
export interface PublisherParts {
  readonly log: Log;
  readonly namespace: NamespaceLookup;
  readonly maxMessage: () => number;
  readonly hooks: PublishHooks;
  readonly now: () => number;
}

/** Publishes messages of every origin. */
export class Publisher {
  readonly #parts: PublisherParts;
  readonly #hooks: PublishHooks;
  /** Publications that a hook holds, by channel and sender: resolves when all of them were handed to the engine or refused. */
  readonly #held = new Map<string, Promise<unknown>>();

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    this.#hooks = parts.hooks;
  }

  /** Adds a hook. Throws TypeError when there is one of its name. */
  addHook(hook: PublishHook): void {
    this.#hooks.add(hook);
  }

  /** Removes the hook of that name. */
  removeHook(name: string): void {
    this.#hooks.remove(name);
  }

  /**
   * Publishes; subscribers of all nodes get it. Resolves once committed. The same id of the same sender in the same
   * channel has one effect, whatever its origin. Throws or rejects with ProtocolError: `unknown_channel`,
   * `not_a_document`, `permission_denied`, `message_too_large`, what a hook refuses with, or what the engine says.
   */
  publish(request: PublishRequest): MaybePromise<Published> {
    const { origin, channel, id, client, payload, isNewId } = request;
    const type = request.type ?? CONTENT_TYPES[kindOf(channel)];
    const retention = this.#admit(request, type);
    this.#measure(payload, request.form);
    const publication: Publication = {
      origin,
      channel,
      type,
      id,
      from: client === undefined ? request.from : client.principal.userId,
      client,
      payload,
      edit: request.edit,
      isNewId,
      depth: request.depth ?? 0,
      kept: undefined,
    };
    const chain = this.#hooks.of(type);
    if (chain === undefined) return this.#commit(publication, retention);
    const asked = chain.before.length === 0 ? undefined : this.#hooks.before(chain, publication);
    const earlier = this.#held.size === 0 ? undefined : this.#held.get(senderOf(publication));
    if (asked === undefined && earlier === undefined) {
      return this.#commitAndTell(chain, publication, payload, retention);
    }
    const { place } = request;
    return this.#hold(
      publication,
      [asked, earlier],
      () => this.#commitAndTell(chain, publication, payload, retention, place),
      place,
    );
  }

  /** Commits a publication once a hook lets it go on, after earlier ones of its sender to the same channel. */
  #hold(
    publication: Publication,
    [asked, earlier]: [MaybePromise<void>, Promise<unknown> | undefined],
    go: () => MaybePromise<Published>,
    place: SendPlace | undefined,
  ): Promise<Published> {
    // In an object: a promise would resolve only after the commit, and the next one need not wait for that.
    const handed = Promise.all([asked, earlier]).then(() => ({ published: go() })).catch((error) => {
      // Before the next one goes on, which must not overtake this one.
      place?.refuse();
      throw error;
    });
    const sender = senderOf(publication);
    const over = Promise.allSettled([earlier, handed]);
    this.#held.set(sender, over);
    void over.then(() => {
      if (this.#held.get(sender) === over) this.#held.delete(sender);
    });
    return handed.then(({ published }) => published);
  }

  /** Commits what the hooks let through and tells them what became of it. `said`: the payload before they saw it. */
  #commitAndTell(
    chain: HookChain,
    publication: Publication,
    said: Payload,
    retention: Retention,
    place?: SendPlace,
  ): MaybePromise<Published> {
    let published: MaybePromise<Published>;
    try {
      place?.confirm();
      if (publication.payload !== said) this.#measure(publication.payload);
      published = this.#commit(publication, retention);
    } catch (error) {
      this.#hooks.failed(chain, publication, error);
      throw error;
    }
    if (published instanceof Promise) return this.#tellLater(chain, publication, published);
    return this.#tell(chain, publication, published);
  }

  #tellLater(
    chain: HookChain,
    publication: Publication,
    published: Promise<Published>,
  ): Promise<Published> {
    return published.then((published) => this.#tell(chain, publication, published), (error) => {
      this.#hooks.failed(chain, publication, error);
      throw error;
    });
  }

  #tell(chain: HookChain, publication: Publication, published: Published): MaybePromise<Published> {
    const awaited = this.#hooks.after(chain, publication, published);
    return awaited === undefined ? published : awaited.then(() => published);
  }

  #commit(
    { channel, type, id, from, payload, edit, isNewId, kept }: Publication,
    retention: Retention,
  ): MaybePromise<Published> {
    if (kept !== undefined) return { epoch: kept.epoch, offset: kept.offset, duplicate: true };
    const record = { type, id, from, timestamp: this.#parts.now(), payload };
    // Neither an id nor a user id holds a space, so no two pairs make one key.
    let options: PublishOptions = isNewId === true
      ? { retention }
      : { retention, dedupeKey: id + " " + from };
    if (edit !== undefined) options = { ...options, edit };
    if (payload.stream === "open") {
      options = { ...options, patience: settingsOf(channel, this.#parts.namespace)!.streamPatience };
    }
    return this.#parts.log.publish(channel, record, options);
  }

  /** How the message is kept. Throws ProtocolError when the channel does not take it, or not from this sender. */
  #admit(request: PublishRequest, type: KeptType): Retention {
    const { channel, origin } = request;
    const principal = request.client?.principal;
    const settings = settingsOf(channel, this.#parts.namespace);
    const kind = kindOf(channel);
    const { keptIn } = serverRow(type);
    // A file may be uploaded to a document; its announcement has an offset there and is no operation.
    if (keptIn !== kind && !(kind === "document" && origin === "file")) {
      if (kind === "document") throw new ProtocolError("not_a_document", "a document takes doc_op alone");
      if (keptIn === "document") {
        throw new ProtocolError("not_a_document", "documents are the channels doc:*");
      }
      throw new ProtocolError("permission_denied");
    }
    // No client sends this type: it is the service's own.
    if (origin !== "service" && clientRow(type as string) === undefined) {
      throw new ProtocolError("permission_denied");
    }
    if (kind === "broadcast" && channel !== BROADCAST_CHANNEL) throw new ProtocolError("unknown_channel");
    const right = RIGHTS[kind];
    if (principal !== undefined && right !== undefined) needRight(principal, right);
    if (settings === undefined) throw new ProtocolError("unknown_channel");
    if (principal !== undefined && right === undefined && !mayPublish(principal, channel, settings)) {
      throw new ProtocolError("permission_denied");
    }
    return kind === "document" ? DOCUMENT_RETENTION : settings.retention;
  }

  /** What is kept has to be deliverable to every reader, whatever form it speaks. */
  #measure(payload: Payload, form?: Form): void {
    const limit = this.#parts.maxMessage();
    if (!fitsEveryForm(payload, limit, form)) {
      throw new ProtocolError(
        "message_too_large",
        `what is said takes more than ${limit} bytes in JSON or MessagePack`,
      );
    }
  }
}

/** The right that a client needs to publish in channels that no pattern of its token can name. */
const RIGHTS: Readonly<Partial<Record<KeptIn, Right>>> = { inbox: "direct_message", broadcast: "broadcast" };

/** The type of a message with content, by the channel that keeps it. */
const CONTENT_TYPES = {
  conversation: "chat_message",
  document: "chat_message",
  inbox: "direct_message",
  broadcast: "broadcast",
} as const satisfies Record<KeptIn, KeptType>;

/** Which kind of channel it is. */
function kindOf(channel: string): KeptIn {
  if (isDocument(channel)) return "document";
  if (channel.startsWith("user:")) return "inbox";
  return channel.startsWith("broadcast:") ? "broadcast" : "conversation";
}

function needRight(principal: Principal, right: Right): void {
  if (!principal.rights.has(right)) throw new ProtocolError("permission_denied", `needs the right ${right}`);
}

function senderOf({ channel, from }: Publication): string {
  return channel + " " + from;
}
