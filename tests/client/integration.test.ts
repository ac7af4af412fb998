/** The SDK against the real service: QUIC, fallback, moves, migration, kills. */

import assert from "node:assert/strict";
import { type ClientOptions, SkeinClient } from "../../src/client/mod.ts";
import { fileOutbox, lineFile } from "../../src/client/native.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { converse, crowd, pause, until } from "./crowd.ts";

Deno.test("client: three lines connect, listen and publish, over QUIC", async () => {
  await using people = await crowd();
  const client = people.join("ann");
  const heard = Promise.withResolvers<string>();
  await client.channel("chat:general").subscribe(({ text }) => heard.resolve(text!));
  await client.channel("chat:general").publish("hello");
  assert.equal(await heard.promise, "hello");
  assert.equal(client.manager.getTransportType(), "webtransport");
});

Deno.test("client: presence, history, direct messages, broadcast and the client list answer on every transport", async () => {
  await using people = await crowd();
  const rights = { rights: ["broadcast", "client_list", "direct_message"] };
  const kinds: Partial<ClientOptions>[] = [{ enableWebSocket: false }, { rawQuic: true }, {
    enableQuic: false,
  }];
  const clients = kinds.map((over, i) => {
    const user = `user${i}`;
    return people.join(user, { ...over, getToken: () => people.service.token(user, rights) });
  });
  const heard: string[][] = clients.map((client, i) => {
    const own: string[] = [];
    client.on("direct", ({ from, text }) => own.push(`${from}>${i} ${text}`));
    client.on("broadcast", ({ from, data }) => own.push(`${from}>all ${JSON.stringify(data)}`));
    return own;
  });
  await Promise.all(clients.map((client) => client.channel("chat:x").subscribe()));
  assert.deepEqual(clients.map(({ manager }) => manager.getTransportType()), [
    "webtransport",
    "quic",
    "websocket",
  ]);
  for (const [i, client] of clients.entries()) {
    assert.deepEqual((await client.channel("chat:x").presence()).map(({ userId }) => userId).sort(), [
      "user0",
      "user1",
      "user2",
    ]);
    assert.equal((await client.clientList()).length, 3);
    await client.channel("chat:x").publish({ data: { i } });
    await client.direct(`user${(i + 1) % 3}`, "hi");
  }
  await clients[0]!.broadcast({ data: [1] });
  await until("all heard", () => heard.every((own) => own.length === 2));
  assert.deepEqual(heard[1], ["user0>1 hi", "user0>all [1]"]);
  const { messages } = await clients[2]!.channel("chat:x").history({ reverse: true, limit: 2 });
  assert.deepEqual(messages.map(({ data }) => data), [{ i: 2 }, { i: 1 }]);
});

Deno.test("client: a certificate that is not the server's leads to WebSocket", async () => {
  await using people = await crowd();
  const client = people.join("ann", { certificateHashes: [new Uint8Array(32).toBase64()], probing: false });
  await client.connect();
  assert.equal(client.manager.getTransportType(), "websocket");
  assert.equal(client.manager.measure().fallbacks, 1);
});

Deno.test("client: QUIC switched off and on in the middle of 1,000 messages both ways loses and repeats none", async () => {
  await using people = await crowd();
  const { service } = people;
  const ann = people.join("ann"), bob = people.join("bob");
  await Promise.all([ann.connect(), bob.connect()]);
  const kinds = () => [ann.manager.getTransportType(), bob.manager.getTransportType()];
  assert.deepEqual(kinds(), ["webtransport", "webtransport"]);
  const session = { perIp: { connections: 1000, rate: 10_000, burst: 10_000 } };
  await converse(ann, bob, 1000, async (i) => {
    if (i % 50 === 0) await pause(1);
    if (i === 300) await service.reconfigure({ session, quic: { enabled: false } });
    if (i === 600) {
      await until("both are on WebSocket", () => kinds().every((kind) => kind === "websocket"));
      await service.reconfigure({ session });
    }
    if (i === 900) await until("both are on QUIC", () => kinds().every((kind) => kind === "webtransport"));
  });
});

Deno.test("client: an address that changes under traffic keeps the connection, on WebTransport and on raw QUIC", async () => {
  await using people = await crowd();
  const { service } = people;
  const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
  try {
    const hash = { certificateHashes: [service.certificateHash.toBase64()], enableWebSocket: false };
    const ann = people.join("ann", {
      ...hash,
      quicUrl: `https://127.0.0.1:${proxy.port}/connection/webtransport`,
    });
    const bob = people.join("bob", { ...hash, quicUrl: `quic://127.0.0.1:${proxy.port}` });
    await converse(ann, bob, 300, async (i) => {
      if (i % 60 === 30) proxy.rebind();
      if (i % 20 === 0) await pause(5);
    });
    for (const { manager } of [ann, bob]) assert.equal(manager.measure().reconnects, 0);
  } finally {
    await proxy.close();
  }
});

