/**
 * What the commands of `skein peer` have in common: where the service is, who the user is, and the key of the device.
 *
 * @module
 */

import { deadline } from "../../../async/deadline.ts";
import { isPeerId, type PeerId } from "../../../peer/mod.ts";
import { CLIENT_VARIABLES } from "../../config/environment.ts";
import { type Arguments, HELP, type Option, UsageError } from "../arguments.ts";
import { type Io, valueOf } from "../command.ts";
import { CommandError, ServiceAway } from "./errors.ts";

const DEFAULT_URL = "http://localhost:8080";
/** Milliseconds for one answer of the service over HTTP. */
const HTTP_TIMEOUT = 10_000;

/** The key of the device. */
export const KEY: Option = {
  name: "key",
  value: "FILE",
  text:
    "The key of this device; made when it is not there. Default: skein/peer.key in the configuration directory.",
};

/** The options of every command that needs the service. */
export const SERVICE_OPTIONS: readonly Option[] = [
  { name: "url", value: "URL", text: `The service. Default: $${CLIENT_VARIABLES.url}, else ${DEFAULT_URL}.` },
  {
    name: "token",
    value: "TOKEN",
    text: `The token of the user. Default: $${CLIENT_VARIABLES.token}. Others see it in \`ps\`.`,
  },
  { name: "token-file", value: "FILE", text: "A file with the token, read again whenever one is needed." },
  { name: "user", value: "NAME", text: "With a service in development mode: a token for this user." },
  KEY,
  HELP,
];

/** Whether peers are also looked for without the service. */
export const LOCAL: Option = {
  name: "local",
  text:
    "Also find peers on the local network by multicast DNS, with the service or without it; others there see this peer's id. No token is needed then.",
};

/** Whether a connection that never moves is asked for. */
export const FAST: Option = {
  name: "fast",
  text:
    "Ask for a connection with a socket of its own: two to three times as fast, but it ends when the network changes.",
};

/** Where the service is, and how to get a token for it. */
export interface Access {
  readonly url: URL;
  /** Undefined: peers are looked for without the service. */
  readonly getToken: (() => Promise<string>) | undefined;
}

/** Reads the options. Throws UsageError. */
export function accessOf(args: Arguments, io: Io): Access {
  const text = valueOf(args, "url") ?? (io.env[CLIENT_VARIABLES.url] || DEFAULT_URL);
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new UsageError(`--url: "${text}" is not an address such as https://chat.example`);
  }
  const given = ["token", "token-file", "user"].filter((name) => args.options.has(name));
  if (given.length > 1) throw new UsageError(`--${given[1]}: not with --${given[0]}`);
  const file = valueOf(args, "token-file"), user = valueOf(args, "user");
  if (file !== undefined) return { url, getToken: () => readToken(file) };
  if (user !== undefined) return { url, getToken: () => developmentToken(url, user) };
  const token = valueOf(args, "token") ?? io.env[CLIENT_VARIABLES.token];
  if (token === undefined || token === "") {
    if (args.options.has(LOCAL.name)) return { url, getToken: undefined };
    throw new UsageError(
      `needs a token: --token-file FILE, $${CLIENT_VARIABLES.token} or --token; ` +
        "with a service in development mode --user NAME is enough",
    );
  }
  return { url, getToken: () => Promise.resolve(token) };
}

/** The id of another peer, as it was typed. Throws UsageError. */
export function peerIdOf(text: string | undefined, command: string): PeerId {
  if (text === undefined) {
    throw new UsageError(`${command}: needs the id of a PEER: what "skein peer id" prints there`);
  }
  if (!isPeerId(text)) {
    throw new UsageError(
      `"${text}" is not the id of a peer: 43 letters, digits, - and _, from "skein peer id" there`,
    );
  }
  return text;
}

/** One answer of the service. Rejects with CommandError when it cannot be reached. */
export async function fetchFrom(url: URL, init: RequestInit = {}): Promise<Response> {
  const late = () => new ServiceAway(`${url.origin} does not answer within ${HTTP_TIMEOUT / 1000} s`);
  try {
    return await deadline(fetch(url, init), HTTP_TIMEOUT, late);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new ServiceAway(`${url.origin} cannot be reached: is the service running, and --url right?`);
  }
}

async function readToken(file: string): Promise<string> {
  try {
    return (await Deno.readTextFile(file)).trim();
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "there is no such file" : "it cannot be read";
    throw new CommandError(`--token-file ${file}: ${why}`);
  }
}

async function developmentToken(url: URL, user: string): Promise<string> {
  const answer = await fetchFrom(new URL("/dev/token", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    // In development anybody may be anybody, so meeting everybody takes nothing away.
    body: JSON.stringify({ user, peers: ["*"] }),
  });
  if (answer.status === 404) {
    await answer.body?.cancel();
    throw new CommandError(
      `${url.origin} is not in development mode: --user gets no token there; use --token-file`,
    );
  }
  const { token, message } = await answer.json() as { token?: string; message?: string };
  if (token === undefined) throw new CommandError(`--user: ${message ?? `HTTP status ${answer.status}`}`);
  return token;
}
