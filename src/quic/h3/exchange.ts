/**
 * An ordinary HTTP/3 request and its response, as W3C `Request` and `Response`.
 *
 * @module
 */

import { Http3Error, MessageError } from "./errors.ts";
import { type RequestHead, responseLines } from "./message.ts";
import type { MessageReader, MessageWriter } from "./message_stream.ts";

/** What an exchange needs to know of its surroundings. */
export interface ExchangeOptions {
  /** The handler. */
  readonly respond: (request: Request) => Response | Promise<Response>;
  /** Bytes of a request's body. */
  readonly maxRequestBody: number;
  /** Milliseconds within which the next bytes of a request's body must come. */
  readonly bodyTimeout: number;
  /** Aborts with the connection. */
  readonly signal: AbortSignal;
  /** A violation that ends the connection. */
  readonly violated: (error: Http3Error) => void;
}

/**
 * Answers one request. Rejects with the error of the handler or of the peer; a peer that can still be answered got a
 * status before.
 */
export async function exchange(
  head: RequestHead,
  reader: MessageReader,
  writer: MessageWriter,
  options: ExchangeOptions,
): Promise<void> {
  const body = new RequestBody(head, reader, options);
  let request: Request;
  try {
    request = new Request(head.url, {
      method: head.method,
      headers: [...head.headers],
      signal: options.signal,
      ...(body.stream === undefined ? {} : { body: body.stream }),
    });
  } catch (cause) {
    throw new MessageError(400, `no such request: ${(cause as Error).message}`);
  }
  try {
    await send(await options.respond(request), head.method, writer);
  } catch (error) {
    if (!writer.started) {
      if (body.refused !== undefined) throw body.refused;
      await send(new Response(null, { status: 500 }), head.method, writer).catch(() => {});
    }
    throw error;
  } finally {
    body.stop(); // The handler is done: it will not read the rest.
  }
}

async function send(response: Response, method: string, writer: MessageWriter): Promise<void> {
  const { body } = response;
  try {
    await writer.headers(responseLines(response.status, response.headers));
    if (body !== null && method !== "HEAD") {
      for await (const chunk of body as AsyncIterable<Uint8Array> & ReadableStream<Uint8Array>) {
        if (chunk.length > 0) await writer.data(chunk);
      }
    }
    await writer.end();
  } catch (error) {
    writer.abort();
    throw error;
  } finally {
    if (body !== null && !body.locked) await body.cancel().catch(() => {});
  }
}

class RequestBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  /** Why the body was refused. */
  refused: MessageError | undefined;
  readonly #reader: MessageReader;
  readonly #options: ExchangeOptions;
  readonly #declared: number | undefined;
  #length = 0;
  #over = false;

  constructor(head: RequestHead, reader: MessageReader, options: ExchangeOptions) {
    this.#reader = reader;
    this.#options = options;
    const declared = head.headers.get("content-length");
    if (declared !== undefined) {
      if (!/^\d{1,15}$/.test(declared)) throw new MessageError(400, "bad content-length");
      this.#declared = Number(declared);
      if (this.#declared > options.maxRequestBody) throw new MessageError(413, "body too large");
    }
    if (head.method === "GET" || head.method === "HEAD") return;
    this.stream = new ReadableStream({
      pull: (controller) => this.#pull(controller),
      cancel: () => this.stop(),
    }, { highWaterMark: 0 });
  }

  /** Takes no more of the body. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#reader.cancel();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    const timer = setTimeout(() => {
      this.refused ??= new MessageError(408, "the body does not come");
      this.stop();
    }, this.#options.bodyTimeout);
    try {
      const data = await this.#reader.data();
      this.#length += data?.length ?? 0;
      if (this.#length > this.#options.maxRequestBody) {
        this.refused ??= new MessageError(413, "body too large");
      }
      if (data === undefined && this.#declared !== undefined && this.#declared !== this.#length) {
        this.refused ??= new MessageError(400, "body is not as long as declared");
      }
      if (this.refused !== undefined) throw this.refused;
      if (data !== undefined) return controller.enqueue(data.slice());
      this.#over = true;
      controller.close();
    } catch (error) {
      this.stop();
      if (error instanceof Http3Error) this.#options.violated(error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
