import assert from "node:assert/strict";
import {
  CloseError,
  CLOSES,
  ERROR_TEXTS,
  type ErrorName,
  ERRORS,
  failureOf,
  ProtocolError,
  shouldReconnect,
} from "../../src/protocol/mod.ts";

const page = Deno.readTextFileSync(new URL("../../src/protocol/PROTOCOL.md", import.meta.url));

function table(heading: string): string[][] {
  const section = page.slice(page.indexOf(`\n## ${heading}`)).split("\n## ")[1]!;
  return section.split("\n").filter((line) => /^\| \d/.test(line))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")));
}

Deno.test("the error table of PROTOCOL.md is the one of the code", () => {
  assert.deepEqual(
    table("9. Errors"),
    Object.entries(ERRORS).map((
      [name, e],
    ) => [`${e.code}`, name, e.temporary ? "yes" : "no", ERROR_TEXTS[name as ErrorName]]),
  );
});

Deno.test("the close table of PROTOCOL.md is the one of the code", () => {
  assert.deepEqual(
    table("10. Closes"),
    Object.entries(CLOSES).map(([name, { code, reason }]) => [
      `${code}`,
      name,
      reason,
      name === "normal" ? "as the client likes" : shouldReconnect(code) ? "yes" : "no",
    ]),
  );
});

Deno.test("no code stands twice", () => {
  for (const rows of [Object.values(ERRORS), Object.values(CLOSES)]) {
    const codes = rows.map(({ code }) => code);
    assert.equal(new Set(codes).size, codes.length);
  }
});

Deno.test("the range of a close code says whether to reconnect", () => {
  for (const code of [1000, 1001, 1006, 3000, 3499, 4000]) assert.ok(shouldReconnect(code), `${code}`);
  for (const code of [3500, 3999]) assert.ok(!shouldReconnect(code), `${code}`);
});

Deno.test("an error carries the number and the text of its row", () => {
  const error = new ProtocolError("rate_limited");
  assert.equal(error.code, ERRORS.rate_limited.code);
  const { code, temporary } = ERRORS.rate_limited;
  assert.deepEqual(failureOf(error), { code, name: "rate_limited", message: "too many messages", temporary });
  assert.equal(failureOf(new ProtocolError("bad_payload", "text: a text")).message, "text: a text");
  assert.deepEqual(failureOf(new Error("a secret")), {
    code: ERRORS.internal.code,
    name: "internal",
    message: "internal error",
    temporary: true,
  });
  assert.equal(error.temporary, true);
  assert.equal(new ProtocolError("bad_payload", "text: a text").message, "text: a text");
  assert.equal(new CloseError("no_pong").code, CLOSES.no_pong.code);
});
