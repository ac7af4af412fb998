/**
 * A peer on a session with the service, for as long as a command runs.
 *
 * @module
 */

import { SkeinClient, SkeinError } from "../../../client/mod.ts";
import {
  KnownPeers,
  knownPeersFile,
  PeerError,
  type PeerId,
  SkeinPeer,
  type SkeinPeerOptions,
} from "../../../client/peer.ts";
import { deadline } from "../../../async/deadline.ts";
import { deferred } from "../../../async/deferred.ts";
import type { Arguments } from "../arguments.ts";
import type { Io } from "../command.ts";
import { VERSION } from "../version_number.ts";
import { CommandError, Interrupted, orAborted, ServiceAway } from "./errors.ts";
import { holdKey, keyPath, knownPeersPath, loadKey } from "./key.ts";
import { type Access, accessOf, fetchFrom, LOCAL } from "./options.ts";

/** Milliseconds until the service has to have taken the session. */
const CONNECT_TIMEOUT = 15_000;

/** What a command works with. */
export interface PeerSession extends AsyncDisposable {
  readonly peer: SkeinPeer;
  readonly client: SkeinClient;
  readonly url: URL;
  /** Milliseconds it took to connect to the service; undefined: it is away. */
  readonly connectTime: number | undefined;
  /** Aborted by Ctrl-C (SIGINT) and SIGTERM, with Interrupted. */
  readonly signal: AbortSignal;
}

/** Options of a session. */
export interface SessionOptions extends Omit<SkeinPeerOptions, "identity" | "local" | "known"> {
  /** The peer to be reached: where it was met before, the service is not needed. */
  readonly to?: PeerId;
}

/**
 * Connects to the service and announces the peer; goes on without the service where peers may be found without it.
 * Rejects with CommandError; throws UsageError.
 */
export async function openSession(
  args: Arguments,
  io: Io,
  { to, ...options }: SessionOptions = {},
): Promise<PeerSession> {
  const local = args.options.has(LOCAL.name);
  const access = accessOf(args, io);
  const path = keyPath(args, io);
  const { identity } = await loadKey(path);
  await using opened = new AsyncDisposableStack();
  opened.use(await holdKey(path));
  const signal = opened.use(interrupts()).signal;
  const start = performance.now();
  const known = await KnownPeers.open(knownPeersFile(knownPeersPath(path)), {
    onError: (error) => io.err(`the peers that were met are not remembered: ${(error as Error).message}\n`),
  });
  const isKnown = to !== undefined && (known.get(to)?.addresses.length ?? 0) > 0;
  const found = await clientFor(access, signal, io, local || isKnown);
  const client = opened.adopt(found.client, (client) => client.close());
  const connectTime = found.isConnected ? performance.now() - start : undefined;
  const opening = SkeinPeer.open(client, { ...options, identity, local, known });
  const peer = opened.adopt(await opening, (peer) => peer.close());
  if (found.isConnected) {
    await deadline(peer.announced(), CONNECT_TIMEOUT, () => notConnected(access.url), { signal })
      .catch((error) => Promise.reject(explained(error, access.url)));
  }
  const all = opened.move();
  return {
    peer,
    client,
    url: access.url,
    connectTime,
    signal,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/**
 * Waits for `done`, or for ever. Rejects with Interrupted after Ctrl-C, and with CommandError when the service ends the
 * session for good.
 */
export async function whileConnected(
  { client, url, signal }: PeerSession,
  done: Promise<void> = new Promise(() => {}),
): Promise<void> {
  const ended = deferred<never>();
  let last: SkeinError | undefined;
  const stops = [
    client.on("error", (error) => last = error),
    client.on("disconnected", ({ reason, willReconnect }) => {
      if (willReconnect) return;
      ended.reject(last === undefined ? new CommandError(`${url.origin}: ${reason}`) : explained(last, url));
    }),
  ];
  try {
    await orAborted(Promise.race([done, ended.promise]), signal);
  } finally {
    for (const stop of stops) stop();
  }
}

/** What whoever typed the command should read of an error of the SDK. */
export function explained(error: unknown, url: URL): Error {
  if (error instanceof CommandError || error instanceof Interrupted) return error;
  if (error instanceof SkeinError) {
    const { error: name, message, cause } = error;
    if (name === "no_token" && cause instanceof CommandError) return cause;
    if (name === "invalid_token" || name === "token_expired" || name === "unauthorized") {
      return new CommandError(
        `${url.origin} refuses the token: ${message}; get another one ("skein token --check" explains it)`,
      );
    }
    return new CommandError(`${url.origin}: ${message}`);
  }
  if (error instanceof PeerError) return new CommandError(error.message);
  return error as Error;
}

/** A client, connected, or (`alone`) one that may still connect later. */
async function clientFor(
  { url, getToken }: Access,
  signal: AbortSignal,
  io: Io,
  alone: boolean,
): Promise<{ client: SkeinClient; isConnected: boolean }> {
  if (getToken === undefined) {
    return { client: newClient(url, () => Promise.reject(), false), isConnected: false };
  }
  try {
    return { client: await connected(url, getToken, signal), isConnected: true };
  } catch (error) {
    if (!alone || !(error instanceof ServiceAway)) throw error;
    io.err(`${error.message}\nGoing on without the service.\n`);
    return { client: newClient(url, getToken, true), isConnected: false };
  }
}

function newClient(url: URL, getToken: () => Promise<string>, autoConnect: boolean): SkeinClient {
  return new SkeinClient({ url, getToken, rawQuic: true, client: `skein-cli/${VERSION}`, autoConnect });
}

async function connected(
  url: URL,
  getToken: () => Promise<string>,
  signal: AbortSignal,
): Promise<SkeinClient> {
  // The client would wait for a service that is not there; a person wants to hear of it at once.
  const answer = await fetchFrom(new URL("/client.json", url), { signal });
  await answer.body?.cancel();
  if (!answer.ok) {
    throw new CommandError(`${url.origin} is not a Skein service (HTTP status ${answer.status})`);
  }
  const client = newClient(url, getToken, false);
  let last: SkeinError | undefined;
  client.on("error", (error) => last = error);
  try {
    // A file or command that gives the token fails here with its own words.
    await getToken();
    const late = () => last === undefined ? notConnected(url) : explained(last, url);
    await deadline(client.connect(), CONNECT_TIMEOUT, late, { signal });
    return client;
  } catch (error) {
    await client.close();
    throw explained(error, url);
  }
}

function notConnected(url: URL): CommandError {
  return new CommandError(`no session with ${url.origin} within ${CONNECT_TIMEOUT / 1000} s`);
}

function interrupts(): { readonly signal: AbortSignal } & Disposable {
  const stop = new AbortController();
  const handler = (): void => stop.abort(new Interrupted());
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, handler);
  return {
    signal: stop.signal,
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, handler);
    },
  };
}
