/**
 * Names and media types of files. Both come from the uploader: a name must not become a path, and a browser must not run
 * a file as a page of this origin. Pure.
 *
 * @module
 */

/** Longest name that is kept, in UTF-16 units. */
const MAX_NAME = 255;
/** The name of a file when nothing of the given one is left. */
const NAMELESS = "file";

/** Control characters, and marks that change the direction of text: with them "exe.txt" can be shown as "txt.exe". */
const INVISIBLE = /[\p{Cc}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/**
 * A name that is safe to show and to save a file under: the last path segment, without control characters and characters
 * that file systems refuse, at most 255 characters.
 */
export function safeName(name: string): string {
  const segment = name.toWellFormed().replace(INVISIBLE, "").split(/[/\\]/).findLast((part) =>
    part.trim() !== ""
  );
  let safe = (segment ?? "").replace(/[<>:"|?*]/g, "_").replace(/^[. ]+|[. ]+$/g, "");
  if (safe.length > MAX_NAME) {
    const dot = safe.lastIndexOf(".");
    const extension = dot > 0 && safe.length - dot <= 16 ? safe.slice(dot) : "";
    // The cut may have gone through a surrogate pair.
    safe = safe.slice(0, MAX_NAME - extension.length).replace(/[\ud800-\udbff]$/, "") + extension;
  }
  return safe === "" ? NAMELESS : safe;
}

/** Type and subtype (RFC 9110 §8.3.1). */
const ESSENCE = /^[a-z0-9!#$%&'*+.^_`|~-]+\/[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** The media type of unknown data. */
export const UNKNOWN_TYPE = "application/octet-stream";

/** The media type in lower case, without parameters; `application/octet-stream` when it is malformed. */
export function mediaType(type: string): string {
  const essence = type.split(";", 1)[0]!.trim().toLowerCase();
  return ESSENCE.test(essence) ? essence : UNKNOWN_TYPE;
}

/** Types that a browser shows without running anything. All others are saved as files. */
const SHOWN = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
  "image/bmp",
  "text/plain",
]);

/** Whether a browser shows a file of this type instead of saving it. */
export function isShown(type: string): boolean {
  return SHOWN.has(type) || /^(audio|video)\/[a-z0-9.+-]+$/.test(type);
}

/** Types of scripts (WHATWG MIME Sniffing §4.6), styles and modules. */
const LOADED =
  /^(text\/(css|jscript|livescript|(x-)?(javascript|ecmascript)[0-9.]*)|application\/((x-)?(javascript|ecmascript)|wasm|json|manifest\+json|[a-z0-9.-]+\+json))$/;

/**
 * The `Content-Type` that a file is served with. Scripts, styles and modules are served as bytes: otherwise a page of this
 * origin could be made to load one.
 */
export function servedType(type: string): string {
  if (LOADED.test(type)) return UNKNOWN_TYPE;
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}

/** `Content-Disposition` (RFC 6266): the name in ASCII for old clients and in UTF-8 (RFC 8187) for all others. */
export function disposition(name: string, type: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/g, "_").replace(/["\\%]/g, "_");
  // encodeURIComponent leaves these as they are, and attr-char of RFC 8187 does not allow them.
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${isShown(type) ? "inline" : "attachment"}; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
