/**
 * What webhooks are made of: events, endpoints, and how an endpoint is reached.
 *
 * @module
 */

/** Events that an endpoint decides about: what it says takes effect before anything else does. */
export const DECISIONS = ["connect", "subscribe", "publish"] as const;
/** Events that an endpoint is told of, at least once each, whenever it can be reached. */
export const NOTIFICATIONS = ["disconnect", "join", "leave", "message", "file"] as const;
/** All events; `rpc` is a call that an endpoint answers. */
export const EVENTS = [...DECISIONS, ...NOTIFICATIONS, "rpc"] as const;

/** An event that an endpoint decides about. */
export type Decision = typeof DECISIONS[number];
/** An event that an endpoint is told of. */
export type Notification = typeof NOTIFICATIONS[number];
/** What an endpoint may be asked or told. */
export type EventName = typeof EVENTS[number];

/** An endpoint, as it is configured. Times in milliseconds. */
export interface Endpoint {
  /** Unique; what is kept for it is kept under this name. */
  readonly name: string;
  readonly url: string;
  readonly events: readonly EventName[];
  /** Patterns of channels: events about others are not for it. */
  readonly channels: readonly string[];
  /** Patterns of methods of `rpc` that it answers. */
  readonly methods: readonly string[];
  /** Keys that sign, each `whsec_` and base64; a receiver accepts a request that one of them signed. */
  readonly secrets: readonly string[];
  /** How long one request may take. */
  readonly timeout: number;
  /** What holds when a decision cannot be had. */
  readonly onFailure: "allow" | "refuse";
  /** Private addresses may be connected to. */
  readonly allowPrivate: boolean;
  /** Requests at once, of decisions and calls; notifications have as many of their own. */
  readonly concurrency: number;
  /** Notifications in one request, and how long the first of them waits for others. */
  readonly batch: { readonly size: number; readonly delay: number };
  readonly retry: {
    /** Requests with one event before it becomes a dead letter, while the endpoint takes others. */
    readonly attempts: number;
    readonly minDelay: number;
    readonly maxDelay: number;
    /** After this time an event becomes a dead letter in any case. */
    readonly maxAge: number;
  };
  /** Events that wait at most; with more the oldest ones are lost. */
  readonly queue: number;
  /** Dead letters that are kept at most. */
  readonly deadLetters: number;
}

/** An event on its way to an endpoint. */
export interface WebhookEvent {
  /** The same each time the event is sent. */
  readonly id: string;
  readonly type: Notification;
  /** The user it is about: it is erased with what belongs to the user. */
  readonly user: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** It was a dead letter and is sent again since then, in milliseconds since the epoch. */
  readonly again?: number;
}

/** What became of a request to an endpoint. */
export interface Posted {
  /** 0: there was no answer. */
  readonly status: number;
  /** The body of an answer of status 200 to 299, if it was asked for. */
  readonly body?: Uint8Array;
  /** Why it failed, without anything of the payload. Undefined: it succeeded. */
  readonly failure?: string;
  /** The endpoint did not work, as opposed to refusing this one request. */
  readonly isDown?: boolean;
  /** Milliseconds that the endpoint asks to be left alone. */
  readonly retryAfter?: number;
}

/** Sends a request to an endpoint. Never rejects. */
export type Post = (
  request: {
    readonly id: string;
    /** JSON. */
    readonly body: string;
    /** Whether the answer's body is wanted. */
    readonly wantsBody: boolean;
    readonly signal?: AbortSignal | undefined;
  },
) => Promise<Posted>;
