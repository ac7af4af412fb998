/** What messages may hold, on every transport. */

import assert from "node:assert/strict";
import type { ClientOptions, Delivered } from "../../src/client/mod.ts";
import { crowd, until } from "./crowd.ts";

const TRANSPORTS: Partial<ClientOptions>[] = [
  { enableWebSocket: false },
  { rawQuic: true, enableWebSocket: false },
  { enableQuic: false },
];
const KINDS = ["webtransport", "quic", "websocket"];
const RIGHTS = { rights: ["broadcast", "direct_message"] };

Deno.test("messages: bytes and priorities arrive on every transport, in history and in a replay", async () => {
  await using people = await crowd();
  const clients = TRANSPORTS.map((over, i) =>
    people.join(`user${i}`, { ...over, getToken: () => people.service.token(`user${i}`, RIGHTS) })
  );
  const heard: Delivered[][] = clients.map((client) => {
    const own: Delivered[] = [];
    client.on("delivered", (message) => own.push(message));
    return own;
  });
  await Promise.all(clients.map((client) => client.channel("chat:x").subscribe()));
  assert.deepEqual(clients.map(({ manager }) => manager.getTransportType()), KINDS);
  const bytes = Uint8Array.from({ length: 2000 }, (_, i) => i);
  const textOf = (data: unknown) => data instanceof Uint8Array ? data.toBase64() : typeof data;
  const saidBy = (i: number) => bytes.subarray(0, 2000 - i);
  for (const [i, client] of clients.entries()) {
    const data = saidBy(i);
    const sent = client.channel("chat:x").publish({ data }, { priority: "high" });
    await Promise.all([
      sent,
      client.direct(`user${i}`, { data }, { priority: "low" }),
      client.broadcast({ data }),
    ]);
  }
  await until("all heard", () => heard.every((own) => own.length === 7));
  for (const [i, own] of heard.entries()) {
    for (const type of ["chat_message", "broadcast"]) {
      const said = own.filter((message) => message.type === type);
      assert.deepEqual(said.map(({ data }) => textOf(data)), [0, 1, 2].map((i) => textOf(saidBy(i))));
      const priority = type === "broadcast" ? undefined : "high";
      assert.deepEqual(said.map((message) => message.priority), Array(3).fill(priority));
    }
    const [direct] = own.filter(({ type }) => type === "direct_message");
    assert.deepEqual([textOf(direct!.data), direct!.priority], [textOf(saidBy(i)), "low"]);
  }
  for (const client of clients) {
    const channel = client.channel("chat:x");
    const { messages } = await channel.history({ limit: 1 });
    assert.deepEqual([textOf(messages[0]!.data), messages[0]!.priority], [textOf(bytes), "high"]);
    const replayed = new Promise<unknown>((resolve) =>
      client.on("message", ({ type, payload }) => type === "replay_message" && resolve(payload.data))
    );
    await channel.replay({ from: 0, to: channel.position!.offset, speed: 1000 });
    assert.equal(textOf(await replayed), textOf(bytes));
  }
});

Deno.test("messages: a receipt comes once on every transport, and after the sender was away", async () => {
  await using people = await crowd();
  const clients = TRANSPORTS.map((over, i) =>
    people.join(`user${i}`, { ...over, getToken: () => people.service.token(`user${i}`, RIGHTS) })
  );
  const receipts: string[][] = clients.map((client) => {
    const own: string[] = [];
    client.on("receipt", ({ message, from }) => own.push(`${from} ${message}`));
    return own;
  });
  // A second device of a recipient takes every message, too.
  people.join("user0", { enableQuic: false });
  await Promise.all(clients.map((client) => client.connect()));
  const expected: string[][] = [];
  for (const [i, client] of clients.entries()) {
    const to = `user${(i + 1) % 3}`;
    const sent = await Promise.all(
      Array.from({ length: 20 }, (_, n) => client.direct(to, `${n}`, { receipt: n % 2 === 0 })),
    );
    expected.push(sent.filter((_, n) => n % 2 === 0).map(({ id }) => `${to} ${id}`));
  }
  await until("all receipts", () => receipts.every((own) => own.length >= 10));
  assert.deepEqual(receipts.map((own) => own.toSorted()), expected.map((own) => own.toSorted()));
});
