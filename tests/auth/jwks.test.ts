import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import {
  type AuthSettings,
  createAuthenticator,
  type JwksSettings,
  type TokenAuthenticator,
} from "../../src/auth/mod.ts";
import { settle } from "../support/clock.ts";
import { NOW, refusal, SECRET } from "./support.ts";

type Answer = (request: Request) => Response | Promise<Response>;

interface Issuer {
  readonly url: string;
  /** Requests so far. */
  requests: number;
  answer: Answer;
}

interface Signing {
  readonly jwk: JWK;
  sign(claims?: Record<string, unknown>, kid?: string | null): Promise<string>;
}

let clock = NOW;
const now = () => clock;

async function signing(
  kid: string | undefined,
  alg: "ES256" | "EdDSA" | "RS256" = "ES256",
): Promise<Signing> {
  const pair = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...await exportJWK(pair.publicKey), ...kid === undefined ? {} : { kid } };
  return {
    jwk,
    sign(claims = {}, named = kid) {
      const header = named === undefined || named === null ? { alg } : { alg, kid: named };
      return new SignJWT({ sub: "ann", exp: NOW / 1000 + 1e7, ...claims }).setProtectedHeader(header).sign(
        pair.privateKey,
      );
    },
  };
}

const set = (...keys: Signing[]): Answer => () => Response.json({ keys: keys.map(({ jwk }) => jwk) });

/** Runs `body` against a real HTTP server that answers as `issuer.answer` says. */
async function withIssuer(
  answer: Answer,
  body: (
    issuer: Issuer,
    make: (jwks?: Partial<JwksSettings>, more?: Partial<AuthSettings>) => TokenAuthenticator,
  ) => Promise<void>,
): Promise<void> {
  clock = NOW;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    issuer.requests++;
    return issuer.answer(request);
  });
  const issuer: Issuer = { url: `http://127.0.0.1:${server.addr.port}/jwks`, requests: 0, answer };
  const made: TokenAuthenticator[] = [];
  try {
    await body(issuer, (jwks = {}, more = {}) => {
      const authenticator = createAuthenticator({ keys: [], jwks: { url: issuer.url, ...jwks }, ...more }, {
        now,
      });
      made.push(authenticator);
      return authenticator;
    });
  } finally {
    for (const authenticator of made) await authenticator.close();
    await server.shutdown();
  }
}

Deno.test("key set: keys of a set are fetched once for many tokens at the same time", async () => {
  const keys = await Promise.all([signing("a"), signing("b", "EdDSA"), signing("c", "RS256")]);
  await withIssuer(set(...keys), async (issuer, make) => {
    const authenticator = make();
    assert.equal(issuer.requests, 0);
    const tokens = await Promise.all(
      Array.from({ length: 12 }, (_, i) => keys[i % 3]!.sign({ sub: `user${i}` })),
    );
    const principals = await Promise.all(tokens.map((token) => authenticator.verify(token)));
    assert.deepEqual(principals.map(({ userId }) => userId), tokens.map((_, i) => `user${i}`));
    assert.equal(issuer.requests, 1);
    assert.deepEqual(authenticator.status().jwks, { keys: 3, fetchedAt: NOW, error: undefined });
  });
});

Deno.test("key set: keys can be fetched before the first token asks for them", async () => {
  const key = await signing("a");
  await withIssuer(set(key), async (issuer, make) => {
    const authenticator = make();
    await authenticator.prepare();
    assert.equal(authenticator.status().jwks?.keys, 1);
    await authenticator.verify(await key.sign());
    assert.equal(issuer.requests, 1);
  });
});

Deno.test("key set: a rotated key is found by one more request, however many tokens ask", async () => {
  const [before, after] = await Promise.all([signing("before"), signing("after")]);
  await withIssuer(set(before), async (issuer, make) => {
    const authenticator = make();
    await authenticator.verify(await before.sign());
    issuer.answer = set(before, after);
    clock += 60_000;
    const tokens = await Promise.all(Array.from({ length: 8 }, (_, i) => after.sign({ sub: `user${i}` })));
    await Promise.all(tokens.map((token) => authenticator.verify(token)));
    assert.equal(issuer.requests, 2);
  });
});

Deno.test("key set: unknown keys do not make requests faster than the cooldown allows", async () => {
  const [own, foreign] = await Promise.all([signing("own"), signing("foreign")]);
  await withIssuer(set(own), async (issuer, make) => {
    const authenticator = make({ cooldown: 30_000 });
    for (let i = 0; i < 20; i++) {
      await assert.rejects(authenticator.verify(await foreign.sign({}, `kid${i}`)), refusal("invalid_token"));
    }
    assert.equal(issuer.requests, 1);
    clock += 30_000;
    for (let i = 0; i < 20; i++) {
      await assert.rejects(authenticator.verify(await foreign.sign({}, `kid${i}`)), refusal("invalid_token"));
    }
    assert.equal(issuer.requests, 2);
  });
});

