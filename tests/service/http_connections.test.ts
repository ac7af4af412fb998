import assert from "node:assert/strict";
import fc from "fast-check";
import { createConnection, type Socket } from "node:net";
import { AcceptWatch } from "../../src/service/http/accept_watch.ts";
import { ConnectionPool, type Pooled, type Stage } from "../../src/service/http/connection_pool.ts";
import { countFree, DescriptorReserve, planDescriptors } from "../../src/service/http/descriptors.ts";
import { startHttp } from "../../src/service/http/serve.ts";
import { startTestService } from "../support/service.ts";

function pool(limits: { total?: number; perAddress?: number; hasDescriptor?: () => boolean } = {}) {
  const closed: string[] = [], refused: string[] = [];
  const made = new ConnectionPool({
    limits: () => ({ total: limits.total ?? Infinity, perAddress: limits.perAddress ?? Infinity }),
    hasDescriptor: limits.hasDescriptor ?? (() => true),
    refused: (reason, address) => refused.push(`${reason} ${address}`),
  });
  const enter = (name: string, address: string | undefined = "a") =>
    made.enter(address, address ?? "proxy", () => closed.push(name));
  return { pool: made, enter, closed, refused };
}

Deno.test("http connections: of an address above its bound the oldest that waits gives way", () => {
  const { enter, closed, refused } = pool({ perAddress: 2 });
  enter("first")!.become("answering");
  enter("second");
  assert.ok(enter("third"));
  assert.ok(enter("other", "b"));
  assert.deepEqual([closed, refused], [["second"], ["address a"]]);
});

Deno.test("http connections: of an address that is answered on all of its own a new one is refused", () => {
  const { enter, closed } = pool({ perAddress: 1 });
  enter("first")!.become("answering");
  assert.equal(enter("second"), undefined);
  assert.deepEqual(closed, []);
});

Deno.test("http connections: WebSockets do not count for the bound of an address here", () => {
  const { enter, closed } = pool({ perAddress: 1 });
  enter("first")!.become("stranger");
  enter("second")!.become("member");
  assert.ok(enter("third"));
  assert.deepEqual(closed, []);
});

Deno.test("http connections: a trusted proxy has no bound of its own", () => {
  const { pool: made } = pool({ perAddress: 1 });
  for (let i = 0; i < 5; i++) assert.ok(made.enter(undefined, "proxy", () => assert.fail("closed")));
});

Deno.test("http connections: when all are taken, who waits gives way first, then strangers, and members never", () => {
  const { enter, closed } = pool({ total: 4 });
  enter("member")!.become("member");
  enter("answered")!.become("answering");
  enter("stranger")!.become("stranger");
  enter("waiting");
  const next = (name: string, stage: Stage) => enter(name)?.become(stage);
  next("a", "member");
  next("b", "member");
  next("c", "member");
  assert.deepEqual(closed, ["waiting", "stranger", "answered"]);
  assert.equal(enter("d"), undefined);
});

Deno.test("http connections: without a free descriptor the oldest gives way", () => {
  let free = true;
  const { enter, closed, refused } = pool({ hasDescriptor: () => free });
  enter("first");
  free = false;
  enter("second");
  assert.deepEqual([closed, refused], [["first"], ["descriptors a"]]);
});

