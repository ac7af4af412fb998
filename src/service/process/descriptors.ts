/**
 * File descriptors of the process.
 *
 * @module
 */

import { closeSync, openSync } from "node:fs";

/** How many descriptors are open, as far as the process may see it. */
export interface DescriptorFigures {
  /** Undefined where `/proc` may not be read: Deno allows that to a process with all permissions only. */
  readonly open: number | undefined;
  /** How many may be open; undefined as above. */
  readonly limit: number | undefined;
  /** The lowest number that is free: all below it are open. Undefined when none is free, or on Windows. */
  readonly lowestFree: number | undefined;
}

/** Asks the system. */
export function readDescriptors(): DescriptorFigures {
  return { open: countOpen(), limit: readLimit(), lowestFree: lowestFree() };
}

function countOpen(): number | undefined {
  return attempt(() => {
    let count = 0;
    for (const _ of Deno.readDirSync("/proc/self/fd")) count++;
    // One of them was the folder itself, open while it was read.
    return count - 1;
  });
}

function readLimit(): number | undefined {
  return attempt(() => {
    const found = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"));
    return found === null ? undefined : Number(found[1]);
  });
}

/** POSIX gives each new descriptor the lowest free number. */
function lowestFree(): number | undefined {
  if (Deno.build.os === "windows") return undefined;
  return attempt(() => {
    const descriptor = openSync("/dev/null", "r");
    closeSync(descriptor);
    return descriptor;
  });
}

function attempt(read: () => number | undefined): number | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
