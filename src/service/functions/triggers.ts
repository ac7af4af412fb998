/**
 * What functions are called for beside commands and requests: messages, sessions, calls of clients.
 *
 * @module
 */

import {
  type Answers,
  type AnswerStream,
  type Call,
  type Event,
  type FunctionHost,
  type Json,
  type Outcome,
} from "../../functions/mod.ts";
import type { Published, StreamEnd } from "../../engine/contract.ts";
import type { Hub, Publication, PublishHook, SessionEvent } from "../../hub/mod.ts";
import { ProtocolError } from "../../protocol/mod.ts";
import { toProtocolError } from "./failure.ts";
import { Filters } from "./filters.ts";
import { isOwn, messageEvent } from "./messages.ts";
import type { FunctionSet } from "./set.ts";
import { userOf } from "./host.ts";

/** What triggers need. */
export interface TriggerOptions {
  readonly hub: Hub;
  readonly host: FunctionHost;
  readonly set: FunctionSet;
  readonly call: (name: string, call: Call) => Promise<Outcome>;
  /** What becomes of a message when a function that has to see it fails. */
  readonly onFailure: () => "refuse" | "allow";
}

/** Types of messages that say something. */
const TYPES = ["chat_message", "chat_edit", "direct_message", "broadcast"] as const;
/** In the way of names that nobody else has. */
const HOOK = "functions";

/** Calls functions for what happens in the service. */
export class Triggers {
  readonly #options: TriggerOptions;
  readonly #filters: Filters;
  /** The responders of `rpc` that are added, by function. */
  readonly #responders = new Map<string, string>();
  /** By session, the channels of which a function was told that it has come onto them. Empty without such a function. */
  readonly #joined = new Map<string, Set<string>>();
  #hooked = "";
  #closed = false;

  constructor(options: TriggerOptions) {
    this.#options = options;
    const { hub, set, call, onFailure } = options;
    const answers = (...event: Parameters<Triggers["answersOf"]>) => this.answersOf(...event);
    this.#filters = new Filters({ set, call, onFailure, answers });
    hub.admissions.add({
      name: HOOK,
      // Or a user could change and delete what a function said.
      connect({ principal: { userId } }) {
        if (set.has(userId)) {
          throw new ProtocolError("permission_denied", "a function has the id of this user");
        }
      },
    });
  }

