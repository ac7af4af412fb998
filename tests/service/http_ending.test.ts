/** What is under way when HTTP listeners end: nothing of it goes on behind the end. */

import assert from "node:assert/strict";
import { Answering } from "../../src/service/http/answering.ts";
import type { RequestInfo } from "../../src/service/http/deps.ts";
import { HttpListener } from "../../src/service/http/listener.ts";
import { startHttp } from "../../src/service/http/serve.ts";
import { createLogger } from "../../src/service/log/mod.ts";
import { makeCertificate } from "../support/certificate.ts";
import { FakeClock, settle } from "../support/clock.ts";

/** A handler that answers when the gate opens. */
function gated() {
  const begun = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
  return {
    begun: begun.promise,
    open: () => gate.resolve(),
    async handler(): Promise<Response> {
      begun.resolve();
      await gate.promise;
      return new Response("late");
    },
  };
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(() => pending = false, () => pending = false);
  await settle();
  return pending;
}

Deno.test("http: the end waits for what is still being answered, for a second", async () => {
  const clock = new FakeClock(), answering = new Answering(clock);
  const info = {} as RequestInfo;
  const atOnce = new Response("now");
  assert.equal(answering.of(() => atOnce)(new Request("http://x"), info), atOnce);
  await answering.over();
  const slow = gated();
  const answer = answering.of(slow.handler)(new Request("http://x"), info);
  const over = answering.over();
  await clock.advance(999);
  assert.equal(await isPending(over), true);
  slow.open();
  await Promise.all([over, answer]);
  assert.equal(clock.pending, 0);

  void answering.of(() => new Promise(() => {}))(new Request("http://x"), info);
  const late = answering.over();
  await clock.advance(1000);
  await late;
});

Deno.test("http: the end of Deno's listener is that of one with an earlier certificate, too", async () => {
  const one = await makeCertificate(), two = await makeCertificate();
  const slow = gated();
  const server = await startHttp({
    websocket: "deno",
    hostname: "127.0.0.1",
    port: 0,
    tls: one,
    handler: slow.handler,
  });
  using client = Deno.createHttpClient({ caCerts: [one.cert], poolMaxIdlePerHost: 0 });
  const url = `https://127.0.0.1:${server.address.port}/`;
  const asked = fetch(url, { client } as RequestInit).then((answer) => answer.text(), () => "cut");
  await slow.begun;
  const changed = server.setCertificate(two);
  await server.close(0);
  assert.equal(await isPending(changed), false);
  slow.open();
  await asked;
});

Deno.test("http: a listener that is closed while it is moved listens nowhere", async () => {
  const slow = gated();
  const listener = new HttpListener({
    group: "http",
    handler: slow.handler,
    log: createLogger({ write: (line) => assert.fail(line) }),
  });
  const at = (port: number) => ({ hostname: "127.0.0.1", port, tls: undefined });
  await listener.apply(at(0));
  const { port } = listener.address!;
  const asked = fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text(), () => "cut");
  await slow.begun;
  await listener.apply(undefined);
  // It waits for the one before, which has a request to answer.
  const moved = listener.apply(at(port));
  const closed = listener.close(0);
  slow.open();
  await closed;
  assert.equal(await isPending(moved), false);
  assert.equal(listener.address, undefined);
  await listener.apply(at(port));
  assert.equal(listener.address, undefined);
  await asked;
});

for (const websocket of ["skein", "deno"] as const) {
  Deno.test(`http: the end does not wait for an answer that never comes (${websocket})`, async () => {
    const slow = gated();
    const server = await startHttp({ websocket, hostname: "127.0.0.1", port: 0, handler: slow.handler });
    const asked = fetch(`http://127.0.0.1:${server.address.port}/`)
      .then((answer) => answer.text().then(() => answer.status), () => 503);
    await slow.begun;
    await server.close(0);
    assert.equal(await asked, 503);
    slow.open();
  });
}