Deno.test("key set: a key taken from the set stops being accepted once the set is fetched again, for remembered tokens too", async () => {
  const [gone, stays] = await Promise.all([signing("gone"), signing("stays")]);
  await withIssuer(set(gone, stays), async (issuer, make) => {
    const authenticator = make({ cacheTime: 60_000 });
    const [bad, good] = await Promise.all([gone.sign(), stays.sign()]);
    await authenticator.verify(bad);
    await authenticator.verify(good);
    issuer.answer = set(stays);
    clock += 120_001;
    await assert.rejects(authenticator.verify(bad), refusal("invalid_token"));
    await authenticator.verify(good);
    assert.equal(issuer.requests, 2);
  });
});

Deno.test("key set: the last good set goes on being used while the URL fails in any way", async () => {
  const key = await signing("a");
  const unknown = await signing("b");
  const failures: [string, Answer][] = [
    ["status 500", () => new Response("sorry", { status: 500 })],
    ["not JSON", () => new Response("<html>")],
    ["not a key set", () => Response.json([])],
    ["without a usable key", () => Response.json({ keys: [{ kty: "oct", k: "AAAA" }, null, 7] })],
    ["above 4096 bytes", () => new Response(JSON.stringify({ keys: [], filler: "x".repeat(5_000) }))],
    ["redirect", () => Response.redirect("http://127.0.0.1:1/jwks", 302)],
  ];
  for (const [why, answer] of failures) {
    await withIssuer(set(key), async (issuer, make) => {
      const authenticator = make({ cacheTime: 60_000, maxBytes: 4_096 });
      const token = await key.sign();
      await authenticator.verify(token);
      issuer.answer = answer;
      clock += 120_001;
      await authenticator.verify(token);
      await authenticator.verify(await key.sign({ sub: "bob" }));
      assert.match(authenticator.status().jwks?.error ?? "", new RegExp(why));
      assert.equal(authenticator.status().jwks?.keys, 1);
      assert.equal(issuer.requests, 2);
      // Whether an unknown key is good cannot be told now, which is another answer than "no".
      await assert.rejects(authenticator.verify(await unknown.sign()), refusal("not_available"));
      issuer.answer = set(key, unknown);
      clock += 30_000;
      await authenticator.verify(await unknown.sign());
      assert.equal(authenticator.status().jwks?.error, undefined);
    });
  }
});

Deno.test("key set: without any set the answer is not_available, and the URL is asked again soon but not at once", async () => {
  const key = await signing("a");
  await withIssuer(() => new Response(null, { status: 503 }), async (issuer, make) => {
    const authenticator = make();
    const token = await key.sign();
    for (let i = 0; i < 5; i++) await assert.rejects(authenticator.verify(token), refusal("not_available"));
    assert.equal(issuer.requests, 1);
    issuer.answer = set(key);
    clock += 5_000;
    await authenticator.verify(token);
  });
});

Deno.test("key set: a URL that answers too slowly, or never ends its answer, is given up", async () => {
  const key = await signing("a");
  const open: ReadableStreamDefaultController<Uint8Array>[] = [];
  const held: (() => void)[] = [];
  const silent: Answer = () => new Promise((resolve) => held.push(() => resolve(new Response(null))));
  const dripping: Answer = () =>
    new Response(
      new ReadableStream<Uint8Array>({
        start(controller) {
          open.push(controller);
          controller.enqueue(new TextEncoder().encode('{"keys": ['));
        },
      }),
    );
  for (const answer of [silent, dripping]) {
    await withIssuer(answer, async (_issuer, make) => {
      const authenticator = make({ timeout: 60 });
      await assert.rejects(authenticator.verify(await key.sign()), refusal("not_available"));
      assert.match(authenticator.status().jwks?.error ?? "", /within 60 ms/);
      for (const release of held) release();
    });
  }
  for (const controller of open) {
    try {
      controller.close();
    } catch { /* the client has cancelled it */ }
  }
});

