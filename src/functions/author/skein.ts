/**
 * What a function is made of. Import it from a function beside this file:
 *
 * ```ts
 * import { defineFunction } from "./skein.ts";
 *
 * export default defineFunction({
 *   commands: { hello: { description: "Greets you." } },
 *   handler: (event) => event.kind === "command" ? `Hello, ${event.from}` : undefined,
 * });
 * ```
 *
 * The service brings this file with it; the copy in your folder is for your editor.
 *
 * @module
 */

/** What may travel: JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What a message says: a text, or any JSON value as data. A string alone is a text. */
export type Content = string | { readonly text: string } | { readonly data: Json };

/** An argument of a command. */
export interface Argument {
  /** `user` is a user id, `channel` the name of a channel. @default "string" */
  readonly type?: "string" | "number" | "integer" | "boolean" | "user" | "channel";
  /** For people, at most 200 characters. */
  readonly description?: string;
  /** It may be left out. After it there is none that may not. @default false */
  readonly optional?: boolean;
  /** What it is when it is left out; then it is optional. */
  readonly default?: string | number | boolean;
  /** The values it may have. @default any */
  readonly choices?: readonly (string | number)[];
  /** Least number, or least length of a text. */
  readonly min?: number;
  /** Greatest number, or greatest length of a text. */
  readonly max?: number;
  /** The last one: all that is left of a typed line, as it stands. @default false */
  readonly rest?: boolean;
  /** The last one: a list of all words that are left. @default false */
  readonly list?: boolean;
}

/** A command of a bot. */
export interface Command {
  /** For people, at most 200 characters. */
  readonly description?: string;
  /** Its arguments by name, in the order in which they are typed. @default none */
  readonly args?: Readonly<Record<string, Argument>>;
}

/** Which messages a function sees. */
export interface MessageFilter {
  /** Names of channels, with `*` for any run of characters: `["chat:*"]`. @default all but documents */
  readonly channels?: readonly string[];
  /**
   * `before`: the message waits, and the handler may refuse or change it. `after`: the handler is told of what was
   * committed. @default "after"
   */
  readonly when?: "before" | "after";
}

/** Which channels a function is told of. */
export interface ChannelFilter {
  /** Names of channels, with `*` for any run of characters. @default all */
  readonly channels?: readonly string[];
}

/** When a function is called by the clock. Of all nodes, one calls it. */
export type Schedule =
  /** At a fixed distance, such as `"30s"`, `"10m"`, `"1h"`, `"1d"`; at least a second. */
  | { readonly every: string }
  /** Minute, hour, day of month, month, day of week, as in crontab(5). `timezone` is one of IANA's. @default "UTC" */
  | { readonly cron: string; readonly timezone?: string };

/** What a function is called for, beside its commands. */
export interface Triggers {
  readonly message?: boolean | MessageFilter;
  /** Somebody has come onto a channel. */
  readonly join?: boolean | ChannelFilter;
  /** Somebody has left a channel. */
  readonly leave?: boolean | ChannelFilter;
  /** A session has connected. */
  readonly connect?: boolean;
  /** A file was uploaded. */
  readonly file?: boolean | ChannelFilter;
  /** Schedules by name. */
  readonly schedule?: Readonly<Record<string, Schedule>>;
  /** HTTP requests to `/fn/NAME`, and to paths below it. `methods`: which ones. @default all */
  readonly http?: boolean | { readonly methods?: readonly string[] };
  /** `rpc` messages of clients. `methods`: their names. */
  readonly rpc?: { readonly methods: readonly string[] };
}

/** A command, typed as `/COMMAND` or sent as `bot_command`. What the handler returns is the answer. */
export interface CommandEvent {
  readonly kind: "command";
  readonly command: string;
  /** By name; they fit what the command says of them, with defaults filled in. */
  readonly args: { readonly [name: string]: Json };
  /** The channel it was typed in. Who sent it may read it. */
  readonly channel?: string;
  /** Who sent it may publish there too: ask before something is said there later in their name. */
  readonly mayPublish: boolean;
  /** The user id of who sent it. */
  readonly from: string;
  readonly session: string;
}

/**
 * A message. With `when: "before"` the handler returns nothing to let it pass, `{ refuse: "why" }`, or
 * `{ change: content }`. Of a streamed message it is called for every piece, with the message as it would be; then a change
 * has its length and the beginning that was read already, or the message ends.
 */
export interface MessageEvent {
  readonly kind: "message";
  readonly when: "before" | "after";
  readonly channel: string;
  /** `chat_message`, `direct_message`, ... */
  readonly type: string;
  readonly id: string;
  readonly from: string;
  readonly text?: string;
  readonly data?: Json;
  /** `data` is bytes, in base64. */
  readonly bytes?: true;
  /** Its place in the channel; only after the commit. */
  readonly offset?: number;
  /**
   * A streamed message is over and whole: its sender has ended it, gave up, or was silent for too long. Only with
   * `when: "after"`, which is called when it begins as well, with the same `id` and `offset`.
   */
  readonly final?: "ended" | "failed" | "interrupted";
}

/** Somebody has come onto a channel, or left it. */
export interface PresenceEvent {
  readonly kind: "join" | "leave";
  readonly channel: string;
  readonly user: string;
  readonly session: string;
}

/** A session has connected. */
export interface ConnectEvent {
  readonly kind: "connect";
  readonly user: string;
  readonly session: string;
  readonly transport: string;
  /** It was there before and has come back. */
  readonly resumed: boolean;
}

