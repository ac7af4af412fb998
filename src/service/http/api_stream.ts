/**
 * A streamed message whose pieces are the chunks of one request's body: what a model says goes through as it comes.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import { ProtocolError } from "../../protocol/mod.ts";
import type { ApiAppended, ApiPublished, ApiStreamed } from "../../protocol/api/types.ts";
import type { ApiRunner, Caller } from "./api.ts";

/** Milliseconds a back end has to send the next bytes. A listener may cut who is silent earlier. */
const PATIENCE = 300_000;
/** Pieces that are under way to the engine at once: more are not read, so that nothing is kept for a slow disk. */
const WINDOW = 16;

/** How the bytes of a body become content: more of a text, or elements of a list. */
interface Pieces {
  readonly empty: string | readonly unknown[];
  /** `bytes` undefined: the body is over. Throws ProtocolError `bad_payload`. */
  decode(bytes: Uint8Array | undefined): string | readonly unknown[];
}

/** Makes the decoder of a body: of bytes for `application/octet-stream`, else of a text in UTF-8. */
export function piecesOf(headers: Headers): Pieces {
  const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  return type === "application/octet-stream" ? bytePieces() : textPieces();
}

function textPieces(): Pieces {
  // Holds back the first bytes of a character whose others come with the next chunk.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return {
    empty: "",
    decode(bytes) {
      try {
        return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
      } catch (cause) {
        throw new ProtocolError("bad_payload", "the body is not UTF-8", { cause });
      }
    },
  };
}

function bytePieces(): Pieces {
  return {
    empty: [],
    decode: (bytes) => bytes === undefined || bytes.length === 0 ? [] : [bytes.toBase64()],
  };
}

/**
 * Says a message piece by piece. `query`: its channel, and `id`, `from` and `priority` where they are given. The end of
 * the body is the end of the message. What a body that breaks has said stays, and the message is ended with `interrupted`
 * after the time of its namespace; one that is refused ends as `failed`. Rejects as `publish` and `append` do.
 */
export async function streamBody(
  body: ReadableStream<Uint8Array> | null,
  pieces: Pieces,
  query: Readonly<Record<string, string>>,
  runner: ApiRunner,
  caller: Caller,
): Promise<ApiStreamed> {
  if (body === null) throw new ProtocolError("bad_request", "the body is what the message says");
  const reader = body.getReader();
  try {
    return await new StreamedBody(pieces, query, runner, caller).read(reader);
  } finally {
    reader.cancel().catch(() => {});
  }
}

class StreamedBody {
  readonly #pieces: Pieces;
  readonly #query: Readonly<Record<string, string>>;
  readonly #runner: ApiRunner;
  readonly #caller: Caller;
  #message: ApiPublished | undefined;
  /** The length once all pieces are committed that are under way. */
  #length = 0;
  readonly #underWay = new Set<Promise<void>>();
  #failures: unknown[] = [];

  constructor(pieces: Pieces, query: Readonly<Record<string, string>>, runner: ApiRunner, caller: Caller) {
    this.#pieces = pieces;
    this.#query = query;
    this.#runner = runner;
    this.#caller = caller;
  }

  async read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<ApiStreamed> {
    const late = () => new ProtocolError("bad_request", "the body did not come in time");
    for (;;) {
      const { done, value } = await deadline(reader.read(), PATIENCE, late).catch((error) => {
        if (error instanceof ProtocolError) throw error;
        throw new ProtocolError("bad_request", "the body ended early", { cause: error });
      });
      await this.#say(value, done);
      if (this.#underWay.size >= WINDOW) await Promise.race(this.#underWay);
      this.#check();
      if (done) break;
    }
    await Promise.all(this.#underWay);
    this.#check();
    return { ...this.#message!, length: this.#length };
  }

  #check(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async #say(value: Uint8Array | undefined, done: boolean): Promise<void> {
    let content: string | readonly unknown[];
    try {
      content = this.#pieces.decode(done ? undefined : value);
    } catch (error) {
      await this.#fail();
      throw error;
    }
    if (content.length === 0 && !done) return;
    this.#message ??= await this.#begin();
    this.#append(content, done ? "ended" : undefined);
  }

  async #begin(): Promise<ApiPublished> {
    const { empty } = this.#pieces;
    const params = { ...this.#query, ...contentOf(empty), stream: true };
    return await this.#runner.run("publish", params, this.#caller) as ApiPublished;
  }

  #append(content: string | readonly unknown[], final: "ended" | undefined): void {
    const at = this.#length;
    this.#length += content.length;
    const piece = { at, ...contentOf(content), ...(final === undefined ? {} : { final }) };
    const call = this.#grow(piece).then(() => {}, async (error) => {
      // Those behind it fail because it did.
      if (this.#failures.push(error) === 1) await this.#fail(at);
    });
    this.#underWay.add(call);
    void call.then(() => this.#underWay.delete(call));
  }

  /** Nothing more comes, which the readers are not to wait for. */
  async #fail(at = this.#length): Promise<void> {
    if (this.#message === undefined) return;
    await this.#grow({ at, ...contentOf(this.#pieces.empty), final: "failed" }).catch(() => {});
  }

  async #grow(piece: Record<string, unknown>): Promise<ApiAppended> {
    const { channel, offset: target, epoch } = this.#message!;
    const { from } = this.#query;
    const params = { channel, target, epoch, ...(from === undefined ? {} : { from }), ...piece };
    return await this.#runner.run("append", params, this.#caller) as ApiAppended;
  }
}

function contentOf(content: string | readonly unknown[]): { text: string } | { data: readonly unknown[] } {
  return typeof content === "string" ? { text: content } : { data: content };
}
