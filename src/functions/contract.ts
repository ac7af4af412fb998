/**
 * What the service and functions are to each other.
 *
 * @module
 */

import type { Content, Event, HistoryMessage, Published } from "./author/skein.ts";
import type { ErrorReport } from "./child/errors.ts";

export type { Event, Json } from "./author/skein.ts";

/** What a message says, as it travels. */
export type SaidContent = Exclude<Content, string>;

/** An answer of a command that grows. */
export interface AnswerStream {
  append(text: string): void | Promise<void>;
  /** `failed`: what is there is not whole. */
  end(failed: boolean): void | Promise<void>;
}

/** Where a call's answers go while it is under way. */
export interface Answers {
  /** A whole answer. `isPublic`: to everybody on the channel of the event. */
  reply(content: SaidContent, isPublic: boolean): void | Promise<void>;
  /** Begins an answer that grows. */
  open(isPublic: boolean): AnswerStream | Promise<AnswerStream>;
  /** Says how far it is. @default nobody is told */
  progress?(done: number | undefined, text: string | undefined): void;
}

/** Where a function's answer to an HTTP request goes when it is not whole at once. */
export interface HttpSink {
  head(status: number, headers: readonly (readonly [string, string])[]): void;
  /** Resolves once there is room for the next piece. */
  piece(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** A call of a function. */
export interface Call {
  readonly event: Event;
  /** The body of a request. @default empty */
  readonly body?: Uint8Array;
  /** How many functions called each other by messages before this one. @default 0 */
  readonly depth?: number;
  /** Milliseconds, of which a function may want less or more. @default as the function and the configuration say */
  readonly timeout?: number;
  /** Needed for commands. @default an answer is an error */
  readonly answers?: Answers | undefined;
  /** Needed for HTTP. @default a streamed answer is an error */
  readonly sink?: HttpSink;
}

/** An answer to an HTTP request. `body` is empty when it went through the `HttpSink`. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array<ArrayBuffer>;
}

/** What a call came to. */
export interface Outcome {
  /** What the handler returned, as JSON. */
  readonly value: unknown;
  /** The handler returned a `Response`. */
  readonly http?: HttpAnswer;
}

/** Why a call, or a version of a function, failed. */
export type FailureKind =
  /** The handler threw. */
  | "threw"
  /** It took too long. */
  | "timeout"
  /** Its isolate had more memory than it may. */
  | "memory"
  /** Its isolate ended, or broke the rules of frames. */
  | "crashed"
  /** Too many calls wait, or the service ends. */
  | "busy"
  /** There is no such function. */
  | "unknown"
  /** It could not be loaded. */
  | "load";

/** A call or a load failed. */
export class FunctionError extends Error {
  override readonly name = "FunctionError";
  readonly kind: FailureKind;
  /** Where in the function's source. */
  readonly report: ErrorReport | undefined;

  constructor(kind: FailureKind, message: string, report?: ErrorReport) {
    super(message);
    this.kind = kind;
    this.report = report;
  }
}

/** What calls ask of the service. Rejections are told to the function: message, and `code` if there is one. */
export interface FunctionHost {
  publish(
    from: Caller,
    channel: string,
    content: SaidContent,
    id: string | undefined,
  ): Promise<Published>;
  stream(from: Caller, channel: string): Promise<AnswerStream>;
  history(
    from: Caller,
    channel: string,
    options: { readonly limit: number; readonly since: number | undefined },
  ): Promise<readonly HistoryMessage[]>;
  presence(from: Caller, channel: string): Promise<readonly { user: string; session: string }[]>;
  kvGet(from: Caller, name: string): Promise<{ value: unknown; revision: number } | undefined>;
  kvSet(
    from: Caller,
    name: string,
    value: unknown,
    options: { readonly ttl: number | undefined; readonly revision: number | undefined },
  ): Promise<boolean>;
  kvDelete(from: Caller, name: string): Promise<boolean>;
  fetch(from: Caller, request: OutgoingRequest): Promise<IncomingResponse>;
}

/** Who asks. */
export interface Caller {
  /** The function's name. */
  readonly name: string;
  /** How deep its call is: messages that answer messages. */
  readonly depth: number;
  /** Aborted when the call is over. */
  readonly signal: AbortSignal;
}

/** A request that a function wants to be made. */
export interface OutgoingRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly redirect: "follow" | "error" | "manual";
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Its answer. */
export interface IncomingResponse {
  readonly url: string;
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** Undefined: it has none. */
  readonly body: BodyReader | undefined;
}

/** Reads the body of an answer. */
export interface BodyReader {
  read(): Promise<
    { readonly done: false; readonly value: Uint8Array<ArrayBuffer> } | { readonly done: true }
  >;
  cancel(): Promise<void>;
}

/** A line of a function's console, or of the service about it. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
  /** It stands for so many lines that the isolate dropped. @default 0 */
  readonly dropped?: number;
}
