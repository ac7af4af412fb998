/**
 * The parts of payload schemas. The message of each says what is allowed and never repeats what was received, because it
 * goes to the peer and into logs.
 *
 * @module
 */

import * as v from "valibot";
import { isChannel, isUserId } from "../channel.ts";
import { isJson, MAX_DATA_DEPTH } from "../json.ts";
import { isPriorityName, PRIORITY_NAMES, type PriorityName } from "../priority.ts";

/** A schema whose result is a `T`. */
export type Schema<T> = v.GenericSchema<unknown, T>;

/** A schema for each type of `P`. */
export type Schemas<P> = { readonly [T in keyof P]: Schema<P[T]> };

/** The content of a message: exactly one of the two. */
export interface Content {
  /** Plain text. */
  text?: string;
  /** Any JSON value, at most 32 levels deep, without bytes in it; or bytes, when `bytes` is there. */
  data?: unknown;
  /** `data` is bytes: bin in MessagePack, base64 text in JSON. */
  bytes?: true;
}

/** How urgent a message is. */
export interface Prioritised {
  /** Decides the order of what waits on a lane; messages of one channel keep theirs. @default "normal" */
  priority?: PriorityName;
}

/** An object with these fields; others are ignored and left out of the result. */
export function shape<const E extends v.ObjectEntries>(
  entries: E,
): v.ObjectSchema<E, v.ErrorMessage<v.ObjectIssue>> {
  return v.object(entries, (issue) => issue.expected === "Object" ? "an object" : "missing");
}

/** 1 to `max` printable ASCII characters without spaces: ids, epochs, names. */
export function token(max: number): Schema<string> {
  const form = new RegExp(`^[\\x21-\\x7e]{1,${max}}$`);
  const says = `1 to ${max} printable ASCII characters without spaces`;
  return v.pipe(v.string(says), v.regex(form, says));
}

/** Any text of at most `max` characters (UTF-16 units). */
export function text(max: number): Schema<string> {
  return v.pipe(v.string("a text"), v.maxLength(max, `a text of at most ${max} characters`));
}

/** An integer from `min` to `max`. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Schema<number> {
  const says = `an integer from ${min} to ${max}`;
  return v.custom<number>(
    (n) => Number.isSafeInteger(n) && (n as number) >= min && (n as number) <= max,
    says,
  );
}

/** A number from `min` to `max`, not NaN. */
export function number(min: number, max: number): Schema<number> {
  return v.custom<number>(
    (n) => typeof n === "number" && n >= min && n <= max,
    `a number from ${min} to ${max}`,
  );
}

/** `true` or `false`. */
export function flag(): Schema<boolean> {
  return v.boolean("true or false");
}

/** Bytes as `min` to `max` characters of base64url without padding (RFC 4648 §5). */
export function base64url(min: number, max: number): Schema<string> {
  const says = `${min === max ? min : `${min} to ${max}`} characters of base64url`;
  return v.pipe(v.string(says), v.regex(new RegExp(`^[A-Za-z0-9_-]{${min},${max}}$`), says));
}

/** A channel name. */
export function channelField(): Schema<string> {
  return v.custom<string>(
    (c) => typeof c === "string" && isChannel(c),
    "a channel: namespace:name, at most 255 printable ASCII characters",
  );
}

/** A user id. */
export function userIdField(): Schema<string> {
  return v.custom<string>(
    (u) => typeof u === "string" && isUserId(u),
    "a user id: 1 to 128 printable ASCII characters without spaces",
  );
}

/** The epoch of a channel. */
export function epochField(): Schema<string> {
  return token(64);
}

/** An offset in a channel; 0 is before the first message. */
export function offsetField(): Schema<number> {
  return integer(0);
}

const JSON_RULE = `a JSON value at most ${MAX_DATA_DEPTH} levels deep, without bytes in it`;

/** Any JSON value at most 32 levels deep, without bytes. */
export function jsonField(): Schema<unknown> {
  return v.custom<unknown>((value) => isJson(value), JSON_RULE);
}

/** A JSON object: a token's `info`. */
export function infoField(): Schema<Record<string, unknown>> {
  return v.custom<Record<string, unknown>>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value) && isJson(value),
    "a JSON object",
  );
}

/**
 * Bytes at the top of a payload: bytes in MessagePack, base64 text (RFC 4648 §4, padded or not) in JSON. The result is
 * bytes in both cases, at most `max`.
 */
