import assert from "node:assert/strict";
import fc from "fast-check";
import { clientRow, type ClientType, type Message, ProtocolError } from "../../src/protocol/mod.ts";
import { Router } from "../../src/router/mod.ts";
import type { Context, Middleware, Route } from "../../src/router/types.ts";
import { FakeClient, principal } from "../hub/support.ts";
import { clientTypes } from "../support/message_types.ts";

function contextOf(type: string, more: Partial<Context> = {}, transport = "memory"): Context {
  const message: Message = { type, id: "m1", timestamp: 0, payload: {} };
  const client = Object.assign(new FakeClient("s1", principal("ann")), { transport });
  return { client, message, lane: 1, datagram: false, early: false, reply() {}, ...more };
}

function refusal(error: string) {
  return (thrown: unknown) => thrown instanceof ProtocolError && thrown.error === error;
}

/** Validates: a message passes each layer once on its way in and out, and reaches the handler of its type alone. */
Deno.test("Feature: quic-transport, Property 4: routing (middleware in order, then the handler of the type)", async () => {
  const layer = fc.constantFrom<"sync" | "async">("sync", "async");
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.constantFrom(...clientTypes), { minLength: 1 }),
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

Deno.test("router: a type without a route is unknown, also one that is the name of an object's method", () => {
  const router = new Router([{ type: "ping", handler() {} }]);
  for (const type of ["nothing", "constructor", "__proto__", "to_string", "toString", "presence"]) {
    assert.throws(() => router.dispatch(contextOf(type)), refusal("unknown_type"));
  }
});

/** A router with every type, and the types whose handlers it called. */
function everything(): { router: Router; called: string[] } {
  const called: string[] = [];
  const router = new Router(clientTypes.map((type) => ({ type, handler: () => void called.push(type) })));
  return { router, called };
}

Deno.test("router: early data reaches the handlers of idempotent types alone", () => {
  const { router, called } = everything();
  for (const type of clientTypes) {
    const dispatch = () => router.dispatch(contextOf(type, { early: true }));
    if (clientRow(type).idempotent) dispatch();
    else assert.throws(dispatch, refusal("too_early"), type);
  }
  assert.deepEqual(called, clientTypes.filter((type) => clientRow(type).idempotent));
});

Deno.test("router: a datagram reaches the handlers of types that travel in them alone", () => {
  const { router, called } = everything();
  for (const type of clientTypes) {
    const dispatch = () => router.dispatch(contextOf(type, { datagram: true }));
    if (clientRow(type).datagram) dispatch();
    else assert.throws(dispatch, refusal("bad_request"), type);
  }
  assert.deepEqual(called, clientTypes.filter((type) => clientRow(type).datagram));
});

Deno.test("router: middleware does not see what is refused, and may answer itself", () => {
  const calls: string[] = [];
  const router = new Router([{ type: "history", handler: () => void calls.push("handler") }], [
    () => void calls.push("guard"),
  ]);
  assert.throws(() => router.dispatch(contextOf("presence")), refusal("unknown_type"));
  router.dispatch(contextOf("history"));
  assert.deepEqual(calls, ["guard"]);
});

Deno.test("router: what a handler throws comes out, as a rejection when it is asynchronous", async () => {
  const thrown = new ProtocolError("permission_denied");
  const router = new Router([
    {
      type: "history",
      handler: () => {
        throw thrown;
      },
    },
    { type: "presence", handler: () => Promise.reject(thrown) },
  ], [(_context, next) => next()]);
  assert.throws(() => router.dispatch(contextOf("history")), thrown);
  await assert.rejects(Promise.resolve(router.dispatch(contextOf("presence"))), thrown);
});

Deno.test("router: two routes for one type are a mistake of the program", () => {
  const route: Route = { type: "ping", handler() {} };
  assert.throws(() => new Router([route, route]), TypeError);
});

Deno.test("router: a route for a type that is not in the table is a mistake of the program", () => {
  assert.throws(() => new Router([{ type: "pong" as ClientType, handler() {} }]), TypeError);
});
