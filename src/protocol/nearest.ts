/**
 * Which known name a mistyped one was meant to be.
 *
 * @module
 */

/**
 * Edit distance of two names without regard to case: insertions, deletions, replacements and swaps of
 * neighbours (optimal string alignment).
 *
 * Exported for tests.
 */
export function distance(a: string, b: string): number {
  const s = a.toLowerCase(), t = b.toLowerCase();
  let older: number[] = [];
  let previous = Array.from({ length: t.length + 1 }, (_, index) => index);
  for (let i = 1; i <= s.length; i++) {
    const row = [i];
    for (let j = 1; j <= t.length; j++) {
      const cost = s[i - 1] === t[j - 1] ? 0 : 1;
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && s[i - 1] === t[j - 2] && s[i - 2] === t[j - 1]) {
        best = Math.min(best, older[j - 2]! + 1);
      }
      row.push(best);
    }
    older = previous;
    previous = row;
  }
  return previous[t.length]!;
}

/** Longer names are cut before they are compared: none that is known is so long. */
const LONGEST = 100;

/** The candidate nearest to `name`, the first one of several; `undefined` without candidates. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const cut = name.slice(0, LONGEST);
  let best: string | undefined;
  let least = Infinity;
  for (const candidate of candidates) {
    const far = distance(cut, candidate);
    if (far < least) [best, least] = [candidate, far];
  }
  return best;
}

/** The candidates that `name` may have been meant to be, the nearest first: at most `most`, and none that is far from it. */
export function suggestions(name: string, candidates: Iterable<string>, most = 3): string[] {
  const cut = name.slice(0, LONGEST);
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, far: distance(cut, candidate) }))
    .filter(({ candidate, far }) =>
      far <= Math.max(2, Math.floor(cut.length / 2)) || candidate.toLowerCase().startsWith(cut.toLowerCase())
    )
    .sort((a, b) => a.far - b.far || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, most)
    .map(({ candidate }) => candidate);
}
