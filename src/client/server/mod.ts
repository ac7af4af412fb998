/**
 * The server API for back ends in Node and Deno, typed as the service's own table of methods.
 *
 * ```ts
 * const skein = createServerClient({ url: "https://skein.example", key: process.env.SKEIN_KEY! });
 * await skein.publish({ channel: "chat:general", text: "hello" });
 * ```
 *
 * @module
 */

import type {
  ApiFailure,
  ApiMethod,
  ApiParams,
  ApiPublish,
  ApiReply,
  ApiResult,
  ApiStream,
  ApiStreamed,
} from "../../protocol/api/types.ts";

export type * from "../../protocol/api/types.ts";

/** How to reach the service. */
export interface ServerClientOptions {
  /** `https://skein.example`, or where `http.internal` listens. */
  readonly url: string;
  /** A key of `api.keys`. @default none: `http.internal` needs none */
  readonly key?: string;
  /** Milliseconds that a call may take. @default 15000 */
  readonly timeout?: number;
  /**
   * How often a call is sent again that failed for a time, with the same idempotency key. @default 2
   */
  readonly retries?: number;
  /** @default the runtime's */
  readonly fetch?: typeof fetch;
}

/** One method. Those without parameters need no argument. */
export type ServerMethod<M extends ApiMethod> = Record<never, never> extends ApiParams<M>
  ? (params?: ApiParams<M>) => Promise<ApiResult<M>>
  : (params: ApiParams<M>) => Promise<ApiResult<M>>;

/** The methods of the server API. Each rejects with ServerApiError. */
export type ServerMethods = { readonly [M in ApiMethod]: ServerMethod<M> };

/** A client of the server API. */
export interface ServerClient extends ServerMethods {
  /**
   * Publishes messages as they come, over one request; yields the answer to each, in order. They are read as fast as the
   * service takes them. Ends with a ServerApiError when the service refuses or the connection breaks.
   */
  publishAll(messages: Iterable<ApiPublish> | AsyncIterable<ApiPublish>): AsyncIterable<ApiReply>;
  /**
   * Says one message in pieces, as they come, over one request. Readers see each piece at once. A message of bytes has
   * them in `data`: a list of texts in base64, whose bytes belong together. Resolves at the end of `source`. When
   * `source` throws, the message is ended with `interrupted` after `streamPatience`. Nothing is sent again: rejects with
   * ServerApiError.
   */
  stream<T extends string | Uint8Array>(message: ApiStream, source: StreamSource<T>): Promise<ApiStreamed>;
}

/** What a streamed message is made of: the pieces of a text, or bytes. */
export type StreamSource<T extends string | Uint8Array> = AsyncIterable<T> | Iterable<T> | ReadableStream<T>;

/** A call failed. */
export class ServerApiError extends Error {
  override readonly name = "ServerApiError";
  /** The name of the error in the protocol's table; `unreachable` when there was no answer. */
  readonly error: string;
  readonly code: number;
  /** The same call may succeed later. */
  readonly temporary: boolean;
  /** Milliseconds to wait before that. */
  readonly retryAfter: number | undefined;

  constructor(failure: Omit<ApiFailure, "name"> & { name: string }, options?: ErrorOptions) {
    super(failure.message, options);
    this.error = failure.name;
    this.code = failure.code;
    this.temporary = failure.temporary;
    this.retryAfter = failure.retryAfter;
  }
}

const METHODS: { readonly [M in ApiMethod]: true } = {
  publish: true,
  append: true,
  broadcast: true,
  direct: true,
  edit: true,
  delete: true,
  send: true,
  subscribe: true,
  unsubscribe: true,
  disconnect: true,
  refresh: true,
  revoke: true,
  block: true,
  unblock: true,
  presence: true,
  presence_stats: true,
  history: true,
  history_remove: true,
  channels: true,
  users: true,
  connections: true,
  connection: true,
  file_delete: true,
  document: true,
  files: true,
  document_delete: true,
  user_export: true,
  user_erase: true,
  functions: true,
  function_logs: true,
  webhooks: true,
  webhook_dead: true,
  webhook_resend: true,
  info: true,
  batch: true,
};

/** Milliseconds before a call is sent again for the first time; twice that before the next. */
const FIRST_WAIT = 200;
/** Milliseconds that the service may ask to wait for. */
const LONGEST_WAIT = 10_000;
const LINES = "application/x-ndjson";

