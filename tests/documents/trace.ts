/**
 * Writing sessions, edit by edit: recorded ones from files in the form of the public editing traces, and made ones of
 * the same shape.
 *
 * @module
 */

import type { Text } from "yjs";
import { seeded } from "../client/support.ts";

/** At that place so many characters go, and these come. */
export type Patch = readonly [at: number, remove: number, insert: string];

/** A session from an empty text on. */
export interface Trace {
  readonly patches: readonly Patch[];
  /** The text afterwards. */
  readonly end: string;
}

/**
 * Reads a recorded session, JSON or gzipped JSON: `{startContent: "", endContent, txns: [{patches: [[at, remove,
 * insert]]}]}`, the form in which sequential editing traces are published. Throws an Error for texts that are not
 * ASCII: places in such a file count characters, and in Yjs UTF-16 units.
 */
export async function recorded(path: string): Promise<Trace> {
  const file = await Deno.open(path);
  const stream = path.endsWith(".gz")
    ? file.readable.pipeThrough(new DecompressionStream("gzip"))
    : file.readable;
  const { startContent, endContent, txns } = await new Response(stream).json() as {
    startContent: string;
    endContent: string;
    txns: { patches: Patch[] }[];
  };
  const patches = txns.flatMap(({ patches }) => patches);
  // deno-lint-ignore no-control-regex -- all of ASCII is meant
  if (startContent !== "" || !patches.every(([, , insert]) => /^[\x00-\x7f]*$/.test(insert))) {
    throw new Error(`${path}: a session that begins with nothing and is in ASCII is needed`);
  }
  return { patches, end: endContent };
}

/**
 * Somebody who writes a paper, a character at a time, `edits` times: mostly where the last one was, sometimes nearby,
 * seldom anywhere; three in ten are deletions. The figures are those of a recorded session of 259,778 edits.
 */
export function typed(edits: number, seed: number): Trace {
  const random = seeded(seed);
  const below = (most: number): number => Math.floor(random() * most);
  const patches: Patch[] = [];
  const text = new Uint8Array(edits);
  let length = 0, at = 0;
  while (patches.length < edits) {
    at = random() < 0.7 ? Math.max(0, Math.min(length, at + below(80) - 40)) : below(length + 1);
    const isInsertion = length < 100 || random() < 0.6;
    // Half of the runs are one or two long, and some a whole paragraph.
    const run = random() < 0.5 ? 1 + below(2) : Math.ceil(-Math.log(1 - random()) * (isInsertion ? 14 : 9));
    for (let left = Math.min(run, edits - patches.length); left > 0; left--) {
      if (isInsertion) {
        const letter = random() < 0.17 ? 32 : 97 + below(26);
        text.copyWithin(at + 1, at, length++);
        text[at] = letter;
        patches.push([at++, 0, String.fromCharCode(letter)]);
      } else if (at > 0) {
        text.copyWithin(at - 1, at, length--);
        patches.push([--at, 1, ""]);
      }
    }
  }
  return { patches, end: new TextDecoder().decode(text.subarray(0, length)) };
}

/** Makes the edits one by one; waits for a turn of the event loop whenever more than `most` are not through. */
export async function replay(
  patches: Iterable<Patch>,
  text: Text,
  pending: () => number,
  most = 500,
): Promise<void> {
  for (const [at, remove, insert] of patches) {
    text.doc!.transact(() => {
      if (remove > 0) text.delete(at, remove);
      if (insert !== "") text.insert(at, insert);
    });
    // What is done in one turn would go as one operation.
    await undefined;
    while (pending() > most) await new Promise((resolve) => setImmediate(resolve));
  }
}
