/** What happens to a client in the world: it sleeps, its path gets poor, its server starts anew. */

import assert from "node:assert/strict";
import { SkeinClient } from "../../src/client/mod.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { startTestService } from "../support/service.ts";
import { TextLineStream } from "../bench/lines.ts";
import { converse, Crowd, pause, until } from "./crowd.ts";

/** A service that gives up on silent clients soon. */
function impatient(): Promise<Crowd> {
  return startTestService({
    session: {
      heartbeat: { interval: "200ms", timeout: "800ms" },
      perIp: { connections: 1000, rate: 10_000, burst: 10_000 },
    },
  }).then((service) => new Crowd(service));
}

for (const kind of ["webtransport", "quic", "websocket"] as const) {
  Deno.test(`flows: a process that is stopped for longer than its server waits comes back with its session, on ${kind}`, async () => {
    await using people = await impatient();
    const { service } = people;
    const bob = people.join("bob", { enableQuic: false });
    const count = 100;
    const options = {
      url: service.url,
      token: await service.token("ann"),
      enableQuic: kind !== "websocket",
      enableWebSocket: kind === "websocket",
      rawQuic: kind === "quic",
    };
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-prompt",
        "--no-check",
        "-A",
        "--config",
        new URL("../../deno.json", import.meta.url).pathname,
        new URL("./sleeper.ts", import.meta.url).pathname,
        JSON.stringify(options),
        String(count),
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextLineStream()).getReader();
    // deno-lint-ignore no-explicit-any
    const nextWith = async (name: string): Promise<any> => {
      for (;;) {
        const { value, done } = await lines.read();
        assert.ok(!done, "the sleeper ended");
        const said = JSON.parse(value);
        if (name in said) return said;
      }
    };
    try {
      const heard: string[] = [];
      await bob.channel("chat:x").subscribe(({ text }) => heard.push(text!));
      await nextWith("heard");
      child.kill("SIGSTOP");
      const connections = async (): Promise<number> =>
        (await (await fetch(`${service.url}/stats`)).json()).connections;
      const before = await connections();
      for (let i = 0; i < count; i++) await bob.channel("chat:x").publish(`bob ${i}`);
      // The server has given it up, and the process does not know yet.
      for (let i = 0; await connections() === before && i < 400; i++) await pause(25);
      assert.notEqual(await connections(), before, "the server gave the silent client up");
      child.kill("SIGCONT");
      assert.equal((await nextWith("published")).published, count);
      await bob.channel("chat:x").publish("the end");
      const { texts, sessions, transport, reconnects } = await nextWith("texts");
      await until("bob has heard it all", () => heard.length === 2 * count + 1);
      assert.deepEqual(texts, heard.slice(0, -1));
      for (const who of ["bob", "sleeper"]) {
        assert.deepEqual(
          texts.filter((text: string) => text.startsWith(who)),
          Array.from({ length: count }, (_, i) => `${who} ${i}`),
        );
      }
      assert.equal(transport, kind);
      assert.equal(sessions, 1, "the session is the same");
      assert.ok(reconnects >= 1);
    } finally {
      await lines.cancel();
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await child.status;
    }
  });
}

Deno.test("flows: a path that gets slow is left for WebSocket, and taken again when it has healed", async () => {
  await using people = await impatient();
  const { service } = people;
  const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
  try {
    const ann = people.join("ann", {
      quicUrl: `https://127.0.0.1:${proxy.port}/connection/webtransport`,
      quality: { rtt: 300, sustained: 300 },
    });
    const bob = people.join("bob", { enableQuic: false });
    const moves: string[] = [];
    const lost: unknown[] = [];
    ann.on("transportchange", ({ to }) => moves.push(to));
    ann.on("disconnected", (end) => lost.push(end));
    await ann.connect();
    assert.equal(ann.manager.getTransportType(), "webtransport");
    const { sessionId } = ann.manager;
    await converse(ann, bob, 600, async (i) => {
      if (i === 100) proxy.delayToServer = proxy.delayToClient = 300;
      if (i === 300) {
        await until("it is on WebSocket", () => moves.length === 1);
        proxy.delayToServer = proxy.delayToClient = 0;
      }
      if (i === 500) await until("it is on QUIC", () => moves.length === 2);
      if (i % 10 === 0) await pause(2);
    });
    assert.deepEqual(moves, ["websocket", "webtransport"]);
    assert.deepEqual(lost, [], "moved, not lost");
    assert.equal(ann.manager.sessionId, sessionId);
  } finally {
    await proxy.close();
  }
});

/** A variable-length integer and where it ends (RFC 9000 §16). */
function varint(bytes: Uint8Array, at: number): [value: number, next: number] {
  const length = 1 << (bytes[at]! >> 6);
  let value = bytes[at]! & 0x3f;
  for (let i = 1; i < length; i++) value = value * 256 + bytes[at + i]!;
  return [value, at + length];
}

/** Whether a datagram holds a 0-RTT packet, alone or behind an Initial one (RFC 9000 §12.2, §17.2). */
function isEarly(datagram: Uint8Array): boolean {
  for (let at = 0; at + 7 < datagram.length && (datagram[at]! & 0x80) !== 0;) {
    const type = (datagram[at]! & 0x30) >> 4;
    if (type === 1) return true;
    let next = at + 5;
    for (let ids = 0; ids < 2; ids++) next += 1 + datagram[next]!;
    if (type === 0) {
      const [length, end] = varint(datagram, next);
      next = end + length;
    }
    const [length, end] = varint(datagram, next);
    at = end + length;
  }
  return false;
}

Deno.test("flows: early data that a server started anew refuses is said again, and has one effect", async () => {
  const directory = await Deno.makeTempDir();
  const start = () => startTestService({ certificates: { directory } });
  let service = await start();
  const target = { hostname: "127.0.0.1", port: service.quicPort };
  const proxy = new UdpProxy({ target, capture: 1500 });
  // The key that signs is of one service: a token is good at that one.
  const client = new SkeinClient({
    quicUrl: `quic://127.0.0.1:${proxy.port}`,
    certificateHashes: [service.certificateHash.toBase64()],
    enableWebSocket: false,
    getToken: () => service.token("ann"),
    reconnectDelay: 100,
  });
  const early = () => proxy.captured.filter(({ toServer, head }) => toServer && isEarly(head)).length;
  try {
    await client.channel("chat:x").publish("with a ticket to come");
    await client.disconnect();
    await client.connect();
    await client.channel("chat:x").publish("accepted");
    assert.ok(early() > 0, "it came back with early data");
    await client.disconnect();
    await service.stop();
    service = await start();
    proxy.retarget(service.quicPort);
    const before = early();
    const receipt = client.channel("chat:x").publish("first");
    await client.connect();
    assert.equal((await receipt).duplicate, false);
    assert.ok(early() > before, "it tried early data");
    await client.channel("chat:x").publish("second");
    const { messages } = await client.channel("chat:x").history();
    assert.deepEqual(messages.map(({ text }) => text), ["first", "second"]);
  } finally {
    await client.close();
    await proxy.close();
    await service.stop();
    await Deno.remove(directory, { recursive: true });
  }
});
