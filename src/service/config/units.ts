/**
 * Durations and sizes as people write them.
 *
 * @module
 */

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const SIZE = /^(\d+(?:\.\d+)?)(B|KB|MB|GB|KiB|MiB|GiB)$/;

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

function parse(text: string, form: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const value = Math.round(Number(match[1]) * units[match[2]!]!);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `"25s"`, `"1.5m"`, `"500ms"`, `"2h"`, `"7d"` as whole milliseconds; `undefined` for anything else. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION, MILLISECONDS);
}

/** `"64KiB"`, `"1MiB"`, `"1.5GB"`, `"100B"` as whole bytes; `undefined` for anything else. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE, BYTES);
}

function format(value: number, units: readonly (readonly [string, number])[]): string {
  if (value !== 0) {
    for (const [name, factor] of units) if (value % factor === 0) return `${value / factor}${name}`;
  }
  return `${value}${units.at(-1)![0]}`;
}

/** Milliseconds in the largest unit that leaves no fraction: `90000` is `"90s"`, `120000` is `"2m"`. */
export function formatDuration(ms: number): string {
  return format(ms, [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000], ["ms", 1]]);
}

/** Bytes in the largest binary unit that leaves no fraction: `65536` is `"64KiB"`. */
export function formatSize(bytes: number): string {
  return format(bytes, [["GiB", 1024 ** 3], ["MiB", 1024 ** 2], ["KiB", 1024], ["B", 1]]);
}
