/** What is under way when a client is closed: nothing of it goes on behind the end. */

import assert from "node:assert/strict";
import type { ClientOptions } from "../../src/client/options.ts";
import { NativeQuicTransport } from "../../src/client/native.ts";
import type { ClientTransport } from "../../src/client/transport/contract.ts";
import { WebSocketTransport } from "../../src/client/transport/websocket.ts";
import { TransportManager } from "../../src/client/transport_manager.ts";
import { serve } from "../quic/setup.ts";
import { FakeClock, FakeEnvironment, settle } from "./support.ts";

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(() => pending = false, () => pending = false);
  await settle();
  return pending;
}

/** A transport whose dial does not come through, and whose end takes until the gate opens. */
function slow() {
  const dialled = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
  const transport = {
    kind: "websocket",
    connect(signal: AbortSignal) {
      dialled.resolve();
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
    close: () => gate.promise,
  } as unknown as ClientTransport;
  return { transport, dialled: dialled.promise, open: () => gate.resolve() };
}

/** A client without a service, that dials by a transport of its own. */
function client(transport?: ClientTransport, over: Partial<ClientOptions> = {}) {
  const clock = new FakeClock();
  const manager = new TransportManager({
    websocketUrl: "ws://localhost/",
    getToken: () => "token",
    enableQuic: false,
    ...over,
    parts: {
      clock,
      random: Math.random,
      environment: new FakeEnvironment(),
      transports: transport === undefined ? {} : { websocket: () => transport },
    },
  });
  return { clock, manager };
}

Deno.test("client: its end waits for a dial that it calls off, and whoever closes it again waits too", async () => {
  const { transport, dialled, open } = slow();
  const { clock, manager } = client(transport);
  const connecting = assert.rejects(manager.connect());
  await dialled;
  const closed = [manager.close(), manager.close()];
  await connecting;
  for (const each of closed) assert.equal(await isPending(each), true);
  open();
  await Promise.all(closed);
  assert.equal(clock.pending, 0);
});

Deno.test("client: its end does not wait for ever for a dial that does not end", async () => {
  const { transport, dialled } = slow();
  const { clock, manager } = client(transport);
  manager.connect().catch(() => {});
  await dialled;
  const closed = manager.close();
  await clock.advance(2000);
  await closed;
});

Deno.test("client: its end leaves no wait for a token behind", async () => {
  const asked = Promise.withResolvers<void>();
  const { clock, manager } = client(undefined, {
    getToken() {
      asked.resolve();
      return new Promise(() => {});
    },
  });
  const connecting = assert.rejects(manager.connect(), { error: "closed" });
  await asked.promise;
  await manager.close();
  await connecting;
  assert.equal(clock.pending, 0);
});

Deno.test("websocket: the end of a dial that was called off is waited for", async () => {
  const sockets: { onclose: (() => void) | null }[] = [];
  class Silent {
    onclose: (() => void) | null = null;
    constructor() {
      sockets.push(this);
    }
    close() {}
  }
  const transport = new WebSocketTransport("ws://localhost/", Silent as never);
  const stop = new AbortController();
  const connecting = assert.rejects(transport.connect(stop.signal), { name: "AbortError" });
  stop.abort();
  await connecting;
  const closed = transport.close();
  assert.equal(await isPending(closed), true);
  sockets[0]!.onclose!();
  await closed;
});

Deno.test("ending: native QUIC: a transport with a socket of its own has closed it at its end", async () => {
  await using s = await serve({ alpn: ["skein/1"] });
  const { prototype } = (Deno as unknown as { QuicEndpoint: { prototype: Deno.QuicEndpoint } }).QuicEndpoint;
  const { close } = prototype;
  let closed = 0;
  prototype.close = function (info) {
    closed++;
    return close.call(this, info);
  };
  try {
    const transport = new NativeQuicTransport(new URL(`quic://127.0.0.1:${s.port}`), {
      certificateHashes: s.trust.serverCertificateHashes,
      zeroRtt: false,
    });
    transport.onClose = () => {};
    await transport.connect();
    await transport.close();
    assert.equal(closed, 1);
  } finally {
    prototype.close = close;
  }
});
