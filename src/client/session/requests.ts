/**
 * Questions to the server: each is answered once, whichever connection the answer comes on. Only messages that may be
 * acted on twice are asked this way, so a question without an answer is asked again on the next connection. What is
 * answered by several messages is not: whoever asked knows what is missing.
 *
 * @module
 */

import {
  type AcknowledgedType,
  type AnsweredType,
  type AnswerType,
  clientRow,
  type ClientType,
  type Message,
  type Payload,
  uuidv7,
} from "../../protocol/core.ts";
import type { ServerPayloads, ServerType } from "../../protocol/mod.ts";
import { readPayload } from "./payloads.ts";
import type { Clock } from "../clock.ts";
import { deferred } from "../../async/deferred.ts";
import { SkeinError } from "../errors.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";

/** Questions that wait at most. */
const MAX_PENDING = 1024;

/** A question that is answered by several messages. */
export interface Following {
  /** Of its message. */
  readonly id: string;
  readonly type: ClientType;
  readonly payload: Payload;
  /** Called with each of them; true: nothing follows. What it throws ends it. */
  readonly take: (message: Message) => boolean;
  /** Ends it with its reason: what still comes is passed over. */
  readonly signal: AbortSignal;
  /** Milliseconds that each of them may take on a live connection. @default that of all questions */
  readonly timeout?: number | undefined;
}

interface Pending extends Omit<Following, "take" | "signal" | "timeout"> {
  readonly timeout: number;
  /** The answer's type, or what takes several. */
  readonly answer: ServerType | Following["take"];
  /** Undefined while it has not been sent. */
  lane: number | undefined;
  resolve(payload: unknown): void;
  reject(error: SkeinError): void;
  cancel: (() => void) | undefined;
}

/** A type that has an answer which the application waits for. */
export type Question = Exclude<AnsweredType, AcknowledgedType>;
/** The payload of a question's answer. */
export type AnswerOf<Q extends Question> = ServerPayloads[AnswerType<Q>];

/** Questions that are open. */
export class Requests implements SessionPart {
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #pending = new Map<string, Pending>();
  #link: Link | undefined;

  /** `timeout`: milliseconds an answer may take on a live connection. */
  constructor(clock: Clock, timeout: number) {
    this.#clock = clock;
    this.#timeout = timeout;
  }

  /**
   * Asks. Without a connection it waits for one. Rejects with the server's error, `timeout` or `closed`; asked again with
   * the same `id` it is the same question.
   */
  ask<Q extends Question>(type: Q, payload: Payload, id: string = uuidv7()): Promise<AnswerOf<Q>> {
    return this.#ask(id, type, payload, clientRow(type).answer!) as Promise<AnswerOf<Q>>;
  }

  /**
   * Asks for what several messages answer; resolves after the last. Without a connection it waits for one. Rejects with
   * what `take` throws, the server's error, `timeout` when nothing comes for too long, `closed`, `connection_lost` when
   * the rest may not come any more, and the signal's reason.
   */
  async follow({ id, type, payload, take, signal, timeout }: Following): Promise<void> {
    signal.throwIfAborted();
    const dropped = (): void => {
      const pending = this.#pending.get(id);
      if (pending !== undefined) this.#reject(pending, signal.reason);
    };
    signal.addEventListener("abort", dropped);
    try {
      await this.#ask(id, type, payload, take, timeout);
    } finally {
      signal.removeEventListener("abort", dropped);
    }
  }

  /** Everything open is asked on the connection. */
  attach(link: Link): void {
    this.#link = link;
    for (const pending of [...this.#pending.values()]) this.#again(pending, link);
  }

  /** What is open waits. */
  detach(): void {
    this.#link = undefined;
    for (const pending of [...this.#pending.values()]) {
      pending.cancel?.();
      this.#again(pending, undefined);
    }
  }

  /** What was asked on it is asked again. */
  laneLost(lane: number): void {
    const link = this.#link;
    for (const pending of [...this.#pending.values()]) if (pending.lane === lane) this.#again(pending, link);
  }

  /** Takes an answer; false when it answers nothing here. */
  take(message: Message): boolean {
    const { re, type, payload } = message;
    const pending = re === undefined ? undefined : this.#pending.get(re);
    if (pending === undefined) return false;
    const { answer } = pending;
    try {
      if (type === "error") this.#reject(pending, SkeinError.from(readPayload("error", payload)));
      else if (typeof answer === "function") {
        if (answer(message)) this.#resolve(pending, undefined);
        else this.#arm(pending);
      } else if (type === answer) this.#resolve(pending, readPayload(answer, payload));
      else this.#reject(pending, new SkeinError("bad_request", `${pending.type} was answered with ${type}`));
    } catch (cause) {
      const unreadable = `the answer to ${pending.type} cannot be read`;
      this.#reject(
        pending,
        cause instanceof SkeinError ? cause : new SkeinError("bad_payload", unreadable, { cause }),
      );
    }
    return true;
  }

  /** Rejects everything open. */
  stop(error: SkeinError): void {
    this.#link = undefined;
    for (const pending of [...this.#pending.values()]) this.#reject(pending, error);
  }

  #ask(
    id: string,
    type: ClientType,
    payload: Payload,
    answer: Pending["answer"],
    timeout = this.#timeout,
  ): Promise<unknown> {
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(
        SkeinError.temporary("outbox_full", `${MAX_PENDING} questions wait`),
      );
    }
    const { promise, resolve, reject } = deferred<unknown>();
    const pending: Pending = {
      id,
      type,
      payload,
      answer,
      timeout,
      lane: undefined,
      resolve,
      reject,
      cancel: undefined,
    };
    this.#pending.set(id, pending);
    if (this.#link !== undefined) this.#send(pending, this.#link);
    return promise;
  }

  /** Asks again, unless some of the answer may have come already. */
  #again(pending: Pending, link: Link | undefined): void {
    if (typeof pending.answer === "function" && pending.lane !== undefined) {
      return this.#reject(
        pending,
        SkeinError.temporary("connection_lost", "the rest may not come"),
      );
    }
    if (link !== undefined) this.#send(pending, link);
  }

  #send(pending: Pending, link: Link): void {
    const { type, payload, id } = pending;
    pending.lane = link.laneOf(type, payload.channel);
    this.#arm(pending);
    link.send(type, payload, pending.lane, id);
  }

  #arm(pending: Pending): void {
    const { type, cancel, timeout } = pending;
    cancel?.();
    pending.cancel = this.#clock.after(timeout, () => {
      const late = `no answer to ${type} within ${timeout} ms`;
      this.#reject(pending, SkeinError.temporary("timeout", late));
    });
  }

  #resolve(pending: Pending, answer: unknown): void {
    this.#remove(pending);
    pending.resolve(answer);
  }

  #reject(pending: Pending, error: SkeinError): void {
    this.#remove(pending);
    pending.reject(error);
  }

  #remove({ cancel, id }: Pending): void {
    cancel?.();
    this.#pending.delete(id);
  }
}
