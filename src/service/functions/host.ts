/**
 * What functions ask of the service, done.
 *
 * @module
 */

import type { Values } from "../../engine/contract.ts";
import type {
  AnswerStream,
  Caller,
  FunctionHost,
  IncomingResponse,
  Json,
  OutgoingRequest,
  SaidContent,
} from "../../functions/mod.ts";
import type { Hub } from "../../hub/mod.ts";
import { contentOf, type Payload, ProtocolError, readContent, uuidv7 } from "../../protocol/mod.ts";
import { KeyValues } from "./key_values.ts";
import { TokenBucket } from "../../session/rates.ts";

/** Where functions work. */
export interface HostOptions {
  readonly hub: Hub;
  readonly values: Values;
  readonly limits: () => { readonly publishRate: number; readonly maxDepth: number };
  readonly fetch: (name: string, request: OutgoingRequest, signal: AbortSignal) => Promise<IncomingResponse>;
  /** Milliseconds that only go forward. */
  readonly now: () => number;
}

/** The user that a function's messages are from: the bot of its name. */
export function userOf(name: string): string {
  return name;
}

/** Serves the requests of functions. */
export class ServiceHost implements FunctionHost {
  readonly #options: HostOptions;
  readonly #rates = new Map<string, { readonly rate: number; readonly tokens: TokenBucket }>();
  readonly #values: KeyValues;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#values = new KeyValues(options.values);
  }

  async publish(from: Caller, channel: string, content: SaidContent, id: string | undefined) {
    const read = readContent(content);
    if (typeof read === "string") throw new ProtocolError("bad_payload", read);
    const { offset, epoch, duplicate } = await this.#publish(from, channel, contentOf(read), id);
    return { offset, epoch, duplicate };
  }

  async stream(from: Caller, channel: string): Promise<AnswerStream> {
    const { hub } = this.#options;
    const { offset, epoch } = await this.#publish(from, channel, { text: "", stream: "open" }, undefined);
    const user = userOf(from.name);
    let at = 0;
    const grow = async (text: string, end?: "ended" | "failed"): Promise<void> => {
      const start = at;
      at += text.length;
      const growth = { target: offset, epoch, at: start, content: text, end, from: user };
      await hub.append(channel, growth, "function", from.depth + 1);
    };
    return { append: (text) => grow(text), end: (failed) => grow("", failed ? "failed" : "ended") };
  }

  async history(
    _from: Caller,
    channel: string,
    { limit, since }: { readonly limit: number; readonly since: number | undefined },
  ) {
    const { hub } = this.#options;
    if (hub.settings(channel) === undefined) throw new ProtocolError("unknown_channel");
    // What follows a place, or the end of the channel.
    const page = await hub.history(
      channel,
      since === undefined ? { limit, reverse: true } : { limit, since },
    );
    const records = since === undefined ? page.records.toReversed() : page.records;
    return records.map(({ offset, id, type, from, timestamp, payload }) => ({
      offset,
      id,
      type,
      from,
      timestamp,
      payload: payload as { readonly [key: string]: Json },
    }));
  }

  async presence(_from: Caller, channel: string) {
    const entries = await this.#options.hub.presence(channel);
    return entries.map(({ userId, sessionId }) => ({ user: userId, session: sessionId }));
  }

  kvGet({ name }: Caller, key: string) {
    return this.#values.get(name, key);
  }

  kvSet(
    { name }: Caller,
    key: string,
    value: unknown,
    options: { readonly ttl: number | undefined; readonly revision: number | undefined },
  ): Promise<boolean> {
    return this.#values.set(name, key, value, options);
  }

  kvDelete({ name }: Caller, key: string): Promise<boolean> {
    return this.#values.delete(name, key);
  }

  fetch({ name, signal }: Caller, request: OutgoingRequest): Promise<IncomingResponse> {
    return this.#options.fetch(name, request, signal);
  }

  /** Forgets what it knows of a function that is gone. */
  forget(name: string): void {
    this.#rates.delete(name);
  }

  async #publish({ name, depth }: Caller, channel: string, payload: Payload, id = uuidv7()) {
    const { hub, limits, now } = this.#options;
    const { publishRate, maxDepth } = limits();
    if (depth >= maxDepth) {
      throw new ProtocolError(
        "limit_exceeded",
        `messages of functions answered each other ${depth} times: a loop`,
      );
    }
    let bucket = this.#rates.get(name);
    if (bucket?.rate !== publishRate) {
      const made = new TokenBucket({ perSecond: publishRate, burst: publishRate }, now());
      this.#rates.set(name, bucket = { rate: publishRate, tokens: made });
    }
    if (!bucket.tokens.tryTake(1, now())) {
      throw new ProtocolError(
        "rate_limited",
        `a function publishes at most ${publishRate} messages a second`,
      );
    }
    return await hub.publish({
      origin: "function",
      channel,
      id,
      from: userOf(name),
      payload,
      depth: depth + 1,
    });
  }
}
