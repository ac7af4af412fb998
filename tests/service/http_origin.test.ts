import assert from "node:assert/strict";
import fc from "fast-check";
import { isLoopbackHost, originAllowed } from "../../src/service/http/origin.ts";

Deno.test("origin: programs and pages of the own host may connect", () => {
  assert.equal(originAllowed(undefined, [], "a.example"), true);
  assert.equal(originAllowed(null, [], "a.example"), true);
  assert.equal(originAllowed("http://a.example:8080", [], "a.example:4433"), true);
  assert.equal(originAllowed("https://A.example", [], "a.EXAMPLE:4433"), true);
  assert.equal(originAllowed("http://[::1]:8080", [], "[::1]:4433"), true);
  assert.equal(originAllowed("https://b.example", [], "a.example"), false);
  assert.equal(originAllowed("https://b.example", [], undefined), false);
  assert.equal(originAllowed("null", [], "null"), false);
});

Deno.test("origin: named origins may connect, with their scheme and port", () => {
  const allowed = ["https://a.example", "http://b.example:3000"];
  assert.equal(originAllowed("https://a.example", allowed, "x"), true);
  assert.equal(originAllowed("http://a.example", allowed, "x"), false);
  assert.equal(originAllowed("https://a.example:444", allowed, "x"), false);
  assert.equal(originAllowed("http://b.example:3000", allowed, "x"), true);
  assert.equal(originAllowed("https://anything.example", ["*"], "x"), true);
});

Deno.test("origin: a star stands for names below a domain and for nothing else", () => {
  const allowed = ["https://*.example.com"];
  assert.equal(originAllowed("https://a.example.com", allowed, "x"), true);
  assert.equal(originAllowed("https://a.b.example.com", allowed, "x"), true);
  for (
    const other of [
      "https://example.com",
      "https://.example.com",
      "http://a.example.com",
      "https://aexample.com",
      "https://a.example.com.evil.test",
      "https://a.example.com:444",
      "https://evil.test/.example.com",
      "https://evil.test#.example.com",
      "https://u@evil.test?.example.com",
    ]
  ) assert.equal(originAllowed(other, allowed, "x"), false, other);
});

Deno.test("origin: any text as origin is judged without a throw, and never allowed by chance", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (origin, authority) => {
      const allowed = originAllowed(origin, ["https://a.example", "https://*.b.example"], authority);
      if (allowed) assert.match(origin, /:\/\//);
    }),
    { numRuns: 300 },
  );
});

Deno.test("origin: names and addresses of this machine are told from others", () => {
  for (
    const own of ["localhost", "localhost:8080", "app.localhost", "127.0.0.1:1", "127.9.9.9", "[::1]:8080"]
  ) {
    assert.equal(isLoopbackHost(own), true, own);
  }
  for (
    const other of ["localhost.evil.test", "127.0.0.1.evil.test", "evil.test:80", "192.168.1.1", "", "::1:x"]
  ) {
    assert.equal(isLoopbackHost(other), false, other);
  }
});
