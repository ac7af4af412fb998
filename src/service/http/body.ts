/**
 * JSON bodies, bounded in size and in time.
 *
 * @module
 */

import { ProtocolError } from "../../protocol/mod.ts";

/** Most bytes of a request's body. */
export const MAX_BODY = 1024 * 1024;
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
  const bytes = await readBounded(request, limits.maxBytes ?? MAX_BODY, limits.timeout ?? BODY_TIMEOUT);
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

async function readBounded(request: Request, most: number, timeout: number): Promise<Uint8Array> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > most) throw new ProtocolError("message_too_large", `a body has at most ${most} bytes`);
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    // Ends the pending read. A failure of cancel() itself does not matter.
    reader.cancel().catch(() => {});
  }, timeout);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late) throw new ProtocolError("bad_request", "the body did not come in time");
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
    throw new ProtocolError("bad_request", "the body ended early", { cause: error });
  } finally {
    clearTimeout(timer);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