  /** Functions have come, changed or gone. */
  update(): void {
    if (this.#closed) return;
    this.#hook();
    this.#respond();
  }

  /** Nothing is told any more. */
  close(): void {
    this.#closed = true;
    const { hub } = this.#options;
    hub.admissions.remove(HOOK);
    if (this.#hooked !== "") hub.removeHook(HOOK);
    this.#hooked = "";
    for (const name of this.#responders.keys()) hub.responders.remove(responderOf(name));
    this.#responders.clear();
    this.#joined.clear();
  }

  /** Messages pass functions only while one wants to see them. */
  #hook(): void {
    const { hub, set } = this.#options;
    const messages = set.functions.map(({ manifest }) => manifest!.message?.when);
    const before = set.unloaded.any || messages.includes("before");
    const after = messages.includes("after") ||
      set.functions.some(({ manifest }) => manifest!.file !== undefined);
    const wanted = `${before ? "before" : ""} ${after ? "after" : ""}`.trim();
    if (wanted === this.#hooked) return;
    if (this.#hooked !== "") hub.removeHook(HOOK);
    this.#hooked = wanted;
    if (wanted === "") return;
    const hook: PublishHook = {
      name: HOOK,
      types: TYPES,
      ...before
        ? {
          before: (publication) => this.#filters.before(publication),
          beforePiece: (piece) => this.#filters.beforePiece(piece),
        }
        : {},
      ...after
        ? {
          after: (publication, published) => this.#after(publication, published),
          ended: (ended, published) => this.#after(ended, published, ended.final),
        }
        : {},
    };
    hub.addHook(hook);
  }

  /** `final`: a streamed message is over. */
  #after(publication: Publication, { offset, duplicate }: Published, final?: StreamEnd): void {
    const { channel, type, id, from, payload, depth, origin } = publication;
    // What was interrupted was ended by the service and said by somebody.
    if (duplicate || (origin === "service" && final === undefined)) return;
    for (const { name, manifest } of this.#options.set.functions) {
      if (isOwn(publication, name) || (final === "interrupted" && from === userOf(name))) continue;
      const { message, file } = manifest!;
      if (message?.when === "after" && message.matches(channel)) {
        const event = messageEvent("after", { channel, type, id, from, payload });
        this.#tell(name, { ...event, offset, ...final === undefined ? {} : { final } }, depth);
      }
      if (origin === "file" && file?.(channel)) {
        const { file: info } = payload.data as { file: { readonly [key: string]: Json } };
        this.#tell(name, { kind: "file", channel, from, file: info }, depth);
      }
    }
  }

  /** Something happened to a session. */
  onSession(event: SessionEvent): void {
    if (this.#closed) return;
    const { kind, principal: { userId: user }, client: { sessionId: session, transport } } = event;
    const { functions } = this.#options.set;
    if (kind === "connect") {
      const { resumed } = event;
      for (const { name, manifest } of functions) {
        if (manifest!.connect) this.#tell(name, { kind: "connect", user, session, transport, resumed });
      }
    } else if (kind === "subscribe") this.#join(user, session, event.channel);
    else if (kind === "unsubscribe") {
      if (this.#joined.get(session)?.delete(event.channel)) this.#leave(user, session, [event.channel]);
    } else if (kind === "end" || kind === "moved") {
      const channels = this.#joined.get(session);
      this.#joined.delete(session);
      this.#leave(user, session, channels ?? []);
    }
  }

  #join(user: string, session: string, channel: string): void {
    const { functions } = this.#options.set;
    if (!functions.some(({ manifest }) => manifest!.join?.(channel) || manifest!.leave?.(channel))) return;
    let channels = this.#joined.get(session);
    if (channels === undefined) this.#joined.set(session, channels = new Set());
    // One that was resumed has been there all the time.
    if (channels.has(channel)) return;
    channels.add(channel);
    for (const { name, manifest } of functions) {
      if (manifest!.join?.(channel)) this.#tell(name, { kind: "join", channel, user, session });
    }
  }

  #leave(user: string, session: string, channels: Iterable<string>): void {
    for (const channel of channels) {
      for (const { name, manifest } of this.#options.set.functions) {
        if (manifest!.leave?.(channel)) this.#tell(name, { kind: "leave", channel, user, session });
      }
    }
  }

  /** Calls a function whose answer nobody waits for; failures are logged and counted where it is called. */
  #tell(name: string, event: Event, depth = 0): void {
    this.#options.call(name, { event, depth, answers: this.answersOf(name, event, depth) }).catch(() => {});
  }

  /** What `context.reply` does: it says something in the channel of the event. */
  answersOf(name: string, event: Event, depth: number): Answers | undefined {
    if (!("channel" in event) || event.channel === undefined) return undefined;
    const { host } = this.#options;
    const { channel } = event;
    const caller = { name, depth, signal: new AbortController().signal };
    return {
      async reply(content) {
        await host.publish(caller, channel, content, undefined);
      },
      open: (): Promise<AnswerStream> => host.stream(caller, channel),
    };
  }

  /** Answers `rpc` by the functions that have methods. */
  #respond(): void {
    const { hub, set, call } = this.#options;
    const wanted = new Map(
      set.functions.filter(({ manifest }) => manifest!.rpc.length > 0)
        .map(({ name, manifest }) => [name, manifest!.rpc] as const),
    );
    for (const [name, methods] of this.#responders) {
      if (wanted.get(name)?.join(" ") === methods) continue;
      hub.responders.remove(responderOf(name));
      this.#responders.delete(name);
    }
    for (const [name, methods] of wanted) {
      if (this.#responders.has(name)) continue;
      this.#responders.set(name, methods.join(" "));
      hub.responders.add({
        name: responderOf(name),
        methods,
        async call(method, data, { principal, sessionId: session }) {
          const event: Event = { kind: "rpc", method, data: data as Json, from: principal.userId, session };
          try {
            return (await call(name, { event })).value;
          } catch (error) {
            throw toProtocolError(error);
          }
        },
      });
    }
  }
}

function responderOf(name: string): string {
  return `function ${name}`;
}
