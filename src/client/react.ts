/**
 * React over Skein: a provider and hooks. They survive StrictMode, and on a server they show the beginning and connect
 * nothing. For React 18 and later.
 *
 * ```tsx
 * import { SkeinClient } from "@skein/client";
 * import { SkeinProvider, useChannel } from "@skein/client/react";
 *
 * const client = new SkeinClient({ url: "https://chat.example", getToken, autoConnect: false });
 *
 * function Room() {
 *   const { messages, publish } = useChannel("chat:general", { history: 50 });
 *   return (
 *     <>
 *       {messages.map(({ id, from, text }) => <p key={id}>{from}: {text}</p>)}
 *       <button onClick={() => publish("hello")}>hello</button>
 *     </>
 *   );
 * }
 *
 * root.render(<SkeinProvider client={client}><Room /></SkeinProvider>);
 * ```
 *
 * @module
 */

"use client";

import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from "react";
import type { Channel, Saying } from "./channel.ts";
import type { SkeinClient } from "./client.ts";
import type { DocumentOptions } from "./documents/events.ts";
import type { Receipt } from "./outbox/outbox.ts";
import { type CommandActions, type CommandState, commandView } from "./react/commands.ts";
import type { View } from "./react/view.ts";
import {
  type ChannelState,
  channelView,
  type ChannelViewOptions,
  type DocumentState,
  documentView,
  type PresenceState,
  presenceView,
  type TypingState,
  typingView,
} from "./react/views.ts";
import type { Delivered } from "./session/subscription.ts";
import type { ClientState } from "./store.ts";

export type { CommandActions, CommandState } from "./react/commands.ts";
export type {
  ChannelState,
  ChannelViewOptions,
  DocumentState,
  PresenceState,
  ShownMessage,
  TypingState,
} from "./react/views.ts";

/** Properties of `SkeinProvider`. */
export interface SkeinProviderProps {
  /**
   * Made outside of components, once. With `autoConnect: false` it is connected while the provider is on the page, and a
   * server connects nothing.
   */
  readonly client: SkeinClient;
  readonly children?: ReactNode;
}

/** Options of `useChannel`. */
export interface UseChannelOptions extends ChannelViewOptions {
  /** Called with each new message, once and in order. Messages of the history are not told. */
  readonly onMessage?: (message: Delivered) => void;
}

/** What `useChannel` gives. */
export interface UseChannel extends ChannelState {
  readonly channel: Channel;
  /** Publishes; resolves when the server has committed it. The same function each time. */
  readonly publish: (saying: Saying) => Promise<Receipt>;
}

/** What `useCommand` gives. */
export interface UseCommand extends CommandState, CommandActions {}

/** What `useTyping` gives. */
export interface UseTyping extends TypingState {
  /** Tells the others that the user types (call it at each key), or stopped. The same function each time. */
  readonly typing: (isTyping?: boolean) => void;
}

const Context = createContext<SkeinClient | null>(null);

/** Clients that providers have connected, and will disconnect: how many of them are on the page. */
const connected = new WeakMap<SkeinClient, number>();

/** Gives a client to the components in it. */
export function SkeinProvider({ client, children }: SkeinProviderProps): ReactElement {
  useEffect(() => {
    const count = connected.get(client);
    // A client that was connected by the application is the application's to disconnect.
    if (count === undefined && client.manager.status !== "idle") return;
    connected.set(client, (count ?? 0) + 1);
    // Whatever fails is in the state, and an `error` event.
    void client.connect().catch(() => {});
    return () => {
      connected.set(client, connected.get(client)! - 1);
      // StrictMode takes the provider off and puts it on again in one go: the connection stays.
      queueMicrotask(() => {
        if (connected.get(client) !== 0) return;
        connected.delete(client);
        void client.disconnect();
      });
    };
  }, [client]);
  return createElement(Context.Provider, { value: client }, children);
}

/** The client. Throws when there is no `SkeinProvider` around. */
export function useSkein(): SkeinClient {
  const client = useContext(Context);
  if (client === null) throw new Error("useSkein: there is no <SkeinProvider client={...}> around");
  return client;
}

/** The state of the client: connected or not, over what, how many messages wait. */
export function useSkeinState(): ClientState;
/** A part of the state: `useSkeinState(({ status }) => status)`. `select` gives a part, not a new object. */
export function useSkeinState<T>(select: (state: ClientState) => T): T;
export function useSkeinState(select: (state: ClientState) => unknown = (state) => state): unknown {
  const { store } = useSkein();
  return useSyncExternalStore(
    store.subscribe,
    () => select(store.getState()),
    () => select(store.getInitialState()),
  );
}

/**
 * The messages of a channel, which is joined while the component is on the page. Components may share a channel; it is
 * left with the last of them.
 */
export function useChannel(name: string, options: UseChannelOptions = {}): UseChannel {
  const client = useSkein();
  const { history, keep, onMessage } = options;
  const told = useRef(onMessage);
  useEffect(() => {
    told.current = onMessage;
  });
  const view = useMemo(
    () =>
      channelView(client, name, {
        ...(history === undefined ? {} : { history }),
        ...(keep === undefined ? {} : { keep }),
      }, (message) => told.current?.(message)),
    [client, name, history, keep],
  );
  const channel = client.channel(name);
  const publish = useMemo(() => (saying: Saying) => channel.publish(saying), [channel]);
  return { ...useView(view), channel, publish };
}

/**
 * A command to a bot and its answer, which is shown as it grows: `run({ bot: "assistant", command: "ask", args })`, or `say`
 * for what a user has typed. The functions are the same each time; when the component goes, the answer is not waited for.
 */
export function useCommand(): UseCommand {
  const client = useSkein();
  const { view, actions } = useMemo(() => commandView(client), [client]);
  return { ...useView(view), ...actions };
}

/** Who is on a channel, which is joined while the component is on the page. */
export function usePresence(name: string): PresenceState {
  const client = useSkein();
  return useView(useMemo(() => presenceView(client, name), [client, name]));
}

/** Who types on a channel, which is joined while the component is on the page, and what tells that the user does. */
export function useTyping(name: string): UseTyping {
  const client = useSkein();
  const view = useMemo(() => typingView(client, name), [client, name]);
  const channel = client.channel(name);
  const typing = useMemo(() => (isTyping?: boolean) => channel.typing(isTyping), [channel]);
  return { ...useView(view), typing };
}

/**
 * A document, which is open while one of the components with it is on the page. The options of the first one count; they
 * are read when the component comes on the page or `name` changes.
 */
export function useDocument(name: string, options: DocumentOptions = {}): DocumentState {
  const client = useSkein();
  return useView(useMemo(() => documentView(client, name, options), [client, name]));
}

function useView<T>(view: View<T>): T {
  useEffect(() => view.open(), [view]);
  return useSyncExternalStore(view.subscribe, view.get, view.get);
}
