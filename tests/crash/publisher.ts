/**
 * A client that publishes as fast as it gets acknowledgements, and remembers which messages have one.
 *
 * @module
 */

import type { Place } from "./server.ts";

/** Messages on their way at once. */
const WINDOW = 200;
/** Milliseconds an answer may take on a machine that is busy. */
const LIMIT = 30_000;

/** A message that was sent; `offset` once it was acknowledged. */
export interface Sent {
  readonly id: string;
  readonly channel: string;
  offset: number | undefined;
}

/** What a channel keeps of a message. */
export interface Kept {
  readonly id: string;
  readonly offset: number;
  readonly prev: number;
}

// deno-lint-ignore no-explicit-any -- whatever the service says
type Answer = Record<string, any>;

/** An authenticated WebSocket. */
export class Publisher {
  readonly #socket: WebSocket;
  readonly #answers = new Map<string, (answer: Answer) => void>();
  readonly #ended = Promise.withResolvers<void>();
  #unacknowledged = 0;
  #room = () => {};
  /** Resolves when the connection is gone. */
  readonly ended: Promise<void> = this.#ended.promise;
  /** The connection is gone. */
  isEnded = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const answer = JSON.parse(data);
      const take = this.#answers.get(answer.re);
      this.#answers.delete(answer.re);
      take?.(answer);
    };
    socket.onclose = () => {
      this.isEnded = true;
      this.#room();
      this.#ended.resolve();
    };
  }

  /** Connects and authenticates. */
  static async open({ port, token }: Place): Promise<Publisher> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("the WebSocket did not open"));
    });
    socket.onerror = null;
    const publisher = new Publisher(socket);
    await publisher.ask("auth_request", { token });
    return publisher;
  }

  /** Asks and waits for the answer. */
  async ask(type: string, payload: Answer, id: string = crypto.randomUUID()): Promise<Answer> {
    const answer = Promise.withResolvers<Answer>();
    this.#answers.set(id, answer.resolve);
    this.#send(type, id, payload);
    const gone = this.ended.then((): never => {
      throw new Error(`the connection ended before ${type} was answered`);
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${type} was not answered within ${LIMIT} ms`)), LIMIT);
    });
    try {
      const { type: name, payload: body } = await Promise.race([answer.promise, gone, late]);
      if (name === "error") throw new Error(`${type} was answered with ${body.name}: ${body.message}`);
      return body;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends messages until there are no more or the connection is gone; each learns its offset when it is acknowledged. */
  async publish(messages: Iterable<Sent>): Promise<void> {
    for (const sent of messages) {
      if (this.#unacknowledged >= WINDOW && !this.isEnded) {
        await new Promise<void>((resolve) => this.#room = resolve);
      }
      if (this.isEnded) return;
      this.#unacknowledged++;
      this.#answers.set(sent.id, ({ type, payload }) => {
        if (type !== "message_ack") {
          throw new Error(`${sent.id} was answered with ${type}: ${payload.message}`);
        }
        if (sent.offset !== undefined && sent.offset !== payload.offset) {
          throw new Error(`${sent.id} is at offset ${sent.offset} and at ${payload.offset}`);
        }
        sent.offset = payload.offset;
        if (--this.#unacknowledged <= WINDOW / 2) this.#room();
      });
      this.#send("chat_message", sent.id, { channel: sent.channel, text: `the text of ${sent.id}` });
    }
    while (this.#unacknowledged > 0 && !this.isEnded) {
      await new Promise<void>((resolve) => this.#room = resolve);
    }
  }

  /** All that `channel` keeps after an offset. */
  async history(channel: string, since: number): Promise<{ epoch: string; offset: number; kept: Kept[] }> {
    const kept: Kept[] = [];
    for (;;) {
      const from = kept.at(-1)?.offset ?? since;
      const page = await this.ask("history", { channel, since: from, limit: 1000 });
      if (!page.complete) throw new Error(`${channel}: messages after ${from} are not kept any more`);
      kept.push(...page.messages);
      if (!page.more) return { epoch: page.epoch, offset: page.offset, kept };
    }
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    this.#socket.close();
    await this.ended;
  }

  #send(type: string, id: string, payload: Answer): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ type, id, timestamp: Date.now(), payload }));
  }
}
