/**
 * Waits until a peer is connected, or says why it will not be.
 *
 * @module
 */

import { SkeinError } from "../../../client/mod.ts";
import { PeerError, type PeerId, type SkeinPeer } from "../../../client/peer.ts";
import { deadline, delay } from "../../../async/deadline.ts";
import { deferred } from "../../../async/deferred.ts";
import type { Connection } from "../../../quic/mod.ts";
import { CommandError } from "./errors.ts";
import { explained } from "./session.ts";
import { describeTime, shortId } from "./display.ts";

/** Milliseconds for a peer that is there: finding a path takes 10 s at most, and one attempt may get lost. */
const PRESENT = 30_000;
/** Milliseconds between calls of a peer that has just hung up. */
const PAUSE = 500;

/** How long, and for whom. */
export interface ReachOptions {
  readonly url: URL;
  readonly signal: AbortSignal;
  /** Milliseconds to wait for a peer that is away; undefined: not at all. */
  readonly patience: number | undefined;
  /** Asks for a connection with a socket of its own. */
  readonly fastLane: boolean;
}

/** Resolves with a connection. Rejects with CommandError, or with the reason of `signal`. */
export async function reach(peer: SkeinPeer, id: PeerId, options: ReachOptions): Promise<Connection> {
  const { url, signal, patience, fastLane } = options;
  let last: PeerError | undefined;
  const calls = new AbortController();
  const late = () =>
    last === undefined || patience !== undefined
      ? new CommandError(
        `${shortId(id)} is not there after ${describeTime(patience ?? PRESENT)}${
          last === undefined ? "" : `: ${last.message}`
        }`,
      )
      : whyNot(last, id, url);
  try {
    const calling = callUntilReady(peer, id, {
      fastLane,
      signal: AbortSignal.any([signal, calls.signal]),
      failed: (error) => {
        last = error;
        return patience === undefined && isFinal(error);
      },
    });
    return await deadline(calling, patience ?? PRESENT, late, { signal });
  } catch (error) {
    throw error instanceof PeerError ? whyNot(error, id, url) : error;
  } finally {
    calls.abort();
  }
}

async function callUntilReady(
  peer: SkeinPeer,
  id: PeerId,
  { signal, fastLane, failed }: {
    signal: AbortSignal;
    fastLane: boolean;
    failed: (error: PeerError) => boolean;
  },
): Promise<Connection> {
  for (;;) {
    const connection = peer.connect(id, { fastLane });
    const final = deferred<never>();
    const stop = connection.on({
      state: (_state, error) => {
        if (error !== undefined && failed(error)) final.reject(error);
      },
    });
    try {
      return await Promise.race([connection.ready(), final.promise]);
    } catch (error) {
      // The peer has hung up, as when its program ends and starts again.
      if (!(error instanceof PeerError) || error.code !== "closed" || failed(error)) throw error;
    } finally {
      stop();
    }
    await delay(PAUSE, { signal });
  }
}

/** Whether another attempt a moment later would most likely end the same way. */
function isFinal(error: PeerError): boolean {
  return isUnknown(error) || /refuses/.test(error.message) || error.code === "closed";
}

function isUnknown(error: PeerError): boolean {
  return error.cause instanceof SkeinError && error.cause.error === "unknown_peer";
}

function whyNot(error: PeerError, id: PeerId, url: URL): Error {
  const name = shortId(id);
  if (isUnknown(error)) {
    return new CommandError(
      `${name} is not connected to ${url.origin}: start \`skein peer receive\` there, compare the id, or --wait for it`,
    );
  }
  if (error.code === "not_allowed") {
    return new CommandError(
      `${name} belongs to a user whom these tokens do not let meet: see the claim "peers"`,
    );
  }
  if (error.code === "authentication_failed") {
    return new CommandError(`${name} could not prove who it is: somebody else may be in between`);
  }
  if (error.code === "no_path") {
    return new CommandError(`there is no path to ${name}; \`skein peer doctor\` on both machines says why`);
  }
  return explained(error, url);
}
