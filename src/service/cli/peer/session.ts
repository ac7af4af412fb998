/**
 * A peer on a session with the service, for as long as a command runs.
 *
 * @module
 */

import { SkeinClient, SkeinError } from "../../../client/mod.ts";
import { PeerError, SkeinPeer, type SkeinPeerOptions } from "../../../client/peer.ts";
import { deadline } from "../../../async/deadline.ts";
import { deferred } from "../../../async/deferred.ts";
import type { Arguments } from "../arguments.ts";
import type { Io } from "../command.ts";
import { VERSION } from "../version_number.ts";
import { CommandError, Interrupted, orAborted } from "./errors.ts";
import { holdKey, keyPath, loadKey } from "./key.ts";
import { type Access, accessOf, fetchFrom } from "./options.ts";

/** Milliseconds until the service has to have taken the session. */
const CONNECT_TIMEOUT = 15_000;

/** What a command works with. */
export interface PeerSession extends AsyncDisposable {
  readonly peer: SkeinPeer;
  readonly client: SkeinClient;
  readonly url: URL;
  /** Milliseconds it took to connect to the service. */
  readonly connectTime: number;
  /** Aborted by Ctrl-C (SIGINT) and SIGTERM, with Interrupted. */
  readonly signal: AbortSignal;
}

/** Connects to the service and announces the peer. Rejects with CommandError; throws UsageError. */
export async function openSession(
  args: Arguments,
  io: Io,
  options: SkeinPeerOptions = {},
): Promise<PeerSession> {
  const access = accessOf(args, io);
  const path = keyPath(args, io);
  const { identity } = await loadKey(path);
  await using opened = new AsyncDisposableStack();
  opened.use(await holdKey(path));
  const signal = opened.use(interrupts()).signal;
  const start = performance.now();
  const client = opened.adopt(await connected(access, signal), (client) => client.close());
  const connectTime = performance.now() - start;
  const peer = opened.adopt(await SkeinPeer.open(client, { ...options, identity }), (peer) => peer.close());
  await deadline(peer.announced(), CONNECT_TIMEOUT, () => notConnected(access.url), { signal })
    .catch((error) => Promise.reject(explained(error, access.url)));
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

async function connected({ url, getToken }: Access, signal: AbortSignal): Promise<SkeinClient> {
  // The client would wait for a service that is not there; a person wants to hear of it at once.
  const answer = await fetchFrom(new URL("/client.json", url), { signal });
  await answer.body?.cancel();
  if (!answer.ok) {
    throw new CommandError(`${url.origin} is not a Skein service (HTTP status ${answer.status})`);
  }
  const client = new SkeinClient({
    url,
    getToken,
    rawQuic: true,
    client: `skein-cli/${VERSION}`,
    autoConnect: false,
  });
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
