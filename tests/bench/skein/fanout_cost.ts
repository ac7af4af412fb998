/**
 * What a delivery costs the server: its processor time divided by the deliveries that came, which does not depend on how
 * fast the bench's own client is.
 *
 * @module
 */

import type { ConfigInput } from "../../support/config.ts";
import { many, until } from "../bare/measure.ts";
import type { Measure } from "../scenario.ts";
import { dial, type Dialled, exchange, framed, type Kind } from "./dial.ts";
import { startSkein } from "./measure.ts";

const CHANNEL = "chat:bench";
/** Milliseconds before the measurement, and of it. */
const WARM_UP = 3000, WATCH = 4000;

/** Who publishes: so many clients, each with so many messages on their way. */
export interface Publishers {
  readonly clients: number;
  readonly window: number;
}

/** Microseconds of the server's processor a delivery of 128 bytes, publishers and acknowledgements included. */
export async function fanOutCost(
  kind: Kind,
  subscribers: number,
  publishers: Publishers,
  over?: ConfigInput,
): Promise<Measure> {
  await using server = await startSkein(over);
  let deliveries = 0;
  // Each on a UDP socket of its own, as clients are: one for all would drop what comes for hundreds at once.
  for (const client of await many(subscribers, () => dial(server, kind, "ann"))) {
    await exchange(client, framed("subscribe", { channel: CHANNEL }));
    client.onFrame = () => void deliveries++;
  }
  const stop = new AbortController();
  const clients = await many(publishers.clients, () => dial(server, kind, "bob"));
  const publishing = clients.map((client) => publish(client, publishers.window, stop.signal));
  await new Promise((resolve) => setTimeout(resolve, WARM_UP));
  const used = await server.processorTime(), before = deliveries;
  await new Promise((resolve) => setTimeout(resolve, WATCH));
  const value = (await server.processorTime() - used) * 1e6 / (deliveries - before);
  stop.abort();
  await Promise.all(publishing);
  return { value };
}

/** The same with messages that are kept in a database. */
export async function durableFanOutCost(
  kind: Kind,
  subscribers: number,
  publishers: Publishers,
): Promise<Measure> {
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-" });
  try {
    const engine = { kind: "sqlite", sqlite: { path: `${directory}/skein.db` } } as const;
    return await fanOutCost(kind, subscribers, publishers, { engine });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Publishes with `window` messages on their way until `signal`, and then waits for the last acknowledgements. */
async function publish(client: Dialled, window: number, signal: AbortSignal): Promise<void> {
  let left = 0;
  let wake = () => {};
  client.onFrame = () => {
    left--;
    wake();
  };
  while (!signal.aborted) {
    while (left < window) {
      left++;
      await client.send(framed("chat_message", { channel: CHANNEL, text: "a".repeat(128) }));
    }
    await new Promise<void>((resolve) => wake = resolve);
  }
  await until(() => Promise.resolve(left === 0));
}
