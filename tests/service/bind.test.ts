import assert from "node:assert/strict";
import { bind, BindError, bindSync } from "../../src/service/bind.ts";

const HTTP = { group: "http", hostname: "::", port: 8080 };

function fail(error: unknown): never {
  throw error;
}

/** Both forms, as one that is asynchronous. */
const FORMS: readonly (readonly [string, typeof bind])[] = [
  ["bind", bind],
  // deno-lint-ignore require-await -- what it throws has to become a rejection
  ["bindSync", async (binding, listen, onIpv4) => bindSync(binding, listen, onIpv4) as never],
];

for (const [name, bind] of FORMS) {
  Deno.test(`${name}: without IPv6 the wildcard address falls back to IPv4`, async () => {
    const tried: string[] = [];
    let told = 0;
    const bound = await bind(HTTP, (hostname) => {
      tried.push(hostname);
      if (hostname === "::") throw new Error("Address family not supported by protocol (os error 97)");
      return hostname;
    }, () => told++);
    assert.equal(bound, "0.0.0.0");
    assert.deepEqual(tried, ["::", "0.0.0.0"]);
    assert.equal(told, 1);
  });

  Deno.test(`${name}: an address that works is bound once`, async () => {
    const tried: string[] = [];
    await bind(HTTP, (hostname) => tried.push(hostname), () => assert.fail("no fallback"));
    assert.deepEqual(tried, ["::"]);
  });

  Deno.test(`${name}: a configured IPv6 address has no fallback`, async () => {
    const tried: string[] = [];
    await assert.rejects(
      () =>
        bind({ ...HTTP, hostname: "2001:db8::1" }, (hostname) => {
          tried.push(hostname);
          throw new Deno.errors.AddrNotAvailable("Cannot assign requested address");
        }),
      (error) =>
        error instanceof BindError &&
        error.message === 'http.hostname: "2001:db8::1" is not an address of this machine',
    );
    assert.deepEqual(tried, ["2001:db8::1"]);
  });

  Deno.test(`${name}: a port in use is not tried on IPv4`, async () => {
    const tried: string[] = [];
    await assert.rejects(
      () =>
        bind({ ...HTTP, group: "quic", port: 65535 }, (hostname) => {
          tried.push(hostname);
          throw new Deno.errors.AddrInUse("Address already in use");
        }),
      /^BindError: quic\.port: 65535 is in use; .* set another port, as in --quic\.port 8080$/,
    );
    assert.deepEqual(tried, ["::"]);
  });

  Deno.test(`${name}: a port that needs rights says so`, async () => {
    await assert.rejects(
      () => bind({ ...HTTP, port: 443 }, () => fail(new Deno.errors.PermissionDenied("Permission denied"))),
      /^BindError: http\.port: this user may not listen on 443; set another port, as in --http\.port 444, or give/,
    );
  });

  Deno.test(`${name}: any other failure names the setting and keeps its cause`, async () => {
    const cause = new Error("failed to lookup address information");
    await assert.rejects(
      () => bind({ ...HTTP, hostname: "nowhere" }, () => fail(cause)),
      (error) =>
        error instanceof BindError && error.cause === cause &&
        error.message === `http.hostname: cannot listen on "nowhere", port 8080: ${cause.message}`,
    );
  });

  Deno.test(`${name}: errors of node:net are told apart by their code`, async () => {
    const messages: Record<string, RegExp> = {
      EADDRINUSE: /is in use/,
      EACCES: /may not listen/,
      EADDRNOTAVAIL: /is not an address/,
      EINVAL: /is not an address/,
      EAFNOSUPPORT: /cannot listen/,
    };
    for (const [code, message] of Object.entries(messages)) {
      const error = Object.assign(new Error(code), { code });
      await assert.rejects(bind({ ...HTTP, hostname: "127.0.0.1" }, () => fail(error)), message);
    }
  });
}