/** Makes a client of the server API. */
export function createServerClient(options: ServerClientOptions): ServerClient {
  const client: Record<string, unknown> = {
    publishAll: (messages: Iterable<ApiPublish> | AsyncIterable<ApiPublish>) => publishAll(options, messages),
  };
  client.stream = (message: ApiStream, source: StreamSource<string | Uint8Array>) =>
    stream(options, message, source);
  for (const method of Object.keys(METHODS)) {
    client[method] = (params: unknown = {}) => call(options, method, params);
  }
  return client as unknown as ServerClient;
}

async function call(options: ServerClientOptions, method: string, params: unknown): Promise<unknown> {
  const { retries = 2, timeout = 15_000 } = options;
  const idempotencyKey = crypto.randomUUID();
  for (let attempt = 0;; attempt++) {
    try {
      const answer = await send(options, method, {
        headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
        body: JSON.stringify(params),
        signal: AbortSignal.timeout(timeout),
      });
      return (await answer.json()).result;
    } catch (error) {
      const failure = error instanceof ServerApiError ? error : unreachable(error);
      // Without an answer nobody knows whether `send` was carried out: it has no id.
      if (!failure.temporary || attempt >= retries || method === "send") throw failure;
      const wait = Math.min(failure.retryAfter ?? FIRST_WAIT * 2 ** attempt, LONGEST_WAIT);
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)));
    }
  }
}

async function* publishAll(
  options: ServerClientOptions,
  messages: Iterable<ApiPublish> | AsyncIterable<ApiPublish>,
): AsyncGenerator<ApiReply, void> {
  const body = ReadableStream.from(lines(messages)).pipeThrough(new TextEncoderStream());
  try {
    const init = { headers: { "content-type": LINES }, body, duplex: "half" };
    const answer = await send(options, "publish", init as RequestInit);
    let rest = "";
    for await (const text of answer.body!.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      for (const part of parts) yield JSON.parse(part) as ApiReply;
    }
  } catch (error) {
    throw error instanceof ServerApiError ? error : unreachable(error);
  }
}

async function stream(
  options: ServerClientOptions,
  message: ApiStream,
  source: StreamSource<string | Uint8Array>,
): Promise<ApiStreamed> {
  const pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  // The first piece decides what it is.
  const first = await pieces.next();
  const isBytes = first.value instanceof Uint8Array;
  const encoder = new TextEncoder();
  let next: IteratorResult<string | Uint8Array> | undefined = first;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = next ?? await pieces.next();
      next = undefined;
      if (done) controller.close();
      else controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
    },
    async cancel() {
      await pieces.return?.();
    },
  });
  const headers = { "content-type": isBytes ? "application/octet-stream" : "text/plain" };
  const query = new URLSearchParams(Object.entries(message) as [string, string][]);
  try {
    const init = { headers, body, duplex: "half" };
    const answer = await send(options, `append?${query}`, init as RequestInit);
    return (await answer.json()).result;
  } catch (error) {
    throw error instanceof ServerApiError ? error : unreachable(error);
  }
}

async function* lines(
  messages: Iterable<ApiPublish> | AsyncIterable<ApiPublish>,
): AsyncGenerator<string, void> {
  let waiting = "";
  for await (const message of messages) {
    waiting += `${JSON.stringify(message)}\n`;
    // Who waits for the next message must not hold back this one.
    if (Symbol.iterator in messages && waiting.length < 16_384) continue;
    yield waiting;
    waiting = "";
  }
  if (waiting !== "") yield waiting;
}

async function send(options: ServerClientOptions, method: string, init: RequestInit): Promise<Response> {
  const { url, key, fetch: fetcher = fetch } = options;
  const headers = new Headers(init.headers);
  if (key !== undefined) headers.set("x-api-key", key);
  const target = new URL(`/api/${method}`, url);
  const answer = await fetcher(target, { ...init, method: "POST", headers });
  if (answer.ok) return answer;
  const text = await answer.text();
  throw new ServerApiError(
    failureIn(text) ?? {
      name: answer.status === 429 ? "rate_limited" : "bad_request",
      code: answer.status,
      message: `the service answered ${answer.status}`,
      temporary: answer.status === 429 || answer.status >= 500,
    },
  );
}

function failureIn(text: string): ApiFailure | undefined {
  try {
    return (JSON.parse(text) as { error?: ApiFailure }).error;
  } catch {
    return undefined;
  }
}

function unreachable(cause: unknown): ServerApiError {
  const failure = { name: "unreachable", code: 0, message: "no answer of the service", temporary: true };
  return new ServerApiError(failure, { cause });
}
