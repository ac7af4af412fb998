/**
 * Standard streams and environment of this process.
 *
 * @module
 */

import { CLIENT_VARIABLES, CONFIG_VARIABLE } from "../config/environment.ts";
import { variables } from "../config/document.ts";
import type { Io } from "./command.ts";

/** Most bytes that are read from standard input: a token is shorter. */
const MOST_INPUT = 1024 * 1024;

/** All variables; when only some may be read, those of them that have a meaning here. */
function environment(): Record<string, string> {
  try {
    return Deno.env.toObject();
  } catch {
    const env: Record<string, string> = {};
    for (
      const name of ["PORT", CONFIG_VARIABLE, ...Object.values(CLIENT_VARIABLES), ...variables().values()]
    ) {
      try {
        const value = Deno.env.get(name);
        if (value !== undefined) env[name] = value;
      } catch {
        // Not permitted: the same as not set.
      }
    }
    return env;
  }
}

function write(stream: typeof Deno.stdout, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch {
    // The reader has gone, as in `skein config-schema | head`.
  }
}

async function readInput(): Promise<string> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of Deno.stdin.readable) {
    size += chunk.length;
    if (size > MOST_INPUT) throw new Error("standard input is longer than 1 MiB");
    chunks.push(chunk);
  }
  return await new Blob(chunks).text();
}

/** The environment and the standard streams of this process. */
export function processIo(): Io {
  return {
    env: environment(),
    out: (text) => write(Deno.stdout, text),
    err: (text) => write(Deno.stderr, text),
    input: readInput,
  };
}
