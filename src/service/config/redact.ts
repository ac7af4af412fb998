/**
 * How values of a configuration are shown without secrets.
 *
 * @module
 */

import { holdsSecret, type Shape, shapeAt } from "./shape.ts";

const LONGEST = 80;

function plain(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    text = undefined;
  }
  text ??= typeof value;
  // User information in a URL is usually a password.
  text = text.replaceAll(/\/\/[^/@"\s]*@/g, "//<redacted>@");
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 3)}...` : text;
}

const LIKE_A_PATH = /^(?=.*[./])[\w.\-/~ ]{1,100}$/;

/** A value as the line of a problem shows it: shortened, and never a secret or what could be one. */
export function shown(value: unknown, shape: Shape | undefined): string {
  const harmless = typeof value === "number" || typeof value === "boolean" || value === null;
  if (shape !== undefined && holdsSecret(shape) && !(harmless && shape.about === undefined)) {
    return "<redacted>";
  }
  if (typeof value === "string" && value.includes("-----BEGIN ")) return "<PEM>";
  return plain(value);
}

/** A value as a listing of the configuration shows it: secrets are replaced, paths of keys stay. */
export function redacted(value: unknown, path: readonly (string | number)[]): unknown {
  const shape = shapeAt(path);
  if (Array.isArray(value)) {
    if (shape?.about?.secret) return value.map(() => "<redacted>");
    return value.map((item, index) => redacted(item, [...path, index]));
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, redacted(inner, [...path, key])]),
    );
  }
  if (typeof value !== "string") return value;
  if (value.includes("-----BEGIN ")) return "<PEM>";
  if (shape?.about?.secret) {
    return shape.about.kind === "material" && LIKE_A_PATH.test(value) ? value : "<redacted>";
  }
  return value.replaceAll(/\/\/[^/@\s]*@/g, "//<redacted>@");
}