Deno.test("http connections: the pool agrees with a model, whatever happens", () => {
  const step = fc.record({
    what: fc.constantFrom("enter", "waiting", "answering", "stranger", "member", "leave"),
    address: fc.constantFrom("a", "b", undefined),
    which: fc.nat(20),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const live = new Map<Pooled, { address: string | undefined; stage: Stage }>();
      const made = new ConnectionPool({
        limits: () => ({ total: 6, perAddress: 3 }),
        hasDescriptor: () => true,
        refused: () => {},
      });
      for (const { what, address, which } of steps) {
        const known = [...live.keys()][which % Math.max(1, live.size)];
        if (what === "enter") {
          let entry: Pooled | undefined = undefined;
          entry = made.enter(address, "x", () => live.delete(entry!));
          if (entry !== undefined) live.set(entry, { address, stage: "waiting" });
        } else if (known !== undefined && what === "leave") {
          known.leave();
          live.delete(known);
        } else if (known !== undefined) {
          const now = live.get(known)!.stage;
          // A WebSocket never becomes an ordinary connection again.
          if (now === "member" || (now === "stranger" && what !== "member")) continue;
          known.become(what as Stage);
          live.set(known, { address: live.get(known)!.address, stage: what as Stage });
        }
        assert.equal(made.size, live.size);
        assert.ok(made.size <= 6);
        for (const  of of["a", "b"]) {
          const plain = [...live.values()].filter(({ address, stage }) =>
            address === of && (stage === "waiting" || stage === "answering")
          );
          assert.ok(plain.length <= 3);
        }
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("descriptors: the reserve is given up one by one, and filled again", () => {
  let free = 6;
  const reserve = new DescriptorReserve(4, {
    open() {
      if (free === 0) throw new Error("EMFILE");
      return free--;
    },
    close: () => free++,
  });
  assert.equal(reserve.hasRoom(), true);
  assert.deepEqual([reserve.held, free], [4, 2]);
  free = 0;
  assert.equal(reserve.hasRoom(), false);
  assert.deepEqual([reserve.held, free], [3, 1]);
  free = 5;
  assert.equal(reserve.hasRoom(), true);
  reserve.close();
  assert.deepEqual([reserve.held, free], [0, 8]);
});

Deno.test("descriptors: what is free is counted, and given back", () => {
  let free = 5;
  const ops = {
    open() {
      if (free === 0) throw new Error("EMFILE");
      return free--;
    },
    close: () => void free++,
  };
  assert.deepEqual([countFree(3, ops), countFree(9, ops), free], [3, 5, 5]);
});

Deno.test("descriptors: connections leave room for the backlog and for what else is opened", () => {
  assert.deepEqual(planDescriptors(100_000, 12_000), { connections: 12_000, backlog: 511 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 10, max: 20_000 }), (free, wanted) => {
      const { connections, backlog } = planDescriptors(free, wanted);
      assert.ok(connections >= 1 && connections <= wanted);
      if (free > 96) assert.ok(connections + 2 * backlog + 24 <= free);
    }),
    { numRuns: 300 },
  );
});

Deno.test("accepting: a listener that accepts is left alone, one that does not is started again", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let restarts = 0;
  const watch = new AcceptWatch({
    where: () => listener.addr,
    restart: () => Promise.resolve(void restarts++),
  });
  // The system takes the connection, but nobody accepts it.
  assert.equal(await watch.check(100), true);
  assert.equal(restarts, 1);
  watch.accepted();
  assert.equal(await watch.check(100), false);
  const accepting = (async () => {
    for await (const connection of listener) {
      watch.accepted();
      connection.close();
    }
  })();
  assert.equal(await watch.check(5000), false);
  assert.equal(restarts, 1);
  listener.close();
  await accepting;
});

Deno.test("accepting: a listener that ends while it is tried is not started again", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let restarts = 0;
  const watch = new AcceptWatch({
    where: () => listener.addr,
    restart: () => Promise.resolve(void restarts++),
  });
  let isChecking = true;
  const checked = watch.check(60_000).finally(() => isChecking = false);
  await watch.close();
  assert.equal(isChecking, false, "nothing is under way any more");
  assert.equal(await checked, false);
  assert.equal(await watch.check(), false);
  assert.equal(restarts, 0);
});

Deno.test("http: a server that was closed while it is tried does not listen again", async () => {
  // Whether the connection is there, and accepted, differs from time to time.
  for (let times = 0; times < 30; times++) {
    const server = await startHttp({ hostname: "127.0.0.1", port: 0, handler: () => new Response("x") });
    let isChecking = true;
    const checked = server.checkAccepting().finally(() => isChecking = false);
    if (times % 3 > 0) await new Promise((resolve) => setTimeout(resolve, times));
    await server.close(0);
    assert.equal(isChecking, false);
    assert.equal(await checked, false);
  }
});

Deno.test("http: too many requests at once on a connection end it", async () => {
  const server = await startHttp({
    hostname: "127.0.0.1",
    port: 0,
    handler: () => new Promise(() => {}),
  });
  const socket = createConnection(server.address);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {});
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(9));
  await closed;
  await server.close(0);
});

Deno.test("http: a client that says nothing is cut like one whose head does not end", async () => {
  const server = await startHttp({
    hostname: "127.0.0.1",
    port: 0,
    headTimeout: 500,
    handler: () => new Response("x"),
  });
  try {
    for (const said of ["", "GET / HTTP/1.1\r\nHost: a\r\n"]) {
      const socket = await opened(server.address.port);
      let answer = "";
      socket.on("data", (chunk) => answer += chunk);
      // Within 30 s any silent socket is ended, without a word.
      const closed = new Promise((resolve) => socket.once("close", resolve));
      if (said !== "") socket.write(said);
      await closed;
      assert.match(answer, /^HTTP\/1.1 408 /, JSON.stringify(said));
    }
  } finally {
    await server.close(0);
  }
});

async function opened(port: number): Promise<Socket> {
  const socket = createConnection({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

Deno.test("http: idle connections of an address keep nobody of it out", async () => {
  const service = await startTestService({ http: { perIp: { connections: 3 } } });
  try {
    const { port } = service.service.addresses.http;
    const idle: Socket[] = [];
    for (let i = 0; i < 6; i++) idle.push(await opened(port));
    const answer = await fetch(`${service.url}/healthz`);
    assert.equal(await answer.text(), "ok\n");
    const pair = await service.connect("websocket", "ann");
    const stats = await service.stats();
    assert.ok(stats.http.refused.address >= 3, JSON.stringify(stats.http));
    assert.equal(stats.http.connections.member, 1);
    assert.ok(service.lines.some(({ event }) => event === "http connection limit"));
    await pair.close();
    for (const socket of idle) socket.destroy();
  } finally {
    await service.stop();
  }
});
