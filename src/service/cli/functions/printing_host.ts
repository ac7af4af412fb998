/**
 * A service for a function that is tried: says what would be done.
 *
 * @module
 */

import type {
  AnswerStream,
  Caller,
  FunctionHost,
  IncomingResponse,
  OutgoingRequest,
  SaidContent,
} from "../../../functions/mod.ts";
import type { Io } from "../command.ts";

/** Prints what is published, keeps values in memory, and has empty channels. */
export class PrintingHost implements FunctionHost {
  readonly #io: Io;
  readonly #fetch: (request: OutgoingRequest, signal: AbortSignal) => Promise<IncomingResponse>;
  readonly #values = new Map<string, { value: unknown; revision: number }>();
  #offset = 0;

  constructor(
    io: Io,
    fetcher: (request: OutgoingRequest, signal: AbortSignal) => Promise<IncomingResponse>,
  ) {
    this.#io = io;
    this.#fetch = fetcher;
  }

  publish(_from: Caller, channel: string, content: SaidContent) {
    this.#io.out(`published to ${channel}: ${JSON.stringify(content)}\n`);
    return Promise.resolve({ offset: ++this.#offset, epoch: "tried", duplicate: false });
  }

  stream(_from: Caller, channel: string): Promise<AnswerStream> {
    return Promise.resolve({
      append: (text) => this.#io.out(`streamed to ${channel}: ${JSON.stringify(text)}\n`),
      end: (failed) => this.#io.out(failed ? "stream: failed\n" : "stream: ended\n"),
    });
  }

  history() {
    return Promise.resolve([]);
  }

  presence() {
    return Promise.resolve([]);
  }

  kvGet(_from: Caller, name: string) {
    return Promise.resolve(this.#values.get(name));
  }

  kvSet(
    _from: Caller,
    name: string,
    value: unknown,
    { revision }: { readonly ttl: number | undefined; readonly revision: number | undefined },
  ): Promise<boolean> {
    const known = this.#values.get(name)?.revision ?? 0;
    if (revision !== undefined && revision !== known) return Promise.resolve(false);
    this.#values.set(name, { value, revision: known + 1 });
    return Promise.resolve(true);
  }

  kvDelete(_from: Caller, name: string): Promise<boolean> {
    return Promise.resolve(this.#values.delete(name));
  }

  fetch({ signal }: Caller, request: OutgoingRequest): Promise<IncomingResponse> {
    return this.#fetch(request, signal);
  }
}
