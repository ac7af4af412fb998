/**
 * Fields of a log line made fit to be written: bounded in size, and without secrets.
 *
 * @module
 */

/** Replaces a secret. */
const REDACTED = "<redacted>";

/** Names that look like a secret's. `key` alone is a configuration key and stays. */
const SECRET =
  /token|secret|passw|passphrase|authori[sz]ation|cookie|credential|private|pem$|api_?key|^jwt$/i;
/** Names that end like the name of a secret but hold a property of one. */
const HARMLESS = /notice|window|expires|kind|count|problem|(^|_)type$/i;

const LONGEST_TEXT = 2000;
const MOST_ITEMS = 50;
const DEEPEST = 5;

function text(value: string): string {
  if (value.includes("-----BEGIN ")) return "<PEM>";
  // A compact JWS: three dotted parts of which the first two are base64url of an object.
  const clean = value.replaceAll(/\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]*/g, REDACTED)
    .replaceAll(/\bBearer +\S+/gi, `Bearer ${REDACTED}`);
  return clean.length > LONGEST_TEXT ? `${clean.slice(0, LONGEST_TEXT)}...` : clean;
}

function serializeError(error: Error, depth: number, seen: Set<unknown>): unknown {
  const fields: Record<string, unknown> = { name: error.name, message: text(error.message) };
  const code: unknown = Reflect.get(error, "code");
  if (typeof code === "string" || typeof code === "number") fields.code = code;
  if (error.stack !== undefined) {
    const frames = error.stack.split("\n").filter((line) => /^\s+at /.test(line)).map((line) => line.trim());
    if (frames.length > 0) fields.stack = frames.slice(0, 10).map(text);
  }
  if (error instanceof AggregateError) fields.errors = clean(error.errors, "", depth + 1, seen);
  if (error.cause !== undefined) fields.cause = clean(error.cause, "", depth + 1, seen);
  return fields;
}

function clean(value: unknown, key: string, depth: number, seen: Set<unknown>): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (value === undefined) return undefined;
  if (SECRET.test(key) && !HARMLESS.test(key) && typeof value !== "number") return REDACTED;
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "string":
      return text(value);
    case "bigint":
      return value.toString();
    case "object":
      break;
    default:
      return `<${typeof value}>`;
  }
  if (seen.has(value)) return "<circular>";
  if (depth > DEEPEST) return "<deep>";
  seen.add(value);
  try {
    if (value instanceof Error) return serializeError(value, depth, seen);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "<date>" : value.toISOString();
    if (value instanceof URL) return text(value.href.replace(/\/\/[^/@]*@/, `//${REDACTED}@`));
    // Bytes are payloads: only their number is written.
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `<${value.byteLength} bytes>`;
    if (value instanceof Map) return clean(Object.fromEntries(value), key, depth, seen);
    if (Array.isArray(value) || value instanceof Set) {
      const items = [...value];
      const shown = items.slice(0, MOST_ITEMS).map((item) => clean(item, "", depth + 1, seen) ?? null);
      return items.length > MOST_ITEMS ? [...shown, `<${items.length - MOST_ITEMS} more>`] : shown;
    }
    const object: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(value).slice(0, MOST_ITEMS)) {
      Object.defineProperty(object, name, {
        value: clean(inner, name, depth + 1, seen),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return object;
  } finally {
    seen.delete(value);
  }
}

/** A copy of `fields` that JSON can hold and that has no secret in it. May throw what a getter throws. */
export function redact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return clean(fields, "", 0, new Set()) as Record<string, unknown>;
}
