/**
 * The scenarios of the client with the SDK and the service.
 *
 * @module
 */

import { type ClientOptions, SkeinClient } from "../../../src/client/mod.ts";
import { NativeQuicTransport, QuicEndpoint } from "../../../src/client/native.ts";
import type { Environment, EnvironmentEvent } from "../../../src/client/environment.ts";
import type { Child } from "../child.ts";
import type { Measure } from "../scenario.ts";
import { tokenOf } from "../skein/dial.ts";
import { startSkein } from "../skein/measure.ts";
import { type Kind, measureOnes, type Ports, processorPer, startPath, startPublisher } from "./bare.ts";
import { bursts, CHANNEL, MESSAGES, TEXT } from "./traffic.ts";

/** Milliseconds QUIC is dialled alone: the SDK's own default. */
const HEAD_START = 500;

/** Options of a client that finds the service through `ports`. */
function optionsOf(kind: Kind, { quicPort, httpPort }: Ports, hash: string, token: string): ClientOptions {
  return {
    quicUrl: kind === "quic"
      ? `quic://127.0.0.1:${quicPort}`
      : `https://127.0.0.1:${quicPort}/connection/webtransport`,
    websocketUrl: `ws://127.0.0.1:${httpPort}/connection/websocket`,
    certificateHashes: [hash],
    enableQuic: kind !== "websocket",
    token,
    probing: false,
  };
}

/** From `new SkeinClient` to the first message acknowledged, milliseconds; the transport has to be `kind`. */
async function firstOf(kind: Kind, options: ClientOptions): Promise<number> {
  const begun = performance.now();
  const client = new SkeinClient(options);
  await client.channel(CHANNEL).publish(TEXT);
  const took = performance.now() - begun;
  const transport = client.manager.getTransportType();
  await client.close();
  if (transport !== kind) throw new Error(`on ${transport}, not ${kind}`);
  return took;
}

/** From nothing to the first message acknowledged, milliseconds. */
export async function firstMessage(kind: Kind, rtt: number): Promise<Measure> {
  await using server = await startSkein();
  await using path = rtt > 0 ? await startPath(server, rtt) : undefined;
  const token = await tokenOf("ann");
  const options = optionsOf(kind, (path ?? server).hello as Ports, server.hello.hash, token);
  return await measureOnes(() => firstOf(kind, options), rtt > 0 ? 7 : 20);
}

/** The same where UDP is dropped, without the head start. */
export async function firstMessageWithoutUdp(rtt: number): Promise<Measure> {
  await using server = await startSkein();
  await using path = await startPath(server, rtt);
  await path.ask({ blackHole: true });
  const token = await tokenOf("ann");
  const options = optionsOf("webtransport", path.hello as Ports, server.hello.hash, token);
  return await measureOnes(async () => await firstOf("websocket", options) - HEAD_START, 7);
}

/** From the loss of a raw QUIC connection to the first message acknowledged on the next, milliseconds. */
export async function resume(rtt: number): Promise<Measure> {
  await using server = await startSkein();
  await using path = await startPath(server, rtt);
  const { hash } = server.hello;
  const endpoint = new QuicEndpoint();
  let current: NativeQuicTransport | undefined;
  const client = new SkeinClient({
    ...optionsOf("quic", path.hello as Ports, hash, await tokenOf("ann")),
    enableWebSocket: false,
    // Each loss counts as the first one, so that the wait does not grow.
    healthyAfter: 0,
    parts: {
      transports: {
        quic: () =>
          current = new NativeQuicTransport(
            `quic://127.0.0.1:${path.hello.quicPort}`,
            { certificateHashes: [Uint8Array.fromBase64(hash)] },
            endpoint,
          ),
      },
    },
  });
  const channel = client.channel(CHANNEL);
  await channel.subscribe();
  await channel.publish(TEXT);
  const session = client.manager.sessionId;
  const measure = await measureOnes(async () => {
    // The ticket for early data comes after the handshake.
    await new Promise((resolve) => setTimeout(resolve, 2 * rtt));
    let begun = 0;
    const acknowledged = new Promise<void>((resolve, reject) => {
      const off = client.on("disconnected", () => {
        off();
        begun = performance.now();
        channel.publish(TEXT).then(() => resolve(), reject);
      });
    });
    void current!.close(0, "lost");
    await acknowledged;
    return performance.now() - begun;
  }, 7);
  if (client.manager.sessionId !== session) throw new Error("the session was not resumed");
  await client.close();
  endpoint.close();
  return measure;
}

/**
 * The longest silence around a move of the session, in milliseconds, with traffic in both directions; the pace of the
 * traffic is subtracted. Throws when a message is lost or comes twice.
 */
