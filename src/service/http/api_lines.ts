/**
 * Publishing in bulk: a line of JSON for each message comes in, a line for each answer goes out, in the same order. What
 * is in memory is bounded, and who does not read the answers is not read from.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import type { ApiReply } from "../../protocol/api/types.ts";
import { failureOf, ProtocolError } from "../../protocol/mod.ts";
import { utf8Length } from "../../protocol/size.ts";
import { type ApiRunner, type Caller, callerOf } from "./api.ts";
import { LINES_TYPE } from "./api_openapi.ts";

/** Bytes of a line. */
const MAX_LINE = 1024 * 1024;
/** Lines that are under way at once. */
const WINDOW = 512;
/** Milliseconds a client has to send the next bytes. */
const PATIENCE = 30_000;

const LINE_FEED = 0x0a;
/** What ends the last line of a body. */
const END = Uint8Array.of(LINE_FEED);

/** Whether a request brings lines. */
export function bringsLines(headers: Headers): boolean {
  return headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() === LINES_TYPE;
}

const wholeDecoder = newDecoder();

/** A line, or why it is none. */
type Line = string | ProtocolError;

/** Publishes the lines of a body and answers each. */
export function publishLines(
  body: ReadableStream<Uint8Array> | null,
  runner: ApiRunner,
  caller: Caller,
): Response {
  const lines = body === null ? none() : groupsOf(body);
  const encoder = new TextEncoder();
  let count = 0;
  const answers = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await lines.next();
      if (done) return controller.close();
      const replies = await answerAll(
        value,
        (line, done) => answer(line, runner, callerOf(caller, count++), done),
      );
      controller.enqueue(encoder.encode(replies.join("\n") + "\n"));
    },
    async cancel() {
      await lines.return(undefined);
    },
  });
  // Proxies must not collect the answers: the client may wait for them before it goes on.
  const headers = { "content-type": LINES_TYPE, "cache-control": "no-store", "x-accel-buffering": "no" };
  return new Response(answers, { headers });
}

/** Puts all of the lines, and resolves once all are answered. */
function answerAll(
  lines: readonly Line[],
  put: (line: Line, done: (reply: ApiReply) => void) => void,
): Promise<string[]> {
  return new Promise((resolve) => {
    const texts = new Array<string>(lines.length);
    let left = lines.length;
    lines.forEach((line, index) =>
      put(line, (reply) => {
        texts[index] = JSON.stringify(reply);
        if (--left === 0) resolve(texts);
      })
    );
  });
}

function answer(line: Line, runner: ApiRunner, caller: Caller, done: (reply: ApiReply) => void): void {
  if (typeof line !== "string") return done({ error: failureOf(line) });
  let params: unknown;
  try {
    params = JSON.parse(line);
  } catch {
    return done({ error: failureOf(new ProtocolError("bad_request", "the line is not JSON")) });
  }
  runner.reply("publish", params, caller, done);
}

async function* none(): AsyncGenerator<Line[], void> {}

/** The lines that are there, some at a time. Lines of white space are left out. Ends after a body that fails. */
async function* groupsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Line[], void> {
  const reader = body.getReader();
  const line = new LineReader();
  const late = () => new ProtocolError("bad_request", "the body did not come in time");
  try {
    for (;;) {
      const { done, value } = await deadline(reader.read(), PATIENCE, late);
      const lines = done ? line.take(END) : line.take(value);
      for (let at = 0; at < lines.length; at += WINDOW) yield lines.slice(at, at + WINDOW);
      if (done) return;
    }
  } catch (error) {
    yield [error instanceof ProtocolError ? error : new ProtocolError("bad_request", "the body ended early")];
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Reads lines from their bytes. */
class LineReader {
  #decoder = newDecoder();
  #text = "";
  #length = 0;
  #wrong: ProtocolError | undefined;

  /** The lines that these bytes end; lines of white space are left out. What comes behind them is kept. */
  take(bytes: Uint8Array): Line[] {
    const lines: Line[] = [];
    const first = bytes.indexOf(LINE_FEED), last = bytes.lastIndexOf(LINE_FEED);
    if (first !== -1) {
      this.#end(bytes.subarray(0, first), lines);
      if (first < last) this.#takeWhole(bytes.subarray(first + 1, last), lines);
    }
    this.#add(bytes.subarray(last + 1));
    return lines;
  }

  /** Lines that are whole, the last one without its end. Mostly all are good, and decoding them at once is cheaper. */
  #takeWhole(bytes: Uint8Array, lines: Line[]): void {
    let text: string;
    try {
      text = wholeDecoder.decode(bytes);
    } catch {
      for (let from = 0, to; from <= bytes.length; from = to + 1) {
        to = bytes.indexOf(LINE_FEED, from);
        if (to === -1) to = bytes.length;
        this.#end(bytes.subarray(from, to), lines);
      }
      return;
    }
    for (const line of text.split("\n")) {
      if (line.length > MAX_LINE / 4 && utf8Length(line) > MAX_LINE) lines.push(tooLong());
      else push(line, lines);
    }
  }

  /** More of a line. */
  #add(bytes: Uint8Array, stream = true): void {
    if (this.#wrong !== undefined) return;
    this.#length += bytes.length;
    if (this.#length > MAX_LINE) return this.#fail(tooLong());
    try {
      this.#text += this.#decoder.decode(bytes, { stream });
    } catch {
      this.#fail(new ProtocolError("bad_request", "the line is not UTF-8"));
    }
  }

  /** The rest of a line; the next one begins. */
  #end(bytes: Uint8Array, lines: Line[]): void {
    this.#add(bytes, false);
    push(this.#wrong ?? this.#text, lines);
    this.#text = "";
    this.#length = 0;
    this.#wrong = undefined;
  }

  #fail(error: ProtocolError): void {
    this.#wrong = error;
    this.#text = "";
    // What it has of a character is none of the next line's.
    this.#decoder = newDecoder();
  }
}

function push(line: Line, lines: Line[]): void {
  if (typeof line !== "string" || line.trim() !== "") lines.push(line);
}

function tooLong(): ProtocolError {
  return new ProtocolError("message_too_large", `a line has at most ${MAX_LINE} bytes`);
}

function newDecoder(): TextDecoder {
  return new TextDecoder("utf-8", { fatal: true });
}
