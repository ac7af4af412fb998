/**
 * Errors of a function, in the names and lines of its source.
 *
 * @module
 */

/** An error as the service gets it. */
export interface ErrorReport {
  readonly message: string;
  /** Where it was thrown: `hello.ts:3:28`. Undefined: not in the function's own code. */
  readonly at?: string;
  /** At most some lines. */
  readonly stack?: string;
}

/** Most characters of a message. */
const MAX_MESSAGE = 1000;
const MAX_LINES = 12;

// Kept before the function runs, which has no `Deno`.
const { inspect } = Deno;
const names = new Map<string, string>();
/** Of the isolate's own code: no business of the function's author. */
const OWN = new URL("./", import.meta.url).href;

/** From now on `url` is called `name` in reports. */
export function nameModule(url: string, name: string): void {
  names.set(url, name);
}

/** A report of anything that was thrown. Never throws. */
export function describeError(error: unknown): ErrorReport {
  try {
    if (!(error instanceof Error)) {
      return { message: cut(typeof error === "string" ? error : inspect(error)) };
    }
    const message = rename(error.message);
    const lines = rename(String(error.stack ?? "")).split("\n").filter((line) => !line.includes(OWN));
    const at = lines.map(placeOf).find((place) => place !== undefined) ?? placeOf(message);
    const stack = lines.slice(0, MAX_LINES).join("\n").slice(0, 2 * MAX_MESSAGE);
    const named = error.name === "Error" ? message : `${error.name}: ${message}`;
    return { message: cut(named), ...at === undefined ? {} : { at }, stack };
  } catch {
    return { message: "an error that cannot be described" };
  }
}

function cut(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}...` : text;
}

function rename(text: string): string {
  return text.replace(/blob:[^\s:()"']*/g, (url) => names.get(url) ?? url);
}

function placeOf(line: string): string | undefined {
  const found = /([^\s()"']+:\d+:\d+)/.exec(line)?.[1];
  return found !== undefined && [...names.values()].some((name) => found.startsWith(`${name}:`))
    ? found
    : undefined;
}
