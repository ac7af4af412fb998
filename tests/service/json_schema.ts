/** The part of JSON Schema that the description of the server API uses: values that fit, and whether one fits. */

import fc from "fast-check";

/** A schema of the description. */
export type Schema = Readonly<Record<string, unknown>>;

const KNOWN = new Set([
  "type",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "minItems",
  "maxItems",
  "enum",
  "anyOf",
  "pattern",
  "minLength",
  "maxLength",
  "minimum",
  "maximum",
  "description",
  // Every name of a JSON object is a string.
  "propertyNames",
]);

/** Why `value` does not fit `schema`; undefined when it does. Throws for a keyword that it does not know. */
export function misfit(value: unknown, schema: Schema, at = "$"): string | undefined {
  for (const word of Object.keys(schema)) {
    if (!KNOWN.has(word)) throw new Error(`${at}: unknown keyword ${word}`);
  }
  const { type, anyOf, pattern, minimum, maximum, minLength, maxLength, minItems, maxItems } = schema as {
    [word: string]: never;
  } & { anyOf?: Schema[] };
  if (anyOf !== undefined) {
    const misfits = anyOf.map((each) => misfit(value, each, at));
    return misfits.includes(undefined) ? undefined : misfits.join("; ");
  }
  if (schema.enum !== undefined && !(schema.enum as unknown[]).includes(value)) {
    return `${at}: not in the enum`;
  }
  if (type !== undefined && !isOfType(value, type)) return `${at}: ${typeof value} is no ${type}`;
  if (typeof value === "string") {
    if (pattern !== undefined && !new RegExp(pattern, "u").test(value)) {
      return `${at}: ${value} against ${pattern}`;
    }
    if (value.length < (minLength ?? 0) || value.length > (maxLength ?? Infinity)) return `${at}: length`;
  }
  if (typeof value === "number" && (value < (minimum ?? -Infinity) || value > (maximum ?? Infinity))) {
    return `${at}: ${value} out of range`;
  }
  if (Array.isArray(value)) {
    if (value.length < (minItems ?? 0) || value.length > (maxItems ?? Infinity)) {
      return `${at}: number of items`;
    }
    for (const [i, each] of value.entries()) {
      const found = misfit(each, (schema.items ?? {}) as Schema, `${at}[${i}]`);
      if (found !== undefined) return found;
    }
  } else if (typeof value === "object" && value !== null) return objectMisfit(value as never, schema, at);
  return undefined;
}

function objectMisfit(value: Record<string, unknown>, schema: Schema, at: string): string | undefined {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  for (const name of (schema.required ?? []) as string[]) {
    if (!(name in value)) return `${at}.${name}: missing`;
  }
  for (const [name, inner] of Object.entries(value)) {
    const own = properties[name] ?? schema.additionalProperties;
    if (own === false) return `${at}.${name}: not allowed`;
    const found = typeof own === "object" ? misfit(inner, own as Schema, `${at}.${name}`) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function isOfType(value: unknown, type: string): boolean {
  if (type === "null") return value === null;
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  const own: string = typeof value;
  return own === type;
}

/** Values that mostly fit `schema`, and sometimes are anything. */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: fitting(schema) }, {
    weight: 1,
    arbitrary: fc.jsonValue({ maxDepth: 3 }),
  });
}

function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.anyOf !== undefined) return fc.oneof(...(schema.anyOf as Schema[]).map(valuesOf));
  if (schema.enum !== undefined) return fc.constantFrom(...(schema.enum as unknown[]));
  const { minimum = -1000, maximum = 1000, pattern } = schema as {
    minimum?: number;
    maximum?: number;
    pattern?: string;
  };
  switch (schema.type) {
    case "string":
      return fc.oneof(
        pattern === undefined ? fc.string({ maxLength: 40 }) : fc.stringMatching(new RegExp(pattern)),
        few(pattern),
      );
    case "integer":
    case "number":
      return fc.oneof(
        fc.integer({ min: minimum, max: Math.min(maximum, minimum + 20) }),
        fc.maxSafeInteger(),
      );
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(valuesOf((schema.items ?? {}) as Schema), { minLength: 0, maxLength: 4 });
    case "object": {
      const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
      const required = (schema.required ?? []) as string[];
      const record = Object.fromEntries(properties.map(([name, each]) => [name, valuesOf(each)]));
      return fc.record(record, { requiredKeys: required });
    }
    default:
      return fc.jsonValue({ maxDepth: 4 });
  }
}

/** Names that are there, so that calls meet something. */
function few(pattern: string | undefined): fc.Arbitrary<string> {
  if (pattern === undefined) return fc.constantFrom("publish", "history", "batch");
  if (pattern.includes("doc:")) return fc.constant("doc:plan");
  return pattern.includes(":")
    ? fc.constantFrom("chat:a", "chat:b", "user:ann")
    : fc.constantFrom("ann", "bob", "m1");
}
