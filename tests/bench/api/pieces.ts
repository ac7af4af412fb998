/**
 * What streamed messages cost with the database.
 *
 * @module
 */

import type { Child } from "../child.ts";
import type { Measure } from "../scenario.ts";
import { dial, type Dialled, framed } from "../skein/dial.ts";
import { startSkein } from "../skein/measure.ts";

const CONNECTIONS = 8;
const STREAMS = 25;
/** Milliseconds between two pieces of a message, and what a piece says: a language model's pace, and then some. */
const EVERY = 20;
const WORD = "words ";
/** Seconds that are watched. */
const WATCH = 5;

/** 200 messages that grow by 50 pieces a second each, every piece acknowledged after its commit; percent of a core at that pace. */
export async function growing(): Promise<Measure> {
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-" });
  try {
    const path = `${directory}/skein.db`;
    await using server = await startSkein({ engine: { kind: "sqlite", sqlite: { path } } });
    const writers = await Promise.all(
      Array.from({ length: CONNECTIONS }, (_, n) => Writer.start(server, n)),
    );
    const run = async (seconds: number): Promise<void> => {
      const began = performance.now();
      for (let tick = 0; tick < seconds * 1000 / EVERY; tick++) {
        for (const writer of writers) writer.append();
        const rest = began + (tick + 1) * EVERY - performance.now();
        if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
      }
      for (const writer of writers) await writer.answered();
    };
    await run(1);
    const before = await server.processorTime();
    await run(WATCH);
    // By the pieces and not by the time: a machine that is too slow for the pace would look thrifty.
    const value = (await server.processorTime() - before) / WATCH * 100;
    return { value };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

class Writer {
  #waiting = 0;
  #at = 0;
  #told = () => {};

  private constructor(readonly client: Dialled, readonly channel: string, readonly targets: number[]) {
    client.onFrame = (frame) => {
      const text = typeof frame === "string" ? frame : new TextDecoder().decode(frame);
      this.#waiting -= text.split('"message_appended"').length - 1;
      if (text.includes('"error"')) throw new Error(text.slice(0, 300));
      if (this.#waiting === 0) this.#told();
    };
  }

  static async start(server: Child, n: number): Promise<Writer> {
    const client = await dial(server, "websocket", `user${n}`);
    const channel = `chat:bench${n}`;
    const targets: number[] = [];
    for (let i = 0; i < STREAMS; i++) {
      const answer = new Promise<number>((resolve) => {
        client.onFrame = (frame) => {
          const text = typeof frame === "string" ? frame : new TextDecoder().decode(frame);
          resolve(Number(/"offset":(\d+)/.exec(text)?.[1]));
        };
      });
      await client.send(framed("chat_message", { channel, text: "", stream: true }));
      targets.push(await answer);
    }
    return new Writer(client, channel, targets);
  }

  /** A piece for each message. */
  append(): void {
    const { client, channel, targets } = this;
    for (const target of targets) {
      this.#waiting++;
      void client.send(framed("message_append", { channel, target, at: this.#at, text: WORD }));
    }
    this.#at += WORD.length;
  }

  /** Resolves when every piece was acknowledged. */
  answered(): Promise<void> {
    if (this.#waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.#told = resolve);
  }
}
