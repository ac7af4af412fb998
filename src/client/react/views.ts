/**
 * What components show of channels and documents, without React in it.
 *
 * @module
 */

import type { PresentUser, StreamState } from "../../protocol/mod.ts";
import type { SkeinClient } from "../client.ts";
import type { Document } from "../documents/document.ts";
import type { DocumentOptions } from "../documents/events.ts";
import { openDocument } from "../documents/open.ts";
import type { SkeinError } from "../errors.ts";
import type { Delivered } from "../session/subscription.ts";
import { followed } from "./followed.ts";
import { Streamed } from "./streamed.ts";
import { type View, viewOf } from "./view.ts";

/** Answers that are looked through for the messages to begin with. */
const MAX_PAGES = 10;

/** A message of a channel as it is shown. */
export interface ShownMessage {
  readonly id: string;
  /** The sender's user id. */
  readonly from: string;
  /** Milliseconds since the epoch, at the server. */
  readonly timestamp: number;
  readonly offset: number;
  readonly text?: string;
  readonly data?: unknown;
  /**
   * It is streamed, and what it says grows while this is `open`. `ended`: all is said; `failed`, `interrupted`: its sender
   * gave up, or was not heard of for too long.
   */
  readonly stream?: StreamState;
  /** The sender has edited it: this is what it says now. */
  readonly edited: boolean;
  /** The sender has deleted it: it has no content any more. */
  readonly deleted: boolean;
}

/** A channel as a component shows it. */
export interface ChannelState {
  /** `left`: the server has taken the session off, or did not let it on; `error` says why. */
  readonly status: "joining" | "joined" | "left";
  readonly error: SkeinError | undefined;
  /** The newest messages, oldest first, edits and deletions applied. */
  readonly messages: readonly ShownMessage[];
}

/** Which messages of a channel a component shows. */
export interface ChannelViewOptions {
  /** Messages of the history that are shown at the beginning, at most 1000. @default 0 */
  readonly history?: number;
  /** Messages that are kept; the oldest give way. @default 200 */
  readonly keep?: number;
}

/** Who is on a channel, as a component shows it. */
export interface PresenceState {
  readonly users: readonly PresentUser[];
  readonly error: SkeinError | undefined;
}

/** Who types on a channel, as a component shows it. */
export interface TypingState {
  /** User ids. */
  readonly typists: readonly string[];
}

/** A document as a component shows it. */
export interface DocumentState {
  /** Null before the component is on the page, and on a server. */
  readonly document: Document | null;
  /** All that the service has said has been told. */
  readonly synced: boolean;
  /** The service takes no operations until somebody makes a snapshot. */
  readonly full: boolean;
  readonly error: SkeinError | undefined;
}

/** A view of a channel's messages; joins it while it is open. `onMessage` is called with each new one. */
export function channelView(
  client: SkeinClient,
  name: string,
  { history = 0, keep = 200 }: ChannelViewOptions,
  onMessage: (message: Delivered) => void,
): View<ChannelState> {
  const initial: ChannelState = { status: "joining", error: undefined, messages: [] };
  return viewOf(initial, (set, get) => {
    const channel = client.channel(name);
    const streamed = new Streamed(client, name, (offset) => {
      const { messages } = get();
      if (!messages.some((message) => message.offset === offset)) return;
      set({ messages: messages.map((each) => each.offset === offset ? streamed.apply(each) : each) });
    });
    const add = (added: readonly ShownMessage[]): void => {
      const byOffset = new Map(get().messages.map((message) => [message.offset, message]));
      for (const message of added) {
        // What is known already may have been edited since.
        if (!byOffset.has(message.offset)) byOffset.set(message.offset, streamed.apply(message));
      }
      set({ messages: [...byOffset.values()].sort((a, b) => a.offset - b.offset).slice(-keep) });
    };
    /** What was changed while the history was asked for, which may answer with what was before. */
    let late: Map<number, Partial<ShownMessage>> | undefined;
    const change = (target: number | undefined, how: Partial<ShownMessage>): void => {
      if (target === undefined) return;
      late?.set(target, how);
      set({ messages: get().messages.map((each) => each.offset === target ? changed(each, how) : each) });
    };
    const read = async (): Promise<ShownMessage[]> => {
      const found: ShownMessage[] = [];
      let isMore = true, since: number | undefined;
      // Edits and deletions are in the history too, and are not shown.
      for (let page = 0; isMore && page < MAX_PAGES; page++) {
        const query = { limit: history, reverse: true, ...(since === undefined ? {} : { since }) };
        const { messages, more } = await channel.history(query);
        streamed.take(messages);
        found.push(...messages.filter(({ type }) => type === "chat_message").map(shown));
        since = messages.at(-1)?.offset;
        isMore = more && since !== undefined && found.length < history;
      }
      return found.slice(0, history);
    };
    let isLoaded = history === 0, gaps = 0;
    const load = async (): Promise<void> => {
      if (isLoaded) return;
      const before = gaps, changes = late = new Map<number, Partial<ShownMessage>>();
      const found = await read().finally(() => late = undefined);
      if (before !== gaps) return;
      isLoaded = true;
      add(found.map((each) => changed(each, changes.get(each.offset))));
    };
    return followed(client, channel, (again) => ({
      joined: () => set({ status: "joined", error: undefined }),
      failed: (error) => set({ status: "left", error }),
      load,
      notLoaded: (error) => set({ error }),
      message(message) {
        add([shown(message)]);
        onMessage(message);
      },
      offs: [
        () => streamed.close(),
        channel.on("edited", (edit) => change(edit.target, { ...contentOf(edit), edited: true })),
        channel.on("deleted", ({ target }) => change(target, { deleted: true })),
        channel.on("discontinuity", () => {
          set({ messages: [] });
          isLoaded = history === 0;
          gaps++;
          again();
        }),
      ],
    }));
  });
}

