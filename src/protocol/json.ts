/**
 * What a value must be to travel in a payload: the same rules for JSON and MessagePack.
 *
 * @module
 */

/** How many levels of arrays and objects a payload may hold; the payload itself is not counted. */
export const MAX_PAYLOAD_DEPTH = 40;
/** How many levels `data` of a message may hold: fewer, because `history_response` holds it some levels deeper. */
export const MAX_DATA_DEPTH = 32;

/**
 * Whether `value` is JSON with at most `depth` levels of arrays and objects: finite numbers, no bytes, no `undefined`,
 * and no key `__proto__`, which would change the prototype of an object it is copied into.
 */
export function isJson(value: unknown, depth: number = MAX_DATA_DEPTH): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return value - value === 0;
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth === 0 || value instanceof Uint8Array) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isJson(value[i], depth - 1)) return false;
    return true;
  }
  for (const key in value) {
    if (key === "__proto__" || !isJson((value as Record<string, unknown>)[key], depth - 1)) return false;
  }
  return true;
}
