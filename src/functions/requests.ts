/**
 * What a running call asks of the service, checked: a function may send anything.
 *
 * @module
 */

import * as v from "valibot";
import type {
  Answers,
  AnswerStream,
  BodyReader,
  Caller,
  FunctionHost,
  HttpSink,
  IncomingResponse,
  SaidContent,
} from "./contract.ts";

/** A call as its requests see it. */
export interface RequestScope {
  readonly caller: Caller;
  readonly host: FunctionHost;
  readonly answers: Answers | undefined;
  readonly sink: HttpSink | undefined;
  /** Messages that it lets grow. */
  readonly streams: Map<number, AnswerStream>;
  /** Answers of other hosts that it reads. */
  readonly bodies: Map<number, BodyReader>;
}

/** What a request is answered with. */
export interface RequestAnswer {
  readonly value?: unknown;
  readonly bytes?: Uint8Array<ArrayBuffer>;
}

/** Messages that one call may let grow, and answers it may read, at once. */
const MAX_OPEN = 16;
/** Most bytes of a value of the key-value store. */
const MAX_VALUE = 64 * 1024;
const MAX_HISTORY = 200;

const channel = v.pipe(v.string(), v.minLength(1), v.maxLength(255));
const content = v.union([v.strictObject({ text: v.string() }), v.strictObject({ data: v.unknown() })]);
const key = v.pipe(
  v.string(),
  v.regex(/^[\x21-\x7e]{1,128}$/, "a name of 1 to 128 printable ASCII characters"),
);
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const headers = v.pipe(v.array(v.tuple([v.string(), v.string()])), v.maxLength(100));
const status = v.pipe(v.number(), v.integer(), v.minValue(200), v.maxValue(599));

/** What the head of an answer to an HTTP request has to be. */
export const httpHead = v.strictObject({ status, headers });

const SCHEMAS = {
  publish: v.strictObject({
    channel,
    content,
    id: v.optional(
      v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,64}$/, "an id of 1 to 64 printable ASCII characters")),
    ),
  }),
  reply: v.strictObject({ content, public: v.boolean() }),
  stream: v.strictObject({ channel: v.optional(channel), public: v.optional(v.boolean()) }),
  progress: v.strictObject({
    done: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
    text: v.optional(v.string()),
  }),
  stream_append: v.strictObject({ stream: count, text: v.string() }),
  stream_end: v.strictObject({ stream: count, failed: v.boolean() }),
  history: v.strictObject({
    channel,
    limit: v.optional(v.pipe(count, v.minValue(1), v.maxValue(MAX_HISTORY)), 50),
    since: v.optional(count),
  }),
  presence: v.strictObject({ channel }),
  kv_get: v.strictObject({ name: key }),
  kv_set: v.strictObject({
    name: key,
    value: v.unknown(),
    ttl: v.optional(v.pipe(count, v.minValue(1))),
    revision: v.optional(count),
  }),
  kv_delete: v.strictObject({ name: key }),
  fetch: v.strictObject({
    url: v.pipe(v.string(), v.maxLength(8192)),
    method: v.pipe(v.string(), v.regex(/^[A-Za-z]{1,16}$/)),
    headers,
    redirect: v.picklist(["follow", "error", "manual"]),
  }),
  fetch_read: v.strictObject({ id: count }),
  fetch_cancel: v.strictObject({ id: count }),
  http_head: httpHead,
  http_piece: v.strictObject({}),
} as const;

type Op = keyof typeof SCHEMAS;
type Args<O extends Op> = v.InferOutput<typeof SCHEMAS[O]>;
type Bytes = Uint8Array<ArrayBuffer>;

/** Does what a function asks for. Rejects with what it is to be told. */
export async function serveRequest(
  scope: RequestScope,
  op: unknown,
  args: unknown,
  bytes: Bytes,
): Promise<RequestAnswer> {
  if (typeof op !== "string" || !Object.hasOwn(SCHEMAS, op)) throw new Error(`nothing is called ${op}`);
  const parsed = v.safeParse(SCHEMAS[op as Op], args);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new TypeError(
      `${op}: ${issue.path?.map((part) => String(part.key)).join(".") ?? ""}: ${issue.message}`,
    );
  }
  const serve = SERVE[op as Op] as (
    scope: RequestScope,
    args: unknown,
    bytes: Bytes,
  ) => Promise<RequestAnswer>;
  return await serve(scope, parsed.output, bytes);
}