/** A view of who is on a channel; joins it while it is open. */
export function presenceView(client: SkeinClient, name: string): View<PresenceState> {
  return viewOf<PresenceState>({ users: [], error: undefined }, (set, get) => {
    const channel = client.channel(name);
    /** Who came or went while it was asked who is there, which may be answered with what was before. */
    let late: Map<string, PresentUser | undefined> | undefined;
    const tell = (userId: string, user?: PresentUser): void => {
      late?.set(userId, user);
      const others = get().users.filter((each) => each.userId !== userId);
      set({ users: user === undefined ? others : [...others, user] });
    };
    return followed(client, channel, () => ({
      joined: () => {},
      failed: (error) => set({ users: [], error }),
      // With each connection: who came and went meanwhile was not told.
      async load() {
        const since = late = new Map<string, PresentUser | undefined>();
        const users = await channel.presence().finally(() => late = undefined);
        const came = [...since.values()].filter((user) => user !== undefined);
        set({ users: [...users.filter(({ userId }) => !since.has(userId)), ...came], error: undefined });
      },
      notLoaded: (error) => set({ error }),
      offs: [
        channel.on("online", (user) => tell(user.userId, { ...user, sessions: 1 })),
        channel.on("offline", ({ userId }) => tell(userId)),
      ],
    }));
  });
}

/** A view of who types on a channel; joins it while it is open. */
export function typingView(client: SkeinClient, name: string): View<TypingState> {
  return viewOf<TypingState>({ typists: [] }, (set) => {
    const channel = client.channel(name);
    const look = (): void => set({ typists: channel.typists });
    return followed(client, channel, () => ({
      joined: look,
      failed: look,
      offs: [channel.on("typing", look)],
    }));
  });
}

/** Documents that views have open, and how many of them. */
const opened = new WeakMap<Document, number>();

/** A view of a document, which is open while one of its views is. The options of the first one count. */
export function documentView(
  client: SkeinClient,
  name: string,
  options: DocumentOptions,
): View<DocumentState> {
  const initial: DocumentState = { document: null, synced: false, full: false, error: undefined };
  return viewOf(initial, (set) => {
    const document = openDocument(client, name, options);
    opened.set(document, (opened.get(document) ?? 0) + 1);
    set({ document, synced: document.synced, error: undefined });
    const offs = [
      document.on("synced", () => set({ synced: true, full: false })),
      document.on("offline", () => set({ synced: false })),
      document.on("full", () => set({ full: true })),
      document.on("error", (error) => set({ error })),
      document.on("closed", (error) => set({ document: null, synced: false, error })),
    ];
    return () => {
      for (const off of offs) off();
      opened.set(document, opened.get(document)! - 1);
      // React takes a component off and puts it on again in one go: the document stays open for it.
      queueMicrotask(() => opened.get(document) === 0 && document.close());
    };
  });
}

/** A message of which something is different now. */
function changed(message: ShownMessage, how: Partial<ShownMessage> | undefined): ShownMessage {
  if (how === undefined) return message;
  const { text: _text, data: _data, stream: _stream, ...rest } = message;
  return { ...rest, ...how };
}

type Content = Pick<Delivered, "text" | "data">;

function contentOf({ text, data }: Content): Content {
  return { ...(text === undefined ? {} : { text }), ...(data === undefined ? {} : { data }) };
}

function shown(
  message: Content & Pick<Delivered, "id" | "from" | "timestamp" | "offset" | "deleted"> & {
    edited?: number;
    stream?: StreamState;
  },
): ShownMessage {
  const { id, from, timestamp, offset, edited, deleted, stream } = message;
  const isDeleted = deleted !== undefined;
  const isStreamed = stream !== undefined && !isDeleted && edited === undefined;
  const content = isDeleted ? {} : { ...contentOf(message), ...(isStreamed ? { stream } : {}) };
  return { id, from, timestamp, offset, ...content, edited: edited !== undefined, deleted: isDeleted };
}
