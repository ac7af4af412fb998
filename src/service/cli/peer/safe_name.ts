/**
 * Names of files that others send: they name a file in the directory, and nothing else. Pure.
 *
 * @module
 */

/** Bytes of a name; file systems allow 255, and room is needed for " (1)". */
const MAX_BYTES = 200;
/** Devices of Windows, with any extension. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
const UTF8 = new TextEncoder();

/** A name without directories, control characters, a leading dot, or what Windows refuses. Never empty. */
export function safeName(said: string): string {
  const last = said.split(/[/\\]/).at(-1)!;
  const plain = last
    .normalize("NFC")
    // Unpaired surrogates cannot be written to disk.
    .toWellFormed()
    // deno-lint-ignore no-control-regex
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff<>:"|?*]/g, "_")
    .replace(/^[.\s]+/, "")
    .replace(/[.\s]+$/, "");
  const name = RESERVED.test(plain) ? `_${plain}` : plain;
  return name === "" ? "file" : shortened(name);
}

/** `a (2).tar.gz` for the third file of that name. @param n 0 for the name itself. */
export function numbered(name: string, n: number): string {
  if (n === 0) return name;
  const { stem, extension } = parts(name);
  return `${stem} (${n})${extension}`;
}

function shortened(name: string): string {
  const { stem, extension } = parts(name);
  let left = stem;
  while (UTF8.encode(left + extension).length > MAX_BYTES) left = [...left].slice(0, -1).join("");
  return left + extension;
}

function parts(name: string): { stem: string; extension: string } {
  const match = /(\.tar)?\.[A-Za-z0-9]{1,10}$/.exec(name);
  if (match === null || match.index === 0) return { stem: name, extension: "" };
  return { stem: name.slice(0, match.index), extension: match[0] };
}
