import assert from "node:assert/strict";
import {
  CloseError,
  CLOSES,
  ERRORS,
  failureOf,
  ProtocolError,
  shouldReconnect,
} from "../../src/protocol/mod.ts";
import { tableAfter } from "./page.ts";

Deno.test("errors: the error table of PROTOCOL.md is the one of the code", () => {
  assert.deepEqual(
    tableAfter("\n## 9. Errors"),
    Object.entries(ERRORS).map(([name, { code, temporary, text }]) => [
      `${code}`,
      name,
      temporary ? "yes" : "no",
      text,
    ]),
  );
});

Deno.test("errors: the close table of PROTOCOL.md is the one of the code", () => {
  assert.deepEqual(
    tableAfter("\n## 10. Closes"),
    Object.entries(CLOSES).map(([name, { code, reason }]) => [
      `${code}`,
      name,
      reason,
      name === "normal" ? "as the client likes" : shouldReconnect(code) ? "yes" : "no",
    ]),
  );
});

Deno.test("errors: no code stands twice", () => {
  for (const rows of [Object.values(ERRORS), Object.values(CLOSES)]) {
    const codes = rows.map(({ code }) => code);
    assert.equal(new Set(codes).size, codes.length);
  }
});

Deno.test("errors: the range of a close code says whether to reconnect", () => {
  for (const code of [1000, 1001, 1006, 3000, 3499, 4000]) assert.ok(shouldReconnect(code), `${code}`);
  for (const code of [3500, 3999]) assert.ok(!shouldReconnect(code), `${code}`);
});

Deno.test("errors: a peer is told the row of the error's name, and its detail instead of the text", () => {
  const { code, temporary } = ERRORS.rate_limited;
  assert.deepEqual(failureOf(new ProtocolError("rate_limited")), {
    code,
    name: "rate_limited",
    message: "too many messages",
    temporary,
  });
  const detailed = new ProtocolError("bad_payload", "text: a text");
  assert.equal(detailed.message, "text: a text");
  assert.equal(failureOf(detailed).message, "text: a text");
});

Deno.test("errors: of a failure that is no ProtocolError a peer is told nothing but internal", () => {
  assert.deepEqual(failureOf(new Error("a secret")), {
    code: ERRORS.internal.code,
    name: "internal",
    message: "internal error",
    temporary: true,
  });
});

Deno.test("errors: a CloseError without a detail leaves the reason to the table", () => {
  const error = new CloseError("auth_timeout");
  assert.equal(error.detail, undefined);
  assert.equal(error.message, "auth timeout");
  assert.equal(new CloseError("auth_timeout", "more").detail, "more");
});

Deno.test("errors: a CloseError carries the number of its row", () => {
  assert.equal(new CloseError("no_pong").code, CLOSES.no_pong.code);
});