type Serve = {
  readonly [O in Op]: (scope: RequestScope, args: Args<O>, bytes: Bytes) => Promise<RequestAnswer>;
};

const SERVE: Serve = {
  publish: async ({ host, caller }, { channel, content, id }) => ({
    value: await host.publish(caller, channel, content as SaidContent, id),
  }),
  async reply({ answers }, { content, public: isPublic }) {
    if (answers === undefined) throw new Error("reply: nobody waits for an answer here");
    await answers.reply(content as SaidContent, isPublic);
    return {};
  },
  async stream({ host, caller, answers, streams }, { channel, public: isPublic = false }) {
    if (streams.size >= MAX_OPEN) throw new Error(`stream: more than ${MAX_OPEN} at once`);
    if (channel === undefined && answers === undefined) throw new Error("stream: name a channel");
    const number = nextKey(streams);
    streams.set(
      number,
      await (channel === undefined ? answers!.open(isPublic) : host.stream(caller, channel)),
    );
    return { value: number };
  },
  async stream_append({ streams }, { stream, text }) {
    await openStream(streams, stream).append(text);
    return {};
  },
  async stream_end({ streams }, { stream, failed }) {
    const open = openStream(streams, stream);
    streams.delete(stream);
    await open.end(failed);
    return {};
  },
  progress({ answers }, { done, text }) {
    answers?.progress?.(done, text);
    return Promise.resolve({});
  },
  history: async ({ host, caller }, { channel, limit, since }) => ({
    value: await host.history(caller, channel, { limit, since }),
  }),
  presence: async ({ host, caller }, { channel }) => ({ value: await host.presence(caller, channel) }),
  kv_get: async ({ host, caller }, { name }) => ({ value: await host.kvGet(caller, name) ?? null }),
  async kv_set({ host, caller }, { name, value, ttl, revision }) {
    if (value === undefined) throw new TypeError("kv.set: undefined is no JSON");
    if (JSON.stringify(value).length > MAX_VALUE) {
      throw new RangeError(`kv.set: more than ${MAX_VALUE} bytes`);
    }
    return { value: await host.kvSet(caller, name, value, { ttl, revision }) };
  },
  kv_delete: async ({ host, caller }, { name }) => ({ value: await host.kvDelete(caller, name) }),
  async fetch({ host, caller, bodies }, request, body) {
    if (bodies.size >= MAX_OPEN) throw new Error(`fetch: more than ${MAX_OPEN} answers are not read yet`);
    const response = await host.fetch(caller, { ...request, body });
    const id = nextKey(bodies);
    if (response.body !== undefined) bodies.set(id, response.body);
    return { value: headOf(response, id) };
  },
  async fetch_read({ bodies }, { id }) {
    const body = bodies.get(id);
    if (body === undefined) return { value: "end" };
    const part = await body.read();
    if (!part.done) return { value: "more", bytes: part.value };
    bodies.delete(id);
    return { value: "end" };
  },
  async fetch_cancel({ bodies }, { id }) {
    const body = bodies.get(id);
    bodies.delete(id);
    await body?.cancel();
    return {};
  },
  http_head({ sink }, { status, headers }) {
    if (sink === undefined) throw new Error("a streamed Response answers HTTP requests alone");
    sink.head(status, headers);
    return Promise.resolve({});
  },
  async http_piece({ sink }, _args, bytes) {
    if (sink === undefined) throw new Error("a streamed Response answers HTTP requests alone");
    await sink.piece(bytes);
    return {};
  },
};

function headOf({ url, status, headers, body }: IncomingResponse, id: number) {
  return { id, url, status, headers, body: body !== undefined };
}

function openStream(streams: ReadonlyMap<number, AnswerStream>, number: number): AnswerStream {
  const open = streams.get(number);
  if (open === undefined) throw new Error("the stream has ended");
  return open;
}

function nextKey(map: ReadonlyMap<number, unknown>): number {
  let key = map.size;
  while (map.has(key)) key++;
  return key;
}

/** Ends what a call has left open. Never rejects. */
export async function closeScope(
  { streams, bodies }: Pick<RequestScope, "streams" | "bodies">,
): Promise<void> {
  const open = [...streams.values()], reading = [...bodies.values()];
  streams.clear();
  bodies.clear();
  await Promise.allSettled([
    ...open.map(async (stream) => await stream.end(true)),
    ...reading.map((body) => body.cancel()),
  ]);
}
