/**
 * The cost of keeping messages in a database. The bare side is the memory engine.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import type { Engine, MaybePromise } from "../../../src/engine/contract.ts";
import { MemoryEngine } from "../../../src/engine/memory/engine.ts";
import { SqliteEngine } from "../../../src/engine/sqlite/engine.ts";
import { OFFSET_BITS } from "../../../src/engine/sqlite/schema.ts";
import { DEFAULT_NAMESPACE, Hub } from "../../../src/hub/mod.ts";
import type { StateKey } from "../../../src/router/types.ts";
import type { ConfigInput } from "../../support/config.ts";
import { many } from "../bare/measure.ts";
import { clock } from "../child.ts";
import { type Measure, measureTrips } from "../scenario.ts";
import { dial, type Dialled, framed, frames, type Kind, tokenOf } from "./dial.ts";
import { pipelined, roundTrip, startSkein } from "./measure.ts";

const RETENTION = { size: 1000, age: 86_400_000 };
/** Clients that resume, over how many channels, and how far behind. */
const RESUME = { clients: 10_000, channels: 100, behind: 20 };

/** An engine's kind. */
export type EngineKind = "sqlite" | "memory";

async function withPath<T>(body: (path: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-" });
  try {
    return await body(`${directory}/skein.db`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function withEngine<T>(kind: EngineKind, body: (engine: Engine) => Promise<T>): Promise<T> {
  if (kind === "memory") return await body(new MemoryEngine());
  return await withPath(async (path) => {
    const engine = await SqliteEngine.open({ path });
    try {
      return await body(engine);
    } finally {
      engine.close();
    }
  });
}

function sqliteAt(path: string): ConfigInput {
  return { engine: { kind: "sqlite", sqlite: { path } } };
}

/** 1 KB messages on one connection, sent without waiting and acknowledged after their commit; how many a second. */
export function durablePipelined(kind: Kind): Promise<Measure> {
  return withPath((path) => pipelined(kind, 1024, 60_000, sqliteAt(path)));
}

/** How much longer one publish on an idle service takes than with the memory engine: the median in microseconds. */
export function durableDelay(kind: Kind): Promise<Measure> {
  return withPath(async (path) => {
    const memory = await roundTrip(kind, "publish");
    const durable = await roundTrip(kind, "publish", sqliteAt(path));
    return { value: durable.value - memory.value };
  });
}

async function publish(engine: Engine, channel: string, count: number, bytes: number): Promise<void> {
  const text = "a".repeat(bytes);
  const results: MaybePromise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    const record = {
      type: "chat_message",
      id: `m${i}`,
      from: "ann",
      timestamp: Date.now(),
      payload: { text },
    };
    results.push(engine.log.publish(channel, record, { retention: RETENTION }));
  }
  await Promise.all(results);
}

/** The last 100 messages of 1 KB of one of many channels, which is not in memory; microseconds. */
export function history(kind: EngineKind): Promise<Measure> {
  return withEngine(kind, async (engine) => {
    const channels = Array.from({ length: 500 }, (_, i) => `chat:${i}`);
    for (const channel of channels) await publish(engine, channel, 200, 850);
    let at = 0;
    const read = () => {
      const page = engine.log.read(channels[at++ % channels.length]!, { limit: 100, reverse: true });
      return Promise.resolve(page);
    };
    return await measureTrips(read, { trips: 2000, warmUp: 500 });
  });
}

/** Sessions that come back to a hub, each 20 messages behind on one of 100 channels; how many a second. */
export function resumeAtHub(kind: EngineKind): Promise<Measure> {
  return withEngine(kind, async (engine) => {
    const hub = new Hub({ engine, namespace: () => DEFAULT_NAMESPACE });
    const since = await fall(engine);
    let delivered = 0;
    const rights = new Set<never>();
    const start = performance.now();
    for (let i = 0; i < RESUME.clients; i++) {
      const client = {
        sessionId: `s${i}`,
        connectionId: `c${i}`,
        transport: "none",
        connectedAt: 0,
        principal: { userId: `u${i}`, expiresAt: Infinity, subscribe: ["*"], publish: ["*"], rights },
        limits: { maxMessage: 65_536 },
        closed: new AbortController().signal,
        send: () => void delivered++,
        ready: () => undefined,
        state: (key: StateKey<never>) => key.create(),
        report: () => {},
      };
      const [channel, position] = since[i % since.length]!;
      (await hub.attach(client, { [channel]: position })).start();
    }
    const seconds = (performance.now() - start) / 1000;
    if (delivered < RESUME.clients * RESUME.behind) throw new Error(`only ${delivered} were delivered`);
    return { value: RESUME.clients / seconds };
  });
}

/** Publishes to all channels what clients miss who stood at the positions returned. */
async function fall(engine: Engine): Promise<[string, { epoch: string; offset: number }][]> {
  const since: [string, { epoch: string; offset: number }][] = [];
  for (let i = 0; i < RESUME.channels; i++) {
    const channel = `chat:${i}`;
    await publish(engine, channel, 100, 128);
    since.push([channel, await engine.log.position(channel)]);
    await publish(engine, channel, RESUME.behind, 128);
  }
  return since;
}

/**
 * The same over WebSockets that are open: the time from the first `auth_request` to the last missed message. It includes
 * the verification of tokens and the processor time of the client.
 */
export function resume(kind: EngineKind): Promise<Measure> {
  return withPath(async (path) => {
    // Without `joinLeave`: 10,000 joins would be half a million messages.
    const namespaces = { default: { joinLeave: false } };
    await using server = await startSkein({ namespaces, ...(kind === "memory" ? {} : sqliteAt(path)) });
    const publisher = await dial(server, "websocket", "bob");
    const positions: Record<string, unknown>[] = [];
    for (let i = 0; i < RESUME.channels; i++) {
      const channel = `chat:${i}`;
      const { epoch, offset } = await say(publisher, channel);
      positions.push({ [channel]: { epoch, offset } });
      for (let j = 0; j < RESUME.behind; j++) await say(publisher, channel);
    }
    const hellos: string[] = [];
    for (let i = 0; i < RESUME.clients; i++) {
      const resume = { sessionId: `none-${i}`, channels: positions[i % positions.length] };
      const payload = { token: await tokenOf(`u${i}`), batch: true, resume };
      hellos.push(JSON.stringify({ type: "auth_request", id: `a${i}`, timestamp: Date.now(), payload }));
    }
    const sockets = await many(RESUME.clients, () => openSocket(server.hello.httpPort));
    let left = RESUME.clients;
    const last = Promise.withResolvers<number>();
    const started = clock();
    sockets.forEach((socket, i) => {
      // The answer, and what was missed.
      let wanted = RESUME.behind + 1;
      socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
        if (typeof data === "string") wanted--;
        else frames(new Uint8Array(data), () => wanted--);
        if (wanted === 0 && --left === 0) last.resolve(clock());
      };
      socket.onclose = () => last.reject(new Error("a connection ended"));
      socket.send(hellos[i]!);
    });
    return { value: RESUME.clients / (await last.promise - started) * 1000 };
  });
}

/** Publishes a message and waits for what the service says. */
function say(publisher: Dialled, channel: string): Promise<{ epoch: string; offset: number }> {
  return new Promise((resolve, reject) => {
    publisher.onFrame = (frame) => {
      resolve(JSON.parse(typeof frame === "string" ? frame : new TextDecoder().decode(frame)).payload);
    };
    const message = framed("chat_message", { channel, text: "a".repeat(128) });
    Promise.resolve(publisher.send(message)).catch(reject);
  });
}

async function openSocket(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("a WebSocket did not open"));
  });
  return socket;
}

