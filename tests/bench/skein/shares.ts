/**
 * What a ping costs beside a message, and what coalescing costs an idle service.
 *
 * @module
 */

import { type Measure, quantile } from "../scenario.ts";
import { dial, type Dialled, exchange, framed, type Kind } from "./dial.ts";
import { startSkein } from "./measure.ts";

const CHANNEL = "chat:bench";
/** Messages of one kind, and how many are on their way. */
const MESSAGES = 40_000, WINDOW = 320, PER_WRITE = 16;
/** Milliseconds between two messages of an idle service, and how many there are. */
const PAUSE = 2, TRIPS = 600;

/** Processor of a ping in percent of that of a publish of 128 bytes, both sent without waiting for the answer. */
export async function pingShare(kind: Kind): Promise<Measure> {
  await using server = await startSkein();
  const client = await dial(server, kind, "ann");
  const text = "a".repeat(128);
  const ping = () => framed("ping", {});
  const publish = () => framed("chat_message", { channel: CHANNEL, text });
  const cost = async (make: () => Uint8Array<ArrayBuffer>): Promise<number> => {
    await send(client, make, MESSAGES / 4);
    const used = await server.processorTime();
    await send(client, make, MESSAGES);
    return await server.processorTime() - used;
  };
  return { value: await cost(ping) / await cost(publish) * 100 };
}

/** Sends messages, some in each write, and resolves when all are answered. */
async function send(client: Dialled, make: () => Uint8Array<ArrayBuffer>, count: number): Promise<void> {
  let sent = 0, answered = 0;
  let wake = () => {};
  client.onFrame = () => {
    answered++;
    wake();
  };
  while (answered < count) {
    if (sent >= count || sent - answered >= WINDOW) {
      await new Promise<void>((resolve) => wake = resolve);
      continue;
    }
    const messages = Array.from({ length: PER_WRITE }, make);
    const bytes = new Uint8Array(messages.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const message of messages) {
      bytes.set(message, at);
      at += message.length;
    }
    sent += PER_WRITE;
    await client.send(bytes);
  }
}

/** From a publish to its delivery to another client while nothing else happens; `coalesced: false` never holds back. */
export async function idleDelivery(kind: Kind, coalesced: boolean): Promise<Measure> {
  await using server = await startSkein({}, coalesced ? [] : ["uncoalesced"]);
  const [ann, bob] = [await dial(server, kind, "ann"), await dial(server, kind, "bob")];
  await exchange(ann, framed("subscribe", { channel: CHANNEL }));
  const samples: number[] = [];
  for (let i = 0; i < TRIPS; i++) {
    const begun = performance.now();
    const came = new Promise<void>((resolve) => ann.onFrame = () => resolve());
    await bob.send(framed("chat_message", { channel: CHANNEL, text: "a".repeat(128) }));
    await came;
    // The first hundred pay for what the runtime has yet to optimise.
    if (i >= 100) samples.push((performance.now() - begun) * 1_000);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  const p50 = quantile(samples, 0.5);
  return { value: p50, p50, p99: quantile(samples, 0.99) };
}
