/**
 * Questions to the server: each is answered once, whichever connection the answer comes on. Only messages that may be
 * acted on twice are asked this way, so a question without an answer is asked again on the next connection.
 *
 * @module
 */

import { type ClientType, type Message, type Payload, uuidv7 } from "../../protocol/core.ts";
import type {
  AuthResponse,
  ClientListResponse,
  FileLinkResponse,
  FileUploaded,
  FileUploadId,
  FileUploadReady,
  HistoryResponse,
  PresenceResponse,
  ReadMarks,
  ReplayStarted,
  Subscribed,
  UnreadResponse,
  Unsubscribed,
} from "../../protocol/mod.ts";
import { readPayload, type ReadPayloads } from "./payloads.ts";
import type { Clock } from "../clock.ts";
import { deferred } from "../deferred.ts";
import { SkeinError } from "../errors.ts";
import type { Link } from "./link.ts";

/** Questions that wait at most. */
const MAX_PENDING = 1024;

interface Pending {
  readonly id: string;
  readonly type: ClientType;
  readonly payload: Payload;
  readonly answer: keyof ReadPayloads;
  lane: number;
  resolve(payload: unknown): void;
  reject(error: SkeinError): void;
  cancel: (() => void) | undefined;
}

/** Questions, and what answers them. */
export interface Answers {
  subscribe: Subscribed;
  unsubscribe: Unsubscribed;
  history: HistoryResponse;
  presence: PresenceResponse;
  client_list: ClientListResponse;
  auth_refresh: AuthResponse;
  file_upload_start: FileUploadReady;
  file_upload_complete: FileUploaded;
  file_upload_cancel: FileUploadId;
  file_link: FileLinkResponse;
  read_up_to: ReadMarks;
  unread: UnreadResponse;
  replay: ReplayStarted;
}

/** A type that has an answer. */
export type Question = keyof Answers;
/** The payload of a question's answer. */
export type AnswerOf<Q extends Question> = Answers[Q];

/** The type of the answer each question has. */
export const ANSWERS: Readonly<Record<Question, keyof ReadPayloads>> = {
  subscribe: "subscribed",
  unsubscribe: "unsubscribed",
  history: "history_response",
  presence: "presence_response",
  client_list: "client_list_response",
  auth_refresh: "auth_response",
  file_upload_start: "file_upload_ready",
  file_upload_complete: "file_uploaded",
  file_upload_cancel: "file_upload_cancelled",
  file_link: "file_link_response",
  read_up_to: "read_marks",
  unread: "unread_response",
  replay: "replay_started",
};

/** Questions that are open. */
export class Requests {
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #pending = new Map<string, Pending>();
  #link: Link | undefined;

  /** `timeout`: milliseconds an answer may take on a live connection. */
  constructor(clock: Clock, timeout: number) {
    this.#clock = clock;
    this.#timeout = timeout;
  }

  /** Asks. Without a connection it waits for one. Rejects with the server's error, `timeout` or `closed`. */
  ask<Q extends Question>(type: Q, payload: Payload): Promise<AnswerOf<Q>> {
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(
        new SkeinError("outbox_full", `${MAX_PENDING} questions wait`, { temporary: true }),
      );
    }
    const { promise, resolve, reject } = deferred<unknown>();
    const pending: Pending = {
      id: uuidv7(),
      type,
      payload,
      answer: ANSWERS[type],
      lane: 0,
      resolve,
      reject,
      cancel: undefined,
    };
    this.#pending.set(pending.id, pending);
    if (this.#link !== undefined) this.#send(pending, this.#link);
    return promise as Promise<AnswerOf<Q>>;
  }

  /** Another connection carries the session: everything open is asked on it. */
  attach(link: Link): void {
    this.#link = link;
    for (const pending of this.#pending.values()) this.#send(pending, link);
  }

  /** No connection: what is open waits. */
  detach(): void {
    this.#link = undefined;
    for (const pending of this.#pending.values()) pending.cancel?.();
  }

  /** A lane is gone: what was asked on it is asked again. */
  laneLost(lane: number): void {
    for (const pending of this.#pending.values()) {
      if (pending.lane === lane && this.#link !== undefined) this.#send(pending, this.#link);
    }
  }

  /** Takes an answer; false when it answers nothing here. */
  settle({ re, type, payload }: Message): boolean {
    const pending = re === undefined ? undefined : this.#pending.get(re);
    if (pending === undefined) return false;
    this.#remove(pending);
    try {
      if (type === "error") pending.reject(SkeinError.from(readPayload("error", payload)));
      else if (type === pending.answer) pending.resolve(readPayload(pending.answer, payload));
      else pending.reject(new SkeinError("bad_request", `${pending.type} was answered with ${type}`));
    } catch (cause) {
      pending.reject(
        new SkeinError("bad_payload", `the answer to ${pending.type} cannot be read`, { cause }),
      );
    }
    return true;
  }

  /** Rejects everything open. */
  close(error: SkeinError): void {
    this.#link = undefined;
    for (const pending of [...this.#pending.values()]) {
      this.#remove(pending);
      pending.reject(error);
    }
  }

  #send(pending: Pending, link: Link): void {
    const { type, payload, id } = pending;
    const channel = typeof payload.channel === "string" ? payload.channel : undefined;
    pending.lane = link.laneOf(type, channel);
    pending.cancel?.();
    pending.cancel = this.#clock.after(this.#timeout, () => {
      this.#remove(pending);
      pending.reject(
        new SkeinError("timeout", `no answer to ${type} within ${this.#timeout} ms`, { temporary: true }),
      );
    });
    link.send(type, payload, pending.lane, id);
  }

  #remove(pending: Pending): void {
    pending.cancel?.();
    this.#pending.delete(pending.id);
  }
}