/** A file was uploaded. */
export interface FileEvent {
  readonly kind: "file";
  readonly channel: string;
  readonly from: string;
  /** Name, size, type, hash, id: as in the announcement. */
  readonly file: { readonly [key: string]: Json };
}

/** A schedule is due. */
export interface ScheduleEvent {
  readonly kind: "schedule";
  readonly name: string;
  /** When it was due, milliseconds since the epoch. */
  readonly due: number;
}

/** An HTTP request. The handler returns a `Response`, or content. */
export interface HttpEvent {
  readonly kind: "http";
  readonly method: string;
  /** What follows `/fn/NAME`: empty, or `/...`. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The address of the client. */
  readonly address: string;
}

/** A client's `rpc`. What the handler returns is the answer. */
export interface RpcEvent {
  readonly kind: "rpc";
  readonly method: string;
  readonly data: Json;
  readonly from: string;
  readonly session: string;
}

/** What a handler is called with. */
export type Event =
  | CommandEvent
  | MessageEvent
  | PresenceEvent
  | ConnectEvent
  | FileEvent
  | ScheduleEvent
  | HttpEvent
  | RpcEvent;

/** Where a message was put. */
export interface Published {
  readonly offset: number;
  readonly epoch: string;
  /** A message with this id was there already. */
  readonly duplicate: boolean;
}

/** A message that grows. */
export interface Stream {
  /** Adds a piece of text. */
  append(text: string): Promise<void>;
  /** All is said. */
  end(): Promise<void>;
  /** No more will come, and what is there is not whole. */
  fail(): Promise<void>;
}

/** A message of a channel's history. */
export interface HistoryMessage {
  readonly offset: number;
  readonly id: string;
  readonly type: string;
  readonly from: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly payload: { readonly [key: string]: Json };
}

/** Small values that outlive the function, on all nodes; at most 1,000. Names: 1 to 128 printable ASCII characters. */
export interface KeyValues {
  get<T extends Json = Json>(name: string): Promise<T | undefined>;
  /** The value with its revision, for `set` with `revision`. */
  entry<T extends Json = Json>(
    name: string,
  ): Promise<{ readonly value: T; readonly revision: number } | undefined>;
  /**
   * Sets a value of at most 64 KiB. `ttl`: milliseconds until it goes. `revision`: only if the value still is that one,
   * 0: only if there is none. False: it was not set, because somebody else was faster.
   */
  set(
    name: string,
    value: Json,
    options?: { readonly ttl?: number; readonly revision?: number },
  ): Promise<boolean>;
  /** False: there was none. */
  delete(name: string): Promise<boolean>;
}

/** What a handler can do. It ends with the call: what a handler leaves behind can do nothing more. */
export interface Context {
  /** The name of the function: of its file, without `.ts`. */
  readonly name: string;
  /** Aborted when the call takes too long. */
  readonly signal: AbortSignal;
  /** Publishes to a channel, as the user that is named as the function. `id`: sent again with the same one it has no other effect. */
  publish(channel: string, content: Content, options?: { readonly id?: string }): Promise<Published>;
  /**
   * Answers a command, before or instead of what the handler returns. `public`: everybody on its channel gets it. For a
   * message it publishes to the channel of the message.
   */
  reply(content: Content, options?: { readonly public?: boolean }): Promise<void>;
  /**
   * Begins a message that grows: in a channel, or as the answer of a command; with `public` an answer that everybody on the
   * channel of the command gets.
   */
  stream(where?: string | { readonly public: boolean }): Promise<Stream>;
  /** Says how far a command is: a share from 0 to 1, or a text. Its time for an answer begins anew. */
  progress(done?: number, text?: string): Promise<void>;
  /** The end of a channel's history, or what follows `since`. Oldest first. @default limit 50, at most 200 */
  history(
    channel: string,
    options?: { readonly limit?: number; readonly since?: number },
  ): Promise<readonly HistoryMessage[]>;
  /** Who is on a channel: one entry for each session. */
  presence(channel: string): Promise<readonly { readonly user: string; readonly session: string }[]>;
  readonly kv: KeyValues;
  /** A secret that the configuration grants to this function. Throws when it does not. */
  secret(name: string): string;
  /** As the global `fetch`, to hosts that the configuration grants to this function. */
  fetch(url: string | URL, init?: FetchInit): Promise<Response>;
}

/** What `context.fetch` takes. */
export interface FetchInit {
  readonly method?: string;
  readonly headers?: HeadersInit;
  readonly body?: string | Uint8Array | null;
  /** `error`: a redirect is an error; `manual`: it is the answer. @default "follow" */
  readonly redirect?: "follow" | "error" | "manual";
  readonly signal?: AbortSignal;
}

/** What a handler may return; see the events. */
export type Result =
  | void
  | Json
  | Content
  | Response
  | { readonly refuse: string }
  | { readonly change: Content };

/** A function. */
export interface Definition {
  /** For people, at most 200 characters. */
  readonly description?: string;
  /** Commands by name, of the bot that is named as the function. @default none */
  readonly commands?: Readonly<Record<string, Command>>;
  readonly on?: Triggers;
  /** How long a call may take: `"30s"`. The configuration limits it (`functions.maxTimeout`). @default its `functions.timeout` */
  readonly timeout?: string;
  handler(event: Event, context: Context): Result | Promise<Result>;
}

/** Defines a function: its default export. */
export function defineFunction(definition: Definition): Definition {
  return definition;
}
