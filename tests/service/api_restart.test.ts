import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { startTestService, type TestService } from "../support/service.ts";

const SECRET = "a secret of at least thirty-two bytes, for tests";
const KEY = "key-of-the-back-end-of-a-test";

function token(user: string, claims: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600, ...claims })
    .setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET));
}

async function call(service: TestService, method: string, params: unknown): Promise<unknown> {
  const headers = { authorization: `Bearer ${KEY}` };
  const answer = await fetch(`${service.url}/api/${method}`, {
    method: "POST",
    headers,
    body: JSON.stringify(params),
  });
  return (await answer.json()).result;
}

/** The code with which a token is refused; undefined: it is accepted. */
async function refusal(service: TestService, shown: string): Promise<number | undefined> {
  await using client = await service.dial("websocket");
  const open = client.authenticate(shown).then(() => 0, () => -1);
  const code = await Promise.race([open, client.ended().then((info) => info.code)]);
  return code === 0 ? undefined : code === -1 ? (await client.ended()).code : code;
}

Deno.test("api: revoked tokens and blocked users are refused after a restart too", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-api-" });
  const config = {
    engine: { kind: "sqlite" as const, sqlite: { path: `${directory}/skein.db` } },
    auth: { keys: [{ alg: "HS256" as const, secret: SECRET }] },
    api: { keys: [KEY] },
  };
  const one = await token("ann", { jti: "one" }), two = await token("ann", { jti: "two" });
  const bobs = await token("bob"), eves = await token("eve", { iat: 1000 });
  try {
    const first = await startTestService(config);
    try {
      await call(first, "revoke", { jti: "one" });
      await call(first, "revoke", { user: "eve" });
      await call(first, "block", { user: "bob" });
      for (const shown of [one, bobs, eves]) assert.equal(await refusal(first, shown), 3500);
      assert.equal(await refusal(first, two), undefined);
    } finally {
      await first.stop();
    }
    const second = await startTestService(config);
    try {
      for (const shown of [one, bobs, eves]) assert.equal(await refusal(second, shown), 3500);
      assert.equal(await refusal(second, two), undefined);
      assert.deepEqual(await call(second, "unblock", { user: "bob" }), { unblocked: true });
      assert.equal(await refusal(second, bobs), undefined);
    } finally {
      await second.stop();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
