import assert from "node:assert/strict";
import fc from "fast-check";
import { loadConfig } from "../../src/service/config/load.ts";
import { problemLine } from "../../src/service/config/problem.ts";
import { isLoopbackHost, normalOrigin, originAllowed } from "../../src/service/http/origin.ts";

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

Deno.test("origin: configured origins are taken in the form in which browsers send them", async () => {
  const forms: Record<string, string> = {
    "https://app.example.com:443": "https://app.example.com",
    "http://app.example.com:80": "http://app.example.com",
    "https://App.Example.com": "https://app.example.com",
    "https://app.example.com:8443": "https://app.example.com:8443",
    "https://bücher.example": "https://xn--bcher-kva.example",
    "https://*.bücher.example:443": "https://*.xn--bcher-kva.example",
    "https://[2001:DB8::1]:443": "https://[2001:db8::1]",
    "HTTPS://a.example": "https://a.example",
    "chrome-extension://abcdefghijklmnop": "chrome-extension://abcdefghijklmnop",
    "capacitor://localhost": "capacitor://localhost",
    "null": "null",
    "*": "*",
  };
  const { config, problems } = await loadConfig({
    text: JSON.stringify({ http: { allowedOrigins: Object.keys(forms) } }),
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(config!.http.allowedOrigins, Object.values(forms));
  assert.equal(originAllowed("https://app.example.com", config!.http.allowedOrigins, "x"), true);
  assert.equal(originAllowed("https://xn--bcher-kva.example", config!.http.allowedOrigins, "x"), true);
});

Deno.test("origin: what no browser sends as an origin is refused in the configuration", async () => {
  for (
    const wrong of [
      "app.example.com",
      "https://",
      "https://a.example/",
      "https://a.example/path",
      "https://a.example?query",
      "https://a.example#part",
      "https://user@a.example",
      "https://a.example:99999",
      "https://a b.example",
      "https://a.*.example",
      "https://a*.example",
      "capacitor://bücher",
      "",
    ]
  ) {
    const { problems } = await loadConfig({ text: JSON.stringify({ http: { allowedOrigins: [wrong] } }) });
    assert.match(
      problems.map(problemLine).join(),
      /^http\.allowedOrigins: .* is not allowed; must be a list/,
      wrong,
    );
  }
});

Deno.test("origin: the normal form of a normal form is itself", () => {
  fc.assert(
    fc.property(fc.webUrl({ withFragments: false, withQueryParameters: false }), (url) => {
      const normal = normalOrigin(new URL(url).origin);
      assert.equal(normal, new URL(url).origin);
      assert.equal(normalOrigin(normal!), normal);
    }),
    { numRuns: 200 },
  );
});
