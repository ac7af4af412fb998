/**
 * What stands between a connection and the application: the authenticator, the rate limiter and the validator.
 *
 * @module
 */

import { deadline, delay } from "../async/deadline.ts";
import type { BaseConnection } from "./connection.ts";
import { type Guards, putBack } from "./guards.ts";
import { QuicError } from "./errors.ts";
import type { Settings } from "./listen_options.ts";
import type { AuthenticationResult } from "./server_types.ts";
import type { BidirectionalStream, Connection, ReceiveStream } from "./types.ts";

/** Bytes that the authenticator may ask for. */
const MAX_FIRST_BYTES = 4_096;
/** Bytes of a stream's beginning that the validator sees at most. */
const MAX_STREAM_HEAD = 1_024;

type Hooks = Pick<Settings, "authenticator" | "rateLimiter" | "validator" | "headerTimeout">;

/**
 * Asks the authenticator. Resolves with whether the connection may be handed out; otherwise it has been closed and
 * `onRefused` told why. Never rejects. @param options `signal` aborts when the connection has ended.
 */
export async function authenticate(
  connection: BaseConnection,
  { authenticator, headerTimeout }: Hooks,
  options: { readonly signal: AbortSignal; readonly onRefused: (error: unknown) => void },
): Promise<boolean> {
  if (authenticator === undefined) return true;
  try {
    const work = async (): Promise<AuthenticationResult> => {
      const first = await authenticator.connection?.(connection) ?? { accept: true };
      if (!first.accept || authenticator.firstBytes === undefined) return first;
      const second = await askFirstBytes(connection, authenticator.firstBytes.bind(authenticator));
      return second.accept ? { ...first, ...second } : second;
    };
    const late = () => new QuicError("timeout", `not authenticated within ${headerTimeout} ms`);
    const result = await deadline(work(), headerTimeout, late, { signal: options.signal });
    if (result.accept) {
      connection.principal = result.principal;
      return true;
    }
    const { code = 401, reason = "unauthorized" } = result;
    connection.close(code, reason);
    options.onRefused(new QuicError("rejected", `the authenticator refused: ${code} ${reason}`));
  } catch (error) {
    connection.close(401, "unauthorized");
    options.onRefused(error);
  }
  return false;
}

async function askFirstBytes(
  connection: BaseConnection,
  ask: NonNullable<NonNullable<Hooks["authenticator"]>["firstBytes"]>,
): Promise<AuthenticationResult> {
  const { value: stream } = await connection.incomingBidirectionalStreams[Symbol.asyncIterator]().next();
  if (stream === undefined) throw new QuicError("connection_ended", "ended before it opened a stream");
  const kept = new Uint8Array(MAX_FIRST_BYTES);
  for (let length = 0; length < MAX_FIRST_BYTES;) {
    const part = await stream.read(new Uint8Array(MAX_FIRST_BYTES - length));
    if (part === null) throw new QuicError("unexpected_end", "the first stream ended within its first bytes");
    kept.set(part, length);
    length += part.length;
    const result = await ask(kept.slice(0, length), connection);
    if (result === "more") continue;
    if (result.accept) {
      (stream as BidirectionalStream & Unreadable).unread(kept.subarray(result.consumed ?? 0, length));
      putBack(connection, stream);
    }
    return result;
  }
  return { accept: false, reason: "too many first bytes" };
}

/** The checks that the options ask for. @param onRefused Called for each stream that is refused. */
export function guardsOf(
  connection: Connection,
  { rateLimiter, validator, headerTimeout }: Hooks,
  options: { readonly maxStreams: number; readonly signal: AbortSignal; readonly onRefused: () => void },
): Guards {
  const ofStream = validator?.stream?.bind(validator);
  const ofDatagram = validator?.datagram?.bind(validator);
  const check = async (stream: Unreadable): Promise<boolean> => {
    const wait = rateLimiter?.stream?.(connection.remoteAddress!) ?? 0;
    if (wait === Infinity) return false;
    const { signal } = options;
    if (wait > 0) await delay(wait, { signal });
    if (ofStream === undefined) return true;
    const reading = stream.read(new Uint8Array(MAX_STREAM_HEAD));
    const late = () => new QuicError("timeout", `no first byte within ${headerTimeout} ms`);
    const head = await deadline(reading, headerTimeout, late, { signal });
    if (!ofStream(head ?? new Uint8Array(0), connection)) return false;
    if (head !== null) stream.unread(head);
    return true;
  };
  const stream = async (stream: ReceiveStream): Promise<boolean> => {
    const passes = await check(stream as Unreadable).catch(() => false);
    if (!passes) options.onRefused();
    return passes;
  };
  const datagram = (bytes: Uint8Array): boolean =>
    (ofDatagram?.(bytes, connection) ?? true) &&
    (rateLimiter?.datagram?.(connection.remoteAddress!) ?? true);
  return {
    maxStreams: options.maxStreams,
    stream: rateLimiter?.stream ?? ofStream ? stream : undefined,
    datagram: rateLimiter?.datagram ?? ofDatagram ? datagram : undefined,
  };
}

/** A stream of ours: what was read too far can be put back. */
type Unreadable = ReceiveStream & { unread(bytes: Uint8Array): void };
