/**
 * Calls of a running service's API from the command line.
 *
 * @module
 */

import type { Config } from "../../config/mod.ts";
import { type Arguments, type Option, UsageError } from "../arguments.ts";
import { type Io, loadFor, reportProblems, valueOf } from "../command.ts";

const KEY_VARIABLE = "SKEIN_API_KEY";
/** Milliseconds that a call may take. */
const TIMEOUT = 30_000;

/** Where the service is, and what it is asked with. */
export const REMOTE: readonly Option[] = [
  {
    name: "url",
    value: "URL",
    text: "The running service. Default: this machine, at the port of the configuration.",
  },
  {
    name: "key",
    value: "KEY",
    text: `A key with the right manage. Default: ${KEY_VARIABLE}, else one of the configuration.`,
  },
];

/** A service that can be asked. */
export interface Remote {
  /** Calls a method. Rejects with an Error that says what went wrong. */
  call(method: string, params: unknown): Promise<unknown>;
}

/** The service of a command line; undefined: its configuration has problems, which were reported. */
export async function remoteOf(args: Arguments, io: Io): Promise<Remote | undefined> {
  const given = valueOf(args, "url");
  let url = given, key = valueOf(args, "key") ?? io.env[KEY_VARIABLE];
  if (url === undefined || key === undefined) {
    const { config, problems } = await loadFor(args, io);
    if (config === undefined) {
      reportProblems(problems, io);
      return undefined;
    }
    url ??= urlOf(config);
    // The key of another service would be shown to this one.
    if (given === undefined) key ??= keyOf(config);
  }
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError(`--url: ${JSON.stringify(url)} is no http(s) URL`);
  }
  return { call: (method, params) => call(url, key, method, params) };
}

function urlOf({ http }: Config): string {
  if (http.internal !== null) return `http://127.0.0.1:${http.internal.port}`;
  return `${http.tls === null ? "http" : "https"}://localhost:${http.port}`;
}

function keyOf({ api }: Config): string | undefined {
  for (const each of api.keys) {
    if (typeof each === "string") return each;
    if (each.rights.includes("manage")) return each.key;
  }
  return undefined;
}

async function call(url: string, key: string | undefined, method: string, params: unknown): Promise<unknown> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (key !== undefined) headers["x-api-key"] = key;
  let answer: Response;
  try {
    answer = await fetch(new URL(`/api/${method}`, url), {
      method: "POST",
      headers,
      body: JSON.stringify(params),
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch (error) {
    throw new Error(`${url}: no answer (${error instanceof Error ? error.message : error})`);
  }
  const text = await answer.text();
  let told: { result?: unknown; error?: { message: string } };
  try {
    told = JSON.parse(text);
  } catch {
    throw new Error(`${url}: answered ${answer.status}, which is no Skein service`);
  }
  if (!answer.ok) throw new Error(`${url}: ${told.error?.message ?? answer.status}`);
  return told.result;
}
