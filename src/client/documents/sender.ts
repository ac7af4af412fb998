/**
 * What a document says: operations through the outbox, snapshots in parts, awareness as it comes; sealed where there is
 * a key.
 *
 * @module
 */

import { crc32, type Payload, uuidv7 } from "../../protocol/core.ts";
import type { Clock } from "../clock.ts";
import { deferred, handled } from "../../async/deferred.ts";
import { SkeinError } from "../errors.ts";
import type { Receipt } from "../outbox/outbox.ts";
import type { Position } from "../session/inbox.ts";
import type { ChannelHandlerPort } from "../session/channel_handlers.ts";
import type { Publishing } from "../session/publishing.ts";
import { toBase64 } from "./bytes.ts";
import type { Cipher, SealedKind } from "./encryption.ts";
import type { Part } from "./groups.ts";

/** Milliseconds a part of a snapshot may wait for its acknowledgement. */
const SNAPSHOT_PATIENCE = 10_000;
/** Bytes of a message that are not `data`. */
const AROUND = 1024;

interface Asked {
  resolve(payload: Payload): void;
  reject(error: SkeinError): void;
}

/** The sending side of one document. */
export class Sender {
  readonly #channel: string;
  readonly #port: () => ChannelHandlerPort;
  readonly #clock: Clock;
  readonly #key: Cipher | undefined;
  readonly #asked = new Map<string, Asked>();
  readonly #own = new Set<string>();
  readonly #givenUp: () => void;
  #sealing: Promise<unknown> = Promise.resolve();
  /** Why nothing is asked any more. */
  #ended: SkeinError | undefined;

  /** `givenUp` is called when an operation that the server waits for will not come. */
  constructor(
    channel: string,
    port: () => ChannelHandlerPort,
    clock: Clock,
    key: Cipher | undefined,
    givenUp: () => void,
  ) {
    this.#givenUp = givenUp;
    this.#channel = channel;
    this.#port = port;
    this.#clock = clock;
    this.#key = key;
  }

  /** Sends an operation, after those before it. */
  send(data: Uint8Array): Promise<Receipt> {
    if (this.#key === undefined) return this.#publish(data);
    // Wrapped, because only the sealing is waited for before the next one.
    const sent = this.#sealing.then(() => this.#seal("operation", data)).then((sealed) => ({
      receipt: this.#publish(sealed),
    }));
    this.#sealing = sent.catch(() => {});
    return handled(sent.then(({ receipt }) => receipt));
  }

  /** Sends a snapshot; see `Document.snapshot`. */
  async snapshot(at: Position, data: Uint8Array): Promise<boolean> {
    const sealed = await this.#seal("snapshot", data);
    const size = this.#room();
    const parts = Math.max(1, Math.ceil(sealed.length / size));
    for (let part = 0; part < parts; part++) {
      const piece = sealed.subarray(part * size, (part + 1) * size);
      const { kept } = await this.#ask("doc_snapshot", { ...at, part, parts, ...bodyOf(piece) });
      if (typeof kept === "boolean") return kept;
    }
    return false;
  }

  /** Tells the others what the user does; resolves when it is on its way. */
  async awareness(data: Uint8Array, last: boolean): Promise<void> {
    const sealed = this.#key === undefined ? data : await this.#seal("awareness", data);
    const payload = { channel: this.#channel, data: toBase64(sealed) };
    // The last word goes on the lane: as a datagram it might come after the end.
    if (last) this.#port().send("doc_awareness", payload);
    else this.#port().sendEphemeral("doc_awareness", payload);
  }

  /** Whether an operation of that id was sent here; it is forgotten with the answer. */
  isOwn(id: string): boolean {
    return this.#own.delete(id);
  }

  /** Takes an answer; false when it answers nothing here. */
  settle(re: string | undefined, answer: Payload | SkeinError): boolean {
    const asked = re === undefined ? undefined : this.#asked.get(re);
    if (asked === undefined) return false;
    this.#asked.delete(re!);
    if (answer instanceof SkeinError) asked.reject(answer);
    else asked.resolve(answer);
    return true;
  }

  /** Nothing that was asked will be answered. */
  abort(error: SkeinError): void {
    for (const re of [...this.#asked.keys()]) this.settle(re, error);
  }

  /** The document is closed: nothing is asked any more. A snapshot may still be in the making. */
  end(error: SkeinError): void {
    this.#ended = error;
    this.abort(error);
  }

  #publish(data: Uint8Array): Promise<Receipt> {
    const size = this.#room(), count = Math.ceil(data.length / size) || 1;
    const op = uuidv7();
    const publishings = Array.from({ length: count }, (_, index) => {
      const piece = bodyOf(data.subarray(index * size, (index + 1) * size));
      const part: { part?: Part } = count === 1 ? {} : { part: { op, index, count } };
      return {
        type: "doc_op" as const,
        id: uuidv7(),
        payload: { channel: this.#channel, ...piece, ...part },
      };
    });
    // An operation has the id of its last part.
    const { id } = publishings.at(-1)!;
    this.#own.add(id);
    return handled(this.#published(publishings, id));
  }

  async #published(publishings: readonly Publishing[], id: string): Promise<Receipt> {
    try {
      const receipts = await Promise.all(this.#port().publish(publishings));
      return receipts.at(-1)!;
    } catch (error) {
      this.#own.delete(id);
      // The server waits for an operation that will not come, unless it was never sent.
      if (error instanceof SkeinError && error.temporary && error.error !== "outbox_full") this.#givenUp();
      throw error;
    }
  }

  /** Bytes of `data` that fit a message as base64. */
  #room(): number {
    return Math.max(1, Math.floor((this.#port().maxMessage - AROUND) * 3 / 4));
  }

  #seal(kind: SealedKind, data: Uint8Array): Promise<Uint8Array> {
    return this.#key === undefined ? Promise.resolve(data) : this.#key.seal(kind, this.#channel, data);
  }

  #ask(type: string, payload: Payload): Promise<Payload> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const { promise, resolve, reject } = deferred<Payload>();
    const id = this.#port().send(type, { channel: this.#channel, ...payload });
    if (id === undefined) {
      return Promise.reject(SkeinError.temporary("connection_lost", "not connected"));
    }
    const cancel = this.#clock.after(
      SNAPSHOT_PATIENCE,
      () => this.settle(id, SkeinError.temporary("timeout", `no answer to ${type}`)),
    );
    this.#asked.set(id, {
      resolve(answer) {
        cancel();
        resolve(answer);
      },
      reject(error) {
        cancel();
        reject(error);
      },
    });
    return promise;
  }
}

function bodyOf(data: Uint8Array): { data: string; checksum: number } {
  return { data: toBase64(data), checksum: crc32(data) };
}
