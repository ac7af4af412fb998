/**
 * Writes answers to `node:http`. The request listener of @hono/node-server does not end a body whose connection has
 * gone before it is written, and writes to the console what fails.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { SENT, SMALL } from "./context.ts";

/**
 * Writes an answer with a body that the network need not take at once as fast as its client reads. The end of `outgoing` ends the body; a body that fails
 * ends the connection, so that the client sees that it is not whole. Resolves with what the request listener is to be
 * given. Never rejects.
 */
export async function writeAnswer(
  answer: Response,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<Response> {
  // Everything larger tells its length (`answerWith`), or is written while it is made.
  const isLive = answer.headers.has("x-accel-buffering");
  if (answer.body === null || (!isLive && Number(answer.headers.get("content-length") ?? 0) <= SMALL)) {
    return answer;
  }
  const reader = answer.body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  outgoing.once("close", cancel);
  try {
    if (!isOver(outgoing)) outgoing.writeHead(answer.status, [...answer.headers].flat());
    while (!isOver(outgoing)) {
      const { done, value } = await reader.read();
      if (isOver(outgoing)) break;
      if (done) {
        outgoing.end();
        break;
      }
      if (!outgoing.write(value)) await drained(outgoing);
    }
  } catch {
    incoming.socket.destroy();
  } finally {
    outgoing.off("close", cancel);
    cancel();
  }
  return SENT;
}

/** Answers 200 with a text; see `RequestInfo.sendText`. */
export function sendText(outgoing: ServerResponse, fields: readonly string[], text: string): Response {
  if (isOver(outgoing)) return SENT;
  outgoing.writeHead(200, [...fields, "content-length", `${Buffer.byteLength(text)}`]);
  outgoing.end(text);
  return SENT;
}

function isOver(outgoing: ServerResponse): boolean {
  return outgoing.destroyed || outgoing.closed;
}

/** Resolves when more may be written, or never will be. */
function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      outgoing.off("drain", over).off("close", over);
      resolve();
    };
    outgoing.on("drain", over).on("close", over);
  });
}
