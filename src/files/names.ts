/**
 * Names and media types of files as they are kept and served: what an uploader says is only text, and what a
 * browser would run is not shown in it. Pure.
 *
 * @module
 */

/** Longest name that is kept, in UTF-16 units. */
const MAX_NAME = 255;
/** What a file is called whose name says nothing. */
const NAMELESS = "file";

/** Control characters, and marks that turn the direction of what follows ("txt.exe" for "exe.txt"). */
const INVISIBLE = /[\p{Cc}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/**
 * A name that is safe to show and to save under: its last path segment, without control characters and what
 * file systems do not take, at most 255 characters.
 */
export function safeName(name: string): string {
  const segment = name.toWellFormed().replace(INVISIBLE, "").split(/[/\\]/).findLast((part) =>
    part.trim() !== ""
  );
  let safe = (segment ?? "").replace(/[<>:"|?*]/g, "_").replace(/^[. ]+|[. ]+$/g, "");
  if (safe.length > MAX_NAME) {
    const dot = safe.lastIndexOf(".");
    const extension = dot > 0 && safe.length - dot <= 16 ? safe.slice(dot) : "";
    // A surrogate pair may have been cut in two.
    safe = safe.slice(0, MAX_NAME - extension.length).replace(/[\ud800-\udbff]$/, "") + extension;
  }
  return safe === "" ? NAMELESS : safe;
}

/** A media type's two halves (RFC 9110 §8.3.1). */
const ESSENCE = /^[a-z0-9!#$%&'*+.^_`|~-]+\/[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** The type of what is not known. */
export const UNKNOWN_TYPE = "application/octet-stream";

/** The media type in lower case and without parameters; `application/octet-stream` for what is none. */
export function mediaType(type: string): string {
  const essence = type.split(";", 1)[0]!.trim().toLowerCase();
  return ESSENCE.test(essence) ? essence : UNKNOWN_TYPE;
}

/** Types a browser shows without running anything: all others are saved. */
const SHOWN = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
  "image/bmp",
  "text/plain",
]);

/** Whether a file of this type is shown in a browser rather than saved. */
export function isShown(type: string): boolean {
  return SHOWN.has(type) || /^(audio|video)\/[a-z0-9.+-]+$/.test(type);
}

/** Types of scripts (WHATWG MIME Sniffing §4.6), styles and modules: a page could be made to load one. */
const LOADED =
  /^(text\/(css|jscript|livescript|(x-)?(javascript|ecmascript)[0-9.]*)|application\/((x-)?(javascript|ecmascript)|wasm|json|manifest\+json|[a-z0-9.-]+\+json))$/;

/**
 * The `Content-Type` a file is served with. Scripts, styles and modules go out as bytes: a page of this origin
 * could otherwise be made to load one.
 */
export function servedType(type: string): string {
  if (LOADED.test(type)) return UNKNOWN_TYPE;
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}

/** `Content-Disposition` (RFC 6266): the name in ASCII for old readers and in UTF-8 (RFC 8187) for the rest. */
export function disposition(name: string, type: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/g, "_").replace(/["\\%]/g, "_");
  // What encodeURIComponent leaves as it is and RFC 8187's attr-char does not have.
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${isShown(type) ? "inline" : "attachment"}; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