export function bytesField(max: number = Number.MAX_SAFE_INTEGER): Schema<Uint8Array> {
  const says = max === Number.MAX_SAFE_INTEGER
    ? "bytes, base64 in JSON"
    : `at most ${max} bytes, base64 in JSON`;
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, Uint8Array>(({ dataset, addIssue, NEVER }) => {
      const bytes = toBytes(dataset.value, max);
      if (bytes !== undefined) return bytes;
      addIssue({ message: says });
      return NEVER;
    }),
  );
}

/** `value` as `bytesField` reads it; undefined when it is neither bytes nor base64, or more than `max` of them. */
export function toBytes(value: unknown, max: number = Number.MAX_SAFE_INTEGER): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value.length <= max ? value : undefined;
  if (typeof value !== "string" || value.length > max * 4 / 3 + 4) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(value);
    return bytes.length <= max ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** What `text` of a content may be. */
const TEXT_RULE = "a text without U+0000";

/** Whether `text` may be kept: many readers and databases end a text at U+0000. */
function isText(text: unknown): text is string {
  return typeof text === "string" && !text.includes("\0");
}

/** The fields of a content, checked together by `readContent`. */
const CONTENT = {
  text: v.exactOptional(v.unknown()),
  data: v.exactOptional(v.unknown()),
  bytes: v.exactOptional(v.unknown()),
} as const;

/**
 * The content of a payload, with bytes as bytes whichever form they came in. A text: what is wrong with it, in words that
 * do not repeat what was received.
 */
export function readContent({ text, data, bytes }: Readonly<Record<string, unknown>>): Content | string {
  if ((text === undefined) === (data === undefined)) return "exactly one of text and data";
  if (bytes !== undefined && typeof bytes !== "boolean") return "bytes: true or false";
  if (data === undefined) return isText(text) ? { text } : `text: ${TEXT_RULE}`;
  if (data instanceof Uint8Array) return { data, bytes: true };
  if (bytes === true) {
    const read = toBytes(data);
    return read === undefined ? "data: bytes, base64 in JSON" : { data: read, bytes };
  }
  return isJson(data) ? { data } : `data: ${JSON_RULE}`;
}

/** Fields of what a client publishes in order. */
export interface Ordered {
  /**
   * The id of the message that the client sent before this one to the same channel on this connection, empty for the
   * first one. When that one was not taken, this one is refused (`out_of_order`). @default any order
   */
  after?: string;
}

/** Says what `priority` may be. */
export const PRIORITY_RULE = `priority: one of ${PRIORITY_NAMES.join(", ")}`;

/** The schema of `Prioritised`. */
export const PRIORITISED = {
  priority: v.exactOptional(
    v.custom<PriorityName>(isPriorityName, `one of ${PRIORITY_NAMES.join(", ")}`),
  ),
} as const;

/** Says what `after` may be. */
export const AFTER_RULE = "after: the id of a message, or nothing";

/** Whether `after` is an id of at most 64 characters, or empty. */
export function isAfter(after: unknown): after is string {
  return typeof after === "string" && after.length <= 64;
}

/** The schema of `Ordered`. */
export const ORDERED = {
  after: v.exactOptional(v.custom<string>(isAfter, "the id of a message, or nothing")),
} as const;

/** An object with these fields and exactly one of `text` and `data`, read as `readContent` does. */
export function saying<const E extends v.ObjectEntries>(
  entries: E,
): Schema<v.InferOutput<v.ObjectSchema<E, undefined>> & Content> {
  const schema = v.pipe(
    shape({ ...entries, ...CONTENT }) as v.GenericSchema<unknown, Record<string, unknown>>,
    v.rawTransform<Record<string, unknown>, Record<string, unknown>>(({ dataset, addIssue, NEVER }) => {
      const { text, data, bytes, ...others } = dataset.value;
      const content = readContent({ text, data, bytes });
      if (typeof content !== "string") return { ...others, ...content };
      addIssue({ message: content });
      return NEVER;
    }),
  );
  return schema as Schema<v.InferOutput<v.ObjectSchema<E, undefined>> & Content>;
}

/** An object whose keys are channels. */
export function perChannel<T>(value: Schema<T>): Schema<Record<string, T>> {
  return v.record(channelField() as v.GenericSchema<string, string>, value, "an object");
}

/** The content alone, out of a payload with more fields. */
export function contentOf({ text, data, bytes }: Content): Content & Record<string, unknown> {
  if (text !== undefined) return { text };
  return bytes === true ? { data, bytes } : { data };
}

/** What a channel keeps of a message: its content, and its priority when that is not the usual one. */
export function keptOf(payload: Content & Prioritised): Content & Prioritised & Record<string, unknown> {
  const { priority } = payload;
  const content = contentOf(payload);
  return priority === undefined || priority === "normal" ? content : { ...content, priority };
}