Deno.test("client: raw QUIC comes back with early data and the same session", async () => {
  await using people = await crowd();
  const client = people.join("ann", { rawQuic: true, enableWebSocket: false });
  const got: string[] = [];
  await client.channel("chat:x").subscribe(({ text }) => got.push(text!));
  for (let i = 0; i < 3; i++) {
    await client.channel("chat:x").publish(`before ${i}`);
    await client.disconnect();
    const waiting = client.channel("chat:x").publish(`while away ${i}`);
    await client.connect();
    await waiting;
  }
  await until("all came", () => got.length === 6);
  assert.deepEqual(got, [0, 1, 2].flatMap((i) => [`before ${i}`, `while away ${i}`]));
});

Deno.test("client: a program that ends with unsent messages in a file sends them when it runs again", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await using people = await crowd();
    const outbox = { storage: fileOutbox(lineFile(`${directory}/outbox`)) };
    const away = people.join("ann", { url: "http://127.0.0.1:9", outbox });
    for (const text of ["one", "two"]) away.channel("chat:x").publish(text).catch(() => {});
    await away.close();
    const got: string[] = [];
    await people.join("bob").channel("chat:x").subscribe(({ text }) => got.push(text!));
    const again = people.join("ann", { outbox: { storage: fileOutbox(lineFile(`${directory}/outbox`)) } });
    await again.connect();
    // `pending` alone would hold as well before the stored messages are loaded.
    await until("all came", () => got.length === 2);
    await until("all is acknowledged", () => again.manager.pending === 0);
    assert.deepEqual(got, ["one", "two"]);
    await again.close();
    assert.equal(
      await Deno.readTextFile(`${directory}/outbox`).then((text) =>
        fileOutbox({
          read: () => Promise.resolve(text),
          append: () => Promise.resolve(),
          replace: () => Promise.resolve(),
        }).load()
      ).then(({ length }) => length),
      0,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("client: a service that is killed and started again finds its clients back, with what they wanted to say", async () => {
  const directory = await Deno.makeTempDir();
  const free = (): number => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    return port;
  };
  const http = free(), quic = free();
  await Deno.writeTextFile(
    `${directory}/skein.jsonc`,
    JSON.stringify({
      http: { hostname: "127.0.0.1", port: http },
      quic: { hostname: "127.0.0.1", port: quic },
      certificates: { directory },
      engine: { sqlite: { path: `${directory}/skein.db` } },
    }),
  );
  const url = `http://127.0.0.1:${http}`;
  const start = async (): Promise<Deno.ChildProcess> => {
    const main = new URL("../../main.ts", import.meta.url).pathname;
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-prompt",
        "--config",
        config,
        "-A",
        main,
        "--config",
        `${directory}/skein.jsonc`,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let i = 0;; i++) {
      try {
        const ready = await fetch(`${url}/readyz`);
        await ready.body?.cancel();
        if (ready.ok) return child;
      } catch {
        // Not yet.
      }
      if (i > 300) throw new Error("the service does not start");
      await pause(50);
    }
  };
  let child = await start();
  const getToken = async (): Promise<string> => {
    const answer = await fetch(`${url}/dev/token`, {
      method: "POST",
      body: JSON.stringify({ user: "ann" }),
      headers: { "content-type": "application/json" },
    });
    return (await answer.json()).token;
  };
  const client = new SkeinClient({
    url,
    getToken,
    reconnectDelay: 200,
    maxReconnectDelay: 500,
    breaker: { failures: 1000 },
  });
  try {
    const got: string[] = [];
    await client.channel("chat:x").subscribe(({ text }) => got.push(text!));
    await client.channel("chat:x").publish("before");
    await until("it came", () => got.length === 1);
    child.kill("SIGKILL");
    await child.status;
    const waiting = Promise.all(["a", "b", "c"].map((text) => client.channel("chat:x").publish(text)));
    await pause(500);
    child = await start();
    await waiting;
    await until("all came", () => got.length === 4, 30_000);
    assert.deepEqual(got, ["before", "a", "b", "c"]);
  } finally {
    await client.close();
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(directory, { recursive: true });
  }
});
