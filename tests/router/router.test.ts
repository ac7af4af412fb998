import assert from "node:assert/strict";
import fc from "fast-check";
import { CLIENT_TYPES, type Message, ProtocolError } from "../../src/protocol/mod.ts";
import { Router } from "../../src/router/mod.ts";
import type { Context, Middleware, Route } from "../../src/router/types.ts";
import { FakeClient, principal } from "../hub/support.ts";

function contextOf(type: string, more: Partial<Context> = {}, transport = "memory"): Context {
  const message: Message = { type, id: "m1", timestamp: 0, payload: {} };
  const client = Object.assign(new FakeClient("s1", principal("ann")), { transport });
  return { client, message, lane: 1, datagram: false, early: false, reply() {}, ...more };
}

function refusal(error: string) {
  return (thrown: unknown) => thrown instanceof ProtocolError && thrown.error === error;
}

Deno.test("Feature: quic-transport, Property 4: routing", async () => {
  const layer = fc.constantFrom<"sync" | "async">("sync", "async");
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.oneof(fc.constantFrom<string>(...CLIENT_TYPES), fc.stringMatching(/^[a-z_]{1,12}$/)),
        {
          minLength: 1,
        },
      ),
      fc.array(layer, { maxLength: 4 }),
      fc.constantFrom("webtransport", "quic", "websocket", "memory", "another"),
      fc.nat(),
      fc.boolean(),
      async (types, kinds, transport, pick, asynchronous) => {
        const calls: string[] = [];
        const routes = types.map((type): Route => ({
          type,
          handler: asynchronous
            ? async () => {
              await Promise.resolve();
              calls.push(type);
            }
            : () => void calls.push(type),
        }));
        const middleware = kinds.map((kind, i): Middleware =>
          kind === "sync"
            ? (_context, next) => {
              calls.push(`in ${i}`);
              return next();
            }
            : async (_context, next) => {
              calls.push(`in ${i}`);
              await next();
              calls.push(`out ${i}`);
            }
        );
        const router = new Router(routes, middleware);
        const type = types[pick % types.length]!;
        const done = router.dispatch(contextOf(type, {}, transport));
        assert.equal(done instanceof Promise, asynchronous || kinds.includes("async"));
        await done;
        const outs = kinds.flatMap((kind, i) => kind === "async" ? [`out ${i}`] : []).reverse();
        assert.deepEqual(calls, [...kinds.map((_, i) => `in ${i}`), type, ...outs]);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("a type without a route is unknown, whatever object methods are called", () => {
  const router = new Router([{ type: "ping", handler() {} }]);
  for (const type of ["nothing", "constructor", "__proto__", "to_string", "toString"]) {
    assert.throws(() => router.dispatch(contextOf(type)), refusal("unknown_type"));
  }
});

Deno.test("early data reaches only routes that may act twice", () => {
  let calls = 0;
  const handler = () => void calls++;
  const router = new Router([{ type: "once", handler }, { type: "twice", handler, idempotent: true }]);
  assert.throws(() => router.dispatch(contextOf("once", { early: true })), refusal("too_early"));
  router.dispatch(contextOf("twice", { early: true }));
  router.dispatch(contextOf("once"));
  assert.equal(calls, 2);
});

Deno.test("a datagram reaches only routes that take them", () => {
  let calls = 0;
  const handler = () => void calls++;
  const router = new Router([{ type: "kept", handler }, { type: "light", handler, datagram: true }]);
  assert.throws(() => router.dispatch(contextOf("kept", { datagram: true })), refusal("bad_request"));
  router.dispatch(contextOf("light", { datagram: true }));
  assert.equal(calls, 1);
});

Deno.test("what is refused never meets the middleware, and middleware may answer itself", () => {
  const calls: string[] = [];
  const router = new Router([{ type: "a", handler: () => void calls.push("handler") }], [
    () => void calls.push("guard"),
  ]);
  assert.throws(() => router.dispatch(contextOf("b")), refusal("unknown_type"));
  router.dispatch(contextOf("a"));
  assert.deepEqual(calls, ["guard"]);
});

Deno.test("what a handler throws comes out, as a rejection when it is asynchronous", async () => {
  const thrown = new ProtocolError("permission_denied");
  const router = new Router([
    {
      type: "now",
      handler: () => {
        throw thrown;
      },
    },
    { type: "later", handler: () => Promise.reject(thrown) },
  ], [(_context, next) => next()]);
  assert.throws(() => router.dispatch(contextOf("now")), thrown);
  await assert.rejects(Promise.resolve(router.dispatch(contextOf("later"))), thrown);
});

Deno.test("two routes for one type are a mistake of the program", () => {
  const route = { type: "a", handler() {} };
  assert.throws(() => new Router([route, route]), TypeError);
});
