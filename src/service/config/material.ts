/**
 * Keys and certificates that a configuration names: a path, or PEM inline.
 *
 * @module
 */

import type { Problem } from "./problem.ts";

/** A file that a setting names cannot be used; the message names the key and the path, never the content. */
export class MaterialError extends Error {
  override readonly name = "MaterialError";
  /** The dotted key. */
  readonly key: string;
  /** What is wrong, without the key. */
  readonly problem: string;

  /** `problem` must not hold anything of the file's content. */
  constructor(key: string, problem: string, options?: ErrorOptions) {
    super(`${key}: ${problem}`, options);
    this.key = key;
    this.problem = problem;
  }
}

/** Largest file that is read: keys and certificates are smaller. */
const LARGEST = 1024 * 1024;

async function readFile(path: string, key: string): Promise<string> {
  try {
    const { size, isFile } = await Deno.stat(path);
    // A secret may be a pipe or a device, which have no size.
    if (isFile && size > LARGEST) throw new Error("larger than 1 MiB");
    return await Deno.readTextFile(path);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound
      ? "there is no such file"
      : cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable
      ? "reading it is not permitted"
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new MaterialError(key, `${JSON.stringify(path)} cannot be read: ${why}`, { cause });
  }
}

/**
 * The PEM of a setting, read from its file when it is a path; relative paths start at the working
 * directory. Rejects with MaterialError. `key` names the setting in errors.
 */
export async function readMaterial(value: string, key: string): Promise<string> {
  if (value.includes("-----BEGIN ")) return value;
  const text = await readFile(value, key);
  if (!text.includes("-----BEGIN ")) throw new MaterialError(key, `${JSON.stringify(value)} is not PEM`);
  return text;
}

/** A secret from a file, without white space around it. Rejects with MaterialError. */
export async function readSecret(path: string, key: string): Promise<string> {
  return (await readFile(path, key)).trim();
}

/** The problem behind an error that was thrown while the file of the setting `key` was read. */
export function asProblem(error: unknown, key: string): Problem {
  if (error instanceof MaterialError) return { key: error.key, message: error.problem, where: "" };
  return { key, message: error instanceof Error ? error.message : String(error), where: "" };
}
