import assert from "node:assert/strict";
import {
  type ClaimRules,
  MAX_INFO,
  MAX_PATTERNS,
  MAX_STARS,
  readClaims,
  timeProblem,
} from "../../src/auth/claims.ts";

const RULES: ClaimRules = {
  issuers: [],
  audiences: [],
  requireExpiry: true,
  defaultChannels: ["chat:*"],
  defaultRights: ["client_list"],
};
const GOOD = { sub: "ann", exp: 1_800_000_000 };

function principal(claims: Record<string, unknown>, rules = RULES) {
  const result = readClaims({ ...GOOD, ...claims }, rules);
  assert.deepEqual(result.problems, []);
  return result.claims!.principal;
}

function problem(claims: Record<string, unknown>, text: RegExp) {
  const result = readClaims({ ...GOOD, ...claims }, RULES);
  assert.equal(result.claims, undefined);
  assert.match(result.problems.join("\n"), text);
}

Deno.test("claims: a token that says nothing about channels or rights gets the defaults", () => {
  const { subscribe, publish, rights, bot, info } = principal({});
  assert.deepEqual([subscribe, publish, [...rights], bot, info], [
    ["chat:*"],
    ["chat:*"],
    ["client_list"],
    undefined,
    undefined,
  ]);
});

Deno.test("claims: channels hold both ways, subscribe and publish add to them", () => {
  const { subscribe, publish } = principal({
    channels: ["a:*"],
    subscribe: ["b:*", "a:*"],
    publish: ["c:x"],
  });
  assert.deepEqual([subscribe, publish], [["a:*", "b:*"], ["a:*", "c:x"]]);
});

Deno.test("claims: a token may allow reading only, or nothing at all", () => {
  const reader = principal({ subscribe: ["a:*"] });
  assert.deepEqual([reader.subscribe, reader.publish], [["a:*"], []]);
  const nobody = principal({ channels: [], rights: [] });
  assert.deepEqual([nobody.subscribe, nobody.publish, nobody.rights.size], [[], [], 0]);
});

Deno.test("claims: known rights are taken, unknown ones ignored", () => {
  assert.deepEqual(
    new Set(principal({ rights: ["broadcast", "fly", "client_list"] }).rights),
    new Set(["broadcast", "client_list"]),
  );
});

Deno.test("claims: bot and info are handed on, and info cannot be changed by who gets it", () => {
  const { bot, info } = principal({ bot: "weather", info: { name: "Ann", tags: ["x"] } });
  assert.equal(bot, "weather");
  assert.deepEqual(info, { name: "Ann", tags: ["x"] });
  assert.throws(() => (info!.tags as string[]).push("y"), TypeError);
});

Deno.test("claims: a subject is 1 to 128 printable ASCII characters without spaces", () => {
  for (const sub of ["a", "a".repeat(128), "auth0|5f7c8ec7", "ann@example.org", "~!"]) principal({ sub });
  for (const sub of ["", "a".repeat(129), "a b", "ann\n", "änn", 7, null, undefined, ["ann"], {}]) {
    problem({ sub }, /^sub:/m);
  }
});

Deno.test("claims: times are numbers of seconds", () => {
  for (const exp of ["1800000000", -1, 1e300, null, {}, true]) problem({ exp }, /^exp:/m);
  for (const nbf of ["0", -1, 1e300, null]) problem({ nbf }, /^nbf:/m);
  assert.equal(principal({ exp: 1_800_000_000.5 }).expiresAt, 1_800_000_000_500);
  for (const iat of [0, 8e12, "yesterday"]) principal({ iat });
});

Deno.test("claims: patterns are bounded in number, length and stars", () => {
  const many = Array.from({ length: MAX_PATTERNS }, (_, i) => `a:${i}`);
  principal({ channels: many, subscribe: ["*".repeat(MAX_STARS)] });
  for (const name of ["channels", "subscribe", "publish"]) {
    const start = new RegExp(`^${name}:`, "m");
    problem({ [name]: [...many, "a:more"] }, start);
    problem({ [name]: ["*".repeat(MAX_STARS + 1)] }, start);
    for (
      const value of ["a:*", { 0: "a:*" }, [7], [null], [["a:*"]], [""], ["a".repeat(256)], ["a b"], null, [
        "a:é",
      ]]
    ) {
      problem({ [name]: value }, start);
    }
  }
});

Deno.test("claims: rights, bot and info of the wrong shape refuse the token", () => {
  for (const rights of ["admin", { admin: true }, [1], null, Array(MAX_PATTERNS + 1).fill("x")]) {
    problem({ rights }, /^rights:/m);
  }
  for (const bot of ["", "a b", "b".repeat(65), 7, null, {}]) problem({ bot }, /^bot:/m);
  for (const info of ["x", [], 7, null, { x: "y".repeat(MAX_INFO) }]) problem({ info }, /^info:/m);
});

Deno.test("claims: a payload that is no object is refused, and every problem of one that is gets told", () => {
  for (const payload of [undefined, null, 7, "x", [], [GOOD]]) {
    assert.equal(readClaims(payload, RULES).problems.length, 1);
  }
  assert.equal(readClaims({ sub: "", channels: 7, bot: 7 }, RULES).problems.length, 4);
});

Deno.test("claims: problems never repeat a value of the token", () => {
  const result = readClaims(
    {
      sub: "x y",
      iss: "s3cret",
      aud: "s3cret",
      exp: "s3cret",
      channels: ["s3cret "],
      rights: "s3cret",
      info: "s3cret",
    },
    { ...RULES, issuers: ["a"], audiences: ["b"] },
  );
  assert.equal(result.problems.length, 7);
  assert.doesNotMatch(result.problems.join(), /s3cret|x y/);
});

Deno.test("claims: names inherited from Object are not taken for claims", () => {
  const claims = JSON.parse('{"sub":"ann","exp":1800000000,"__proto__":{"rights":["broadcast"]}}');
  assert.ok(!readClaims(claims, RULES).claims!.principal.rights.has("broadcast"));
});

Deno.test("claims: a token without end never expires", () => {
  const result = readClaims({ sub: "ann" }, { ...RULES, requireExpiry: false });
  assert.equal(timeProblem(result.claims!, Number.MAX_SAFE_INTEGER, 0), undefined);
});
