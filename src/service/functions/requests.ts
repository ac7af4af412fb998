/**
 * HTTP requests that functions answer.
 *
 * @module
 */

import { type Call, FunctionError, type HttpSink, type Outcome } from "../../functions/mod.ts";
import type { FunctionAnswer, FunctionRequest } from "../http/deps.ts";
import type { FunctionSet } from "./set.ts";

/** Answers a request by a function. `undefined`: there is none that answers requests. Rejects with FunctionError. */
export function answerRequest(
  set: FunctionSet,
  call: (name: string, call: Call) => Promise<Outcome>,
  name: string,
  { body, ...request }: FunctionRequest,
): Promise<FunctionAnswer> | FunctionAnswer | undefined {
  const http = set.manifest(name)?.http;
  if (http === undefined) return undefined;
  const { methods } = http;
  if (methods !== undefined && !methods.includes(request.method)) {
    return { status: 405, headers: [["allow", methods.join(", ")]], body: new Uint8Array() };
  }
  const streamed = new StreamedAnswer();
  const outcome = call(name, { event: { kind: "http", ...request, body: EMPTY }, body, sink: streamed });
  return streamed.answered(outcome);
}

/** The body travels beside the event. */
const EMPTY = new Uint8Array();

/** An answer that may come piece by piece. */
class StreamedAnswer implements HttpSink {
  readonly #begun = Promise.withResolvers<FunctionAnswer>();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #room = Promise.withResolvers<void>();
  #gone = false;
  #over = false;

  /** Resolves when the answer is whole, or has begun. */
  answered(outcome: Promise<Outcome>): Promise<FunctionAnswer> {
    outcome.then(
      (done) => {
        this.#end();
        if (this.#controller === undefined) this.#begun.resolve(wholeAnswer(done));
        else if (!this.#gone) this.#controller.close();
      },
      (error) => {
        this.#end();
        if (this.#controller === undefined) this.#begun.reject(error);
        else if (!this.#gone) this.#controller.error(error);
      },
    );
    return this.#begun.promise;
  }

  head(status: number, headers: readonly (readonly [string, string])[]): void {
    if (this.#controller !== undefined) throw new Error("the answer has begun already");
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#room.resolve(),
      cancel: () => {
        this.#gone = true;
        this.#room.resolve();
      },
    }, { highWaterMark: 0 });
    this.#begun.resolve({ status, headers, body });
  }

  async piece(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#controller === undefined) throw new Error("the answer has no head yet");
    await this.#room.promise;
    if (this.#gone) throw new Error("nobody reads the answer any more");
    if (this.#over) throw new Error("the call is over");
    this.#room = Promise.withResolvers();
    this.#controller.enqueue(bytes);
  }

  /** The call is over: a piece that waits for room is not taken any more. */
  #end(): void {
    this.#over = true;
    this.#room.resolve();
  }
}

/** The answer that the value of a handler stands for: a `Response`, a text, any JSON, or nothing. */
function wholeAnswer({ value, http }: Outcome): FunctionAnswer {
  if (http !== undefined) return http;
  if (value === undefined || value === null) return { status: 204, headers: [], body: EMPTY };
  const text = typeof value === "string" ? value : undefined;
  const type = text === undefined ? "application/json" : "text/plain; charset=utf-8";
  const body = new TextEncoder().encode(text ?? JSON.stringify(value));
  return { status: 200, headers: [["content-type", type]], body };
}

/** The status for a failure of a function. */
export function statusOf(error: unknown): { readonly status: number; readonly text: string } {
  const kind = error instanceof FunctionError ? error.kind : "threw";
  if (kind === "timeout") return { status: 504, text: "the function did not answer in time" };
  if (kind === "busy") return { status: 503, text: "the function is busy" };
  return { status: 502, text: "the function failed" };
}
