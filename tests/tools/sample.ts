/**
 * A choice by chance that can be made again.
 *
 * @module
 */

/**
 * Chooses `count` of `from` by chance, the same for the same seed. Each time first a kind and then one of that kind,
 * so that tables of numbers do not take all places.
 */
export function sample<T>(from: readonly T[], kindOf: (one: T) => string, count: number, seed: number): T[] {
  const random = seeded(seed);
  const left = [...from];
  const chosen: T[] = [];
  while (chosen.length < count && left.length > 0) {
    const kinds = [...new Set(left.map(kindOf))];
    const kind = kinds[Math.floor(random() * kinds.length)]!;
    const ofKind = left.filter((one) => kindOf(one) === kind);
    const one = ofKind[Math.floor(random() * ofKind.length)]!;
    left.splice(left.indexOf(one), 1);
    chosen.push(one);
  }
  return chosen;
}

/** Numbers by chance that are the same each time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
