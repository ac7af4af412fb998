/**
 * What one endpoint decides, and the calls that it answers.
 *
 * @module
 */

import * as v from "valibot";
import type { Clock } from "../async/clock.ts";
import { Semaphore } from "../async/semaphore.ts";
import {
  type ClaimAdditions,
  type ConnectAttempt,
  type PiecePublication,
  pieceWithin,
  type Publication,
  type ReadAttempt,
  type SubscribeAttempt,
} from "../hub/mod.ts";
import { contentOf, ProtocolError, uuidv7 } from "../protocol/mod.ts";
import { readContent } from "../protocol/schemas/fields.ts";
import type { Client } from "../router/types.ts";
import type { Breaker } from "./breaker.ts";
import type { Decision, Endpoint, Post } from "./contract.ts";
import { bodyOf } from "./bodies.ts";
import { connectionData, pieceData, publicationData } from "./events.ts";

/** Decisions and calls that wait until others are done. */
const MAX_WAITING = 10_000;
/** Characters of a reason that clients are shown. */
const MAX_REASON = 200;

/** What happens, for metrics and log lines. */
export interface DecisionEvents {
  /** `failed`: there was no decision, for this reason. */
  decided(
    event: Decision | "rpc",
    outcome: "allowed" | "refused" | "failed",
    ms: number,
    failure: string | undefined,
  ): void;
}

/** What deciding needs. */
export interface DecisionParts {
  readonly endpoint: Endpoint;
  readonly post: Post;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly events: DecisionEvents;
}

const answer = v.object({
  allow: v.optional(v.boolean(), true),
  reason: v.optional(v.string()),
  retry: v.optional(v.boolean(), false),
  claims: v.optional(v.record(v.string(), v.unknown())),
  text: v.optional(v.unknown()),
  data: v.optional(v.unknown()),
  bytes: v.optional(v.unknown()),
});

/** What an endpoint answers a decision with; an empty body allows. */
type Answer = v.InferOutput<typeof answer>;

const rpcAnswer = v.object({
  data: v.optional(v.unknown()),
  error: v.optional(v.object({ message: v.optional(v.string()), temporary: v.optional(v.boolean(), false) })),
});

/** There is no decision. */
class NoDecision extends Error {}

/** Asks one endpoint. */
export class Decider {
  readonly #parts: DecisionParts;
  readonly #permits: Semaphore;
  #waiting = 0;

  constructor(parts: DecisionParts) {
    this.#parts = parts;
    this.#permits = new Semaphore(parts.endpoint.concurrency);
  }