Deno.test("key set: an endless answer is cut off at the limit", async () => {
  const key = await signing("a");
  let sent = 0;
  const endless: Answer = () =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          sent += 16_384;
          controller.enqueue(new Uint8Array(16_384).fill(0x20));
        },
      }),
    );
  await withIssuer(endless, async (_issuer, make) => {
    const authenticator = make({ maxBytes: 65_536 });
    await assert.rejects(authenticator.verify(await key.sign()), refusal("not_available"));
    assert.match(authenticator.status().jwks?.error ?? "", /above 65536 bytes/);
  });
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were produced`);
});

Deno.test("key set: a set that is a little late is renewed without making anybody wait", async () => {
  const key = await signing("a");
  await withIssuer(set(key), async (issuer, make) => {
    const authenticator = make({ cacheTime: 60_000 });
    await authenticator.verify(await key.sign());
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    issuer.answer = async () => {
      ask();
      await released;
      return Response.json({ keys: [key.jwk] });
    };
    clock += 60_001;
    await authenticator.verify(await key.sign({ sub: "bob" }));
    await asked;
    release();
    assert.equal(issuer.requests, 2);
  });
});

Deno.test("key set: a token without a key id is tried with the keys of its algorithm", async () => {
  const keys = await Promise.all([signing(undefined), signing("b"), signing("c", "EdDSA")]);
  await withIssuer(set(...keys), async (_issuer, make) => {
    const authenticator = make();
    for (const key of keys) await authenticator.verify(await key.sign({}, null));
  });
});

Deno.test("key set: keys of a set are used for their own algorithm and for signatures only", async () => {
  const [ec, enc, mismatched, noVerify] = await Promise.all([
    signing("ec"),
    signing("enc"),
    signing("mis"),
    signing("ops"),
  ]);
  const keys = [
    ec.jwk,
    { ...enc.jwk, use: "enc" },
    { ...mismatched.jwk, alg: "RS256" },
    { ...noVerify.jwk, key_ops: ["sign"] },
    {
      kty: "oct",
      kid: "oct",
      k: new TextEncoder().encode(SECRET).toBase64({ alphabet: "base64url" }),
      alg: "HS256",
    },
  ];
  await withIssuer(() => Response.json({ keys }), async (_issuer, make) => {
    const authenticator = make();
    await authenticator.verify(await ec.sign());
    for (const key of [enc, mismatched, noVerify]) {
      await assert.rejects(authenticator.verify(await key.sign()), refusal("invalid_token"));
    }
    const forged = await new SignJWT({ sub: "eve", exp: NOW / 1000 + 60 }).setProtectedHeader({
      alg: "HS256",
      kid: "oct",
    })
      .sign(new TextEncoder().encode(SECRET));
    await assert.rejects(authenticator.verify(forged), refusal("invalid_token"));
    await assert.rejects(make({ algorithms: ["EdDSA"] }).verify(await ec.sign()), refusal("invalid_token"));
  });
});

Deno.test("key set: configured keys work beside a set whose URL is down", async () => {
  await withIssuer(() => new Response(null, { status: 500 }), async (issuer, make) => {
    const authenticator = make({}, { keys: [{ alg: "HS256", secret: SECRET }] });
    const token = await new SignJWT({ sub: "ann", exp: NOW / 1000 + 60 }).setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(SECRET));
    await authenticator.verify(token);
    assert.equal(issuer.requests, 0);
  });
});

Deno.test("key set: a change of other settings keeps the set that was fetched, a change of its URL does not", async () => {
  const key = await signing("a");
  await withIssuer(set(key), async (issuer, make) => {
    const authenticator = make();
    await authenticator.verify(await key.sign());
    authenticator.reconfigure({ keys: [], jwks: { url: issuer.url }, requireExpiry: false });
    await authenticator.verify(await key.sign());
    assert.equal(issuer.requests, 1);
    authenticator.reconfigure({ keys: [], jwks: { url: `${issuer.url}?2` } });
    await authenticator.verify(await key.sign());
    assert.equal(issuer.requests, 2);
  });
});

Deno.test("key set: once it is closed nothing is fetched and nothing logged, and what was under way has ended", async () => {
  const key = await signing("a");
  const text = JSON.stringify({ keys: [key.jwk] });
  const begun = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
  const lines: string[] = [];
  let requests = 0;
  const make = () =>
    createAuthenticator({ keys: [], jwks: { url: "https://issuer.example/jwks" } }, {
      now,
      log: (_level, event) => void lines.push(event),
      // It does not look at its signal: what came in time is there when it is closed.
      fetch: async () => {
        requests++;
        begun.resolve();
        await gate.promise;
        return new Response(text);
      },
    });
  const authenticator = make();
  const preparing = authenticator.prepare();
  await begun.promise;
  let isOver = false;
  const closed = authenticator.close().then(() => isOver = true);
  await settle();
  assert.equal(isOver, false);
  gate.resolve();
  await Promise.all([closed, preparing]);
  await assert.rejects(authenticator.verify(await key.sign()), refusal("not_available"));
  assert.deepEqual([requests, lines], [1, []]);
});

Deno.test("key set: the end waits for a set of earlier settings, too", async () => {
  const begun = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
  const lines: string[] = [];
  const authenticator = createAuthenticator({ keys: [], jwks: { url: "https://issuer.example/jwks" } }, {
    now,
    log: (_level, event) => void lines.push(event),
    async fetch() {
      begun.resolve();
      await gate.promise;
      return new Response("{}");
    },
  });
  const preparing = authenticator.prepare();
  await begun.promise;
  authenticator.reconfigure({ keys: [{ alg: "HS256", secret: SECRET }] });
  let isOver = false;
  const closed = authenticator.close().then(() => isOver = true);
  await settle();
  assert.equal(isOver, false);
  gate.resolve();
  await Promise.all([closed, preparing]);
  assert.deepEqual(lines, []);
});
