/**
 * JSON bodies, bounded in size and in time.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import { Deadlines } from "../../async/deadlines.ts";
import { ProtocolError } from "../../protocol/mod.ts";

/** Most bytes of a request's body. */
const MAX_BODY = 1024 * 1024;
/** Milliseconds a client has to send it. */
const BODY_TIMEOUT = 10_000;

/**
 * The JSON object in a request's body; an empty body is an empty object. Throws ProtocolError:
 * `message_too_large`, or `bad_request` when it is no JSON object or does not arrive in time.
 */
export async function readJson(
  request: Request,
  limits: { readonly maxBytes?: number; readonly timeout?: number } = {},
): Promise<Record<string, unknown>> {
  const bytes = await readBounded(request, limits.maxBytes ?? MAX_BODY, limits.timeout);
  if (bytes.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ProtocolError("bad_request", "the body is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError("bad_request", "the body is a JSON object");
  }
  return value as Record<string, unknown>;
}

const late = () => new ProtocolError("bad_request", "the body did not come in time");
const endedEarly = (cause: unknown) => new ProtocolError("bad_request", "the body ended early", { cause });
const deadlines = new Deadlines(BODY_TIMEOUT);

/** The bytes of a request's body. Throws as `readJson`. */
export function readBody(request: Request): Promise<Uint8Array> {
  return readBounded(request, MAX_BODY, BODY_TIMEOUT);
}

async function readBounded(request: Request, most: number, timeout?: number): Promise<Uint8Array> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > most) throw new ProtocolError("message_too_large", `a body has at most ${most} bytes`);
  // No listener lets more in than was announced. A stream would cost several times as much.
  if (announced > 0 && timeout === undefined) {
    const whole = request.arrayBuffer().catch((error) => Promise.reject(endedEarly(error)));
    return new Uint8Array(await deadlines.wait(whole, late));
  }
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  return await deadline(readAll(reader, most), timeout ?? BODY_TIMEOUT, () => {
    // Ends the pending read. A failure of cancel() itself does not matter.
    reader.cancel().catch(() => {});
    return late();
  });
}

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > most) {
        reader.cancel().catch(() => {});
        throw new ProtocolError("message_too_large", `a body has at most ${most} bytes`);
      }
      chunks.push(value);
    }
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    throw endedEarly(error);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
