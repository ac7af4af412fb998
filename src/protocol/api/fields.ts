/**
 * The parts of the server API's schemas. Other than those of messages they can be told in JSON Schema, of which the
 * description of the API is made.
 *
 * @module
 */

import * as v from "valibot";
import { PRIORITY_NAMES, type PriorityName } from "../priority.ts";
import { type Content, readContent, type Schema } from "../schemas/fields.ts";

/** An object with these fields and no others. */
export function exactly<const E extends v.ObjectEntries>(
  entries: E,
): v.StrictObjectSchema<E, v.ErrorMessage<v.StrictObjectIssue>> {
  return v.strictObject(entries, (issue) => {
    if (issue.expected === "never") return "no such field";
    return issue.expected === "Object" ? "an object" : "missing";
  });
}

/** 1 to `max` printable ASCII characters without spaces. */
export function name(max: number): Schema<string> {
  const says = `1 to ${max} printable ASCII characters without spaces`;
  return v.pipe(v.string(says), v.regex(new RegExp(`^[!-~]{1,${max}}$`), says));
}

/** A channel. */
export function channel(): Schema<string> {
  const says = "a channel: namespace:name, at most 255 printable ASCII characters";
  return v.pipe(v.string(says), v.regex(/^[a-z][a-z0-9_-]{0,31}:[!-~]{1,222}$/, says));
}

/** A document's channel. */
export function documentChannel(): Schema<string> {
  const says = "a document: doc:name";
  return v.pipe(v.string(says), v.regex(/^doc:[!-~]{1,222}$/, says));
}

/** A whole number. */
export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER): Schema<number> {
  const says = `an integer from ${min} to ${max}`;
  return v.pipe(v.number(says), v.integer(says), v.minValue(min, says), v.maxValue(max, says));
}

/** A text of at most `max` characters. */
export function words(max: number): Schema<string> {
  const says = `a text of at most ${max} characters`;
  return v.pipe(v.string(says), v.maxLength(max, says));
}

/** `true` or `false`. */
export function flag(): Schema<boolean> {
  return v.boolean("true or false");
}

/** A list with bounds. */
export function list<T>(of: Schema<T>, max: number, min = 0): Schema<T[]> {
  const says = min === 0 ? `a list of at most ${max}` : `a list of ${min} to ${max}`;
  return v.pipe(v.array(of, says), v.minLength(min, says), v.maxLength(max, says)) as Schema<T[]>;
}

/** An object of JSON. */
export function object(): Schema<Record<string, unknown>> {
  return v.record(v.string(), v.unknown(), "an object") as Schema<Record<string, unknown>>;
}

/** Seconds: at most a hundred years. */
export function seconds(): Schema<number> {
  return whole(1, 3_155_760_000);
}

const CONTENT = {
  text: v.exactOptional(v.pipe(v.string("a text"), v.description("Plain text; this or `data`."))),
  data: v.exactOptional(
    v.pipe(v.unknown(), v.description("Any JSON value, at most 32 levels deep; this or `text`.")),
  ),
  bytes: v.exactOptional(
    v.pipe(flag() as v.GenericSchema<boolean>, v.description("`data` is bytes in base64.")),
  ),
} as const;

/** Who says something, and how urgent it is. */
const SAID = {
  id: v.exactOptional(name(64)),
  from: v.exactOptional(name(128)),
  priority: v.exactOptional(
    v.picklist(
      PRIORITY_NAMES as readonly [PriorityName, ...PriorityName[]],
      `one of ${PRIORITY_NAMES.join(", ")}`,
    ),
  ),
} as const;

/** The fields of a message of the API beside its content. */
export const MESSAGE = SAID;

/** These fields, and exactly one of `text` and `data`. */
export function saying<const E extends v.ObjectEntries>(entries: E): Schema<unknown> {
  return v.pipe(
    exactly({ ...entries, ...CONTENT }) as unknown as v.GenericSchema<unknown, Record<string, unknown>>,
    v.rawTransform<Record<string, unknown>, Record<string, unknown> & Content>(
      ({ dataset, addIssue, NEVER }) => {
        const { text, data, bytes, ...others } = dataset.value;
        const content = readContent({ text, data, bytes });
        if (typeof content !== "string") return { ...others, ...content };
        addIssue({ message: content });
        return NEVER;
      },
    ),
  );
}
