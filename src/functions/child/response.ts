/**
 * A function's `Response`, on its way to the service.
 *
 * @module
 */

import type { Ask } from "./context.ts";

type Send = (header: Record<string, unknown>, bytes?: Uint8Array) => void;

/** Most bytes of a piece. */
const PIECE = 64 * 1024;

/** Sends a response: as one frame when all of it is there, else piece by piece, each one once the one before was taken. */
export async function sendResponse(id: number, response: Response, send: Send, ask: Ask): Promise<void> {
  const http = { status: response.status, headers: [...response.headers] };
  if (response.body === null) return send({ t: "done", id, http });
  const reader = response.body.getReader();
  const first = await reader.read();
  if (first.done) return send({ t: "done", id, http });
  const second = reader.read();
  if (first.value.length <= PIECE && await isEnd(second)) return send({ t: "done", id, http }, first.value);
  await ask("http_head", http);
  let part: ReadableStreamReadResult<Uint8Array<ArrayBuffer>> = first;
  for (; !part.done; part = part === first ? await second : await reader.read()) {
    for (let at = 0; at < part.value.length; at += PIECE) {
      await ask("http_piece", {}, part.value.subarray(at, at + PIECE));
    }
  }
  send({ t: "done", id });
}

/** Whether a read finds the end at once. */
async function isEnd(read: Promise<ReadableStreamReadResult<unknown>>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const later = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), 0));
  try {
    return await Promise.race([read.then(({ done }) => done), later]);
  } finally {
    clearTimeout(timer);
  }
}