  /** Whether a connection may be made. Rejects with ProtocolError. */
  async connect(attempt: ConnectAttempt): Promise<void> {
    const { connection: { connectionId, transport }, principal, resume, refresh } = attempt;
    const { userId, subscribe, publish, rights, info } = principal;
    const claims = { subscribe, publish, rights: [...rights], ...info === undefined ? {} : { info } };
    const resumed = resume === undefined ? {} : { resume };
    const data = { user: userId, connection: connectionId, transport, refresh, ...resumed, claims };
    await this.#decide("connect", data, ({ claims }) => {
      if (claims === undefined) return;
      try {
        attempt.grant(claims as ClaimAdditions);
      } catch {
        throw new NoDecision("claims that no token can have");
      }
    });
  }

  /** Whether a subscription may begin. Rejects with ProtocolError. */
  async subscribe({ client, channel, resumed }: SubscribeAttempt): Promise<void> {
    await this.#decide("subscribe", {
      channel,
      user: client.principal.userId,
      resumed,
      ...connectionData(client),
    });
  }

  /** Whether the files of a channel may be read by a user who is not subscribed to it. Rejects with ProtocolError. */
  async read({ user, client, channel }: ReadAttempt): Promise<void> {
    const connection = client === undefined ? {} : connectionData(client);
    await this.#decide("subscribe", { channel, user, resumed: false, file: true, ...connection });
  }

  /** Whether a message may be published, and what it says. Rejects with ProtocolError. */
  async publish(publication: Publication): Promise<void> {
    await this.#decide("publish", publicationData(publication), ({ text, data, bytes }) => {
      if (text === undefined && data === undefined) return;
      const content = readContent({ text, data, bytes });
      if (typeof content === "string") throw new NoDecision("a content that no message can have");
      const { text: _, data: __, bytes: ___, ...rest } = publication.payload;
      const said = contentOf(content);
      publication.payload = { ...rest, ...said };
      const { edit } = publication;
      if (edit?.kind === "replace") {
        const { text: _, data: __, bytes: ___, ...kept } = edit.content;
        publication.edit = { ...edit, content: { ...kept, ...said } };
      }
    });
  }

  /** Whether a streamed message may grow, and by what. Rejects with ProtocolError. */
  async piece(piece: PiecePublication): Promise<void> {
    const asked = pieceData(piece);
    await this.#decide("publish", asked, ({ text, data, bytes }) => {
      if (text === undefined && data === undefined) return;
      const content = readContent({ text, data, bytes });
      if (typeof content === "string") throw new NoDecision("a content that no message can have");
      piece.content = pieceWithin(piece, contentOf(content));
    });
  }

  /** Answers a call. Rejects with ProtocolError. */
  async call(method: string, data: unknown, client: Client, signal: AbortSignal): Promise<unknown> {
    const { clock, events } = this.#parts;
    const began = clock.now();
    const asked = { method, user: client.principal.userId, ...connectionData(client), data };
    try {
      const { data, error } = v.parse(rpcAnswer, await this.#ask("rpc", asked, signal) ?? {});
      events.decided("rpc", error === undefined ? "allowed" : "refused", clock.now() - began, undefined);
      if (error === undefined) return data;
      const { message, temporary } = error;
      throw new ProtocolError(temporary ? "not_available" : "permission_denied", reasonOf(message));
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      events.decided("rpc", "failed", clock.now() - began, failureOf(error));
      throw new ProtocolError("not_available", "the method cannot be called now");
    }
  }

  async #decide(
    event: Decision,
    data: Record<string, unknown>,
    take?: (answer: Answer) => void,
  ): Promise<void> {
    const { endpoint: { onFailure }, clock, events } = this.#parts;
    const began = clock.now();
    let decided: Answer;
    try {
      decided = v.parse(answer, await this.#ask(event, data) ?? {});
      if (decided.allow) take?.(decided);
    } catch (error) {
      if (error instanceof ProtocolError) {
        // What it wants cannot be: that is a refusal, whatever holds without a decision.
        events.decided(event, "refused", clock.now() - began, undefined);
        throw error;
      }
      events.decided(event, "failed", clock.now() - began, failureOf(error));
      if (onFailure === "allow") return;
      throw new ProtocolError("not_available", "the application cannot be asked now", { retryAfter: 1000 });
    }
    const { allow, reason, retry } = decided;
    events.decided(event, allow ? "allowed" : "refused", clock.now() - began, undefined);
    if (!allow) throw new ProtocolError(retry ? "not_available" : "permission_denied", reasonOf(reason));
  }

  /** The answer's JSON, undefined for an empty one. Rejects with NoDecision. */
  async #ask(event: Decision | "rpc", data: Record<string, unknown>, signal?: AbortSignal): Promise<unknown> {
    const { breaker, clock, post } = this.#parts;
    if (breaker.state(clock.now()) === "open") throw new NoDecision("breaker open");
    const posted = await this.#permitted(async () => {
      if (!breaker.take(clock.now())) throw new NoDecision("breaker open");
      const id = `req_${uuidv7()}`;
      const body = JSON.stringify(bodyOf(event, clock.wall(), data));
      return await post({ id, body, wantsBody: true, signal });
    });
    // A call that came too late was given up by the service; one whose client has gone says nothing.
    const isLate = signal?.aborted === true && signal.reason instanceof ProtocolError;
    if (posted.isDown === true || isLate) breaker.failed(clock.now(), posted.retryAfter);
    else if (signal?.aborted) breaker.gaveUp();
    else breaker.succeeded();
    if (posted.failure !== undefined) throw new NoDecision(posted.failure);
    if (posted.body === undefined || posted.body.length === 0) return undefined;
    try {
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(posted.body));
    } catch {
      throw new NoDecision("an answer that is not JSON");
    }
  }

  /** Runs `ask` when there are not too many others. */
  async #permitted<T>(ask: () => Promise<T>): Promise<T> {
    const { endpoint: { timeout }, clock } = this.#parts;
    if (this.#waiting >= MAX_WAITING) throw new NoDecision("too many at once");
    const giving = new AbortController();
    const cancel = clock.after(timeout, () => giving.abort(new NoDecision("too many at once")));
    this.#waiting++;
    try {
      await this.#permits.acquire(giving.signal);
    } finally {
      this.#waiting--;
      cancel();
    }
    try {
      return await ask();
    } finally {
      this.#permits.release();
    }
  }
}

/** What a client is shown of a reason: it may come from anywhere. */
function reasonOf(reason: string | undefined): string | undefined {
  return reason?.replaceAll(/\p{Cc}/gu, " ").slice(0, MAX_REASON);
}

function failureOf(error: unknown): string {
  return error instanceof NoDecision ? error.message : "an answer of another form";
}