/** How the service starts with 100,000 channels of 100 messages: milliseconds until it listens, and kilobytes it has then. */
export function startWith(channels = 100_000, messages = 100): Promise<{ time: number; memory: number }> {
  return withPath(async (path) => {
    await build(path, channels, messages);
    const started = clock();
    await using server = await startSkein(sqliteAt(path));
    return { time: clock() - started, memory: await server.memory() / 1024 };
  });
}

/** Writes the rows that so many publishes would have left. */
async function build(path: string, channels: number, messages: number): Promise<void> {
  (await SqliteEngine.open({ path })).close();
  const db = new DatabaseSync(path);
  try {
    const now = Date.now();
    db.exec("PRAGMA synchronous = OFF; BEGIN");
    db.exec(`
      WITH RECURSIVE c(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM c WHERE id < ${channels})
      INSERT INTO channel
        SELECT id, 'chat:' || id, 'epoch', ${messages}, 1, 1, 1000, 86400000, ${now}, ${now} + 86400000 FROM c;
      WITH RECURSIVE m(offset) AS (SELECT 1 UNION ALL SELECT offset + 1 FROM m WHERE offset < ${messages})
      INSERT INTO message
        SELECT (id << ${OFFSET_BITS}) + offset, ${now}, '["chat_message","m","ann",{"text":"what somebody said"}]'
        FROM channel CROSS JOIN m ORDER BY id, offset;
      COMMIT;
    `);
  } finally {
    db.close();
  }
}