export async function silence(to: "webtransport" | "websocket", rtt: number): Promise<Measure> {
  await using server = await startSkein();
  await using path = await startPath(server, rtt);
  await using other = await startPublisher(server);
  const token = await tokenOf("ann");
  return await measureOnes(() => oneMove(to, rtt, server, path, other, token), 3);
}

const EVERY = 5;

async function oneMove(
  to: "webtransport" | "websocket",
  rtt: number,
  server: Child,
  path: Child,
  other: Child,
  token: string,
): Promise<number> {
  const up = to === "webtransport";
  await path.ask({ blackHole: up });
  const environment = new Surroundings();
  const client = new SkeinClient({
    ...optionsOf("webtransport", path.hello as Ports, server.hello.hash, token),
    probing: up ? { first: 500, max: 500 } : false,
    // With this setting one change of network makes the session move to WebSocket.
    quality: up ? {} : { changes: 1 },
    parts: { environment },
  });
  const heard: { text: string; at: number }[] = [];
  const channel = client.channel(CHANNEL);
  await channel.subscribe(({ text }) => heard.push({ text: text!, at: performance.now() }));
  const acks: number[] = [];
  const receipts: Promise<unknown>[] = [];
  let own = 0;
  const talk = setInterval(() => {
    receipts.push(channel.publish(`ann ${own++}`).then(() => acks.push(performance.now())));
  }, EVERY);
  const { said: before } = await other.ask({ every: EVERY });
  await pause(10 * rtt);
  const moved = new Promise<number>((resolve) =>
    client.on("transportchange", () => resolve(performance.now()))
  );
  if (up) await path.ask({ blackHole: false });
  else environment.tell("network");
  const at = await moved;
  await pause(10 * rtt);
  clearInterval(talk);
  const { said: after } = await other.ask({});
  await Promise.all(receipts);
  await pause(4 * rtt);
  await client.close();
  const texts = (who: string) => heard.map(({ text }) => text).filter((text) => text.startsWith(who)).join();
  const wanted = (who: string, from: number, until: number) =>
    Array.from({ length: until - from }, (_, i) => `${who} ${from + i}`).join();
  if (texts("ann") !== wanted("ann", 0, own) || texts("bob") !== wanted("bob", before, after)) {
    throw new Error("messages were lost, doubled or out of order");
  }
  const theirs = heard.filter(({ text }) => text.startsWith("bob")).map(({ at }) => at);
  return Math.max(longestGap(theirs, at, rtt), longestGap(acks, at, rtt)) - EVERY;
}

/** The longest time between neighbours, within three round trips of the move. */
function longestGap(times: readonly number[], at: number, rtt: number): number {
  let longest = 0;
  for (let i = 1; i < times.length; i++) {
    if (times[i]! < at - 3 * rtt || times[i - 1]! > at + 3 * rtt) continue;
    longest = Math.max(longest, times[i]! - times[i - 1]!);
  }
  return longest;
}

/** Surroundings whose network changes when the scenario says so. */
class Surroundings implements Environment {
  #tell: (event: EnvironmentEvent) => void = () => {};
  online = () => true;
  network = () => "bench";
  watch(fn: (event: EnvironmentEvent) => void): () => void {
    this.#tell = fn;
    return () => this.#tell = () => {};
  }
  tell(event: EnvironmentEvent): void {
    this.#tell(event);
  }
}

/** Receives messages that another client publishes in bursts: processor time of this process for each. */
export async function receiving(kind: Kind): Promise<Measure> {
  await using server = await startSkein();
  await using other = await startPublisher(server);
  const client = await join(kind, server);
  let left = 0;
  let finish = () => {};
  await client.channel(CHANNEL).subscribe(() => {
    if (--left === 0) finish();
  });
  const measure = await processorPer(MESSAGES, async (count) => {
    left = count;
    const all = new Promise<void>((resolve) => finish = resolve);
    await other.ask({ messages: count });
    await all;
  });
  await client.close();
  return measure;
}

/** Publishes in bursts, each acknowledged: processor time of this process for each. */
export async function publishing(kind: Kind): Promise<Measure> {
  await using server = await startSkein();
  const client = await join(kind, server);
  const channel = client.channel(CHANNEL);
  const measure = await processorPer(MESSAGES, async (count) => {
    let left = count;
    const all = new Promise<void>((resolve, reject) => {
      const acknowledged = (): void => {
        if (--left === 0) resolve();
      };
      void bursts(count, () => void channel.publish(TEXT).then(acknowledged, reject));
    });
    await all;
  });
  await client.close();
  return measure;
}

async function join(kind: Kind, server: Child): Promise<SkeinClient> {
  const client = new SkeinClient(
    optionsOf(kind, server.hello as Ports, server.hello.hash, await tokenOf("ann")),
  );
  await client.connect();
  const transport = client.manager.getTransportType();
  if (transport !== kind) throw new Error(`on ${transport}, not ${kind}`);
  return client;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
