import assert from "node:assert/strict";
import { join } from "node:path";
import { type Config } from "../../src/service/config/mod.ts";
import { defaultConfig } from "../support/config.ts";
import { developmentCertificate } from "../../src/service/certificates/mod.ts";
import { checkCertificate, checkDevelopment } from "../../src/service/doctor/certificates.ts";
import { ok, perform } from "../../src/service/doctor/check.ts";
import { type Check, formatDoctor, runDoctor } from "../../src/service/doctor/mod.ts";
import { checkTcp, checkUdp } from "../../src/service/doctor/ports.ts";
import {
  judgeBuffer,
  judgeClock,
  judgeDescriptors,
  judgeRuntime,
  measureBuffer,
  measureDescriptors,
  WANTED_PACKETS,
} from "../../src/service/doctor/system.ts";
import { makeCertificate } from "../support/certificate.ts";

const DAY = 86_400_000;

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-doctor-test-" });
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A configuration that any machine can serve: loopback and free ports. */
function config(directory: string, change: (config: Config) => Partial<Config> = () => ({})): Config {
  const base = defaultConfig();
  const local = {
    ...base,
    http: { ...base.http, hostname: "127.0.0.1", port: 0 },
    quic: { ...base.quic, hostname: "127.0.0.1", port: 0 },
    certificates: { ...base.certificates, directory },
  };
  return { ...local, ...change(local) };
}

const named = (checks: readonly Check[], name: string) => {
  const check = checks.find((check) => check.name === name);
  assert.ok(check, `${name} among ${checks.map(({ name }) => name)}`);
  return check;
};

Deno.test("doctor: a machine that can serve passes, with a loop through QUIC and one through a WebSocket", async () => {
  await withDirectory(async (directory) => {
    const { checks, ok } = await runDoctor({ config: config(directory) });
    assert.equal(ok, true, formatDoctor({ checks }));
    for (
      const name of [
        "QUIC loop",
        "WebSocket loop",
        "HTTP port",
        "QUIC port",
        "clock",
        "token keys",
        "runtime",
      ]
    ) {
      assert.equal(named(checks, name).status, "ok", formatDoctor({ checks }));
    }
    assert.deepEqual(Array.from(Deno.readDirSync(directory)), [], "it changes nothing");
  });
});

Deno.test("doctor: ports in use fail and the advice names Skein itself", async () => {
  const tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const udp = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  try {
    await withDirectory(async (directory) => {
      const report = await runDoctor({
        config: config(directory, ({ http, quic }) => ({
          http: { ...http, port: tcp.addr.port },
          quic: { ...quic, port: udp.addr.port },
        })),
      });
      assert.equal(report.ok, false);
      for (const name of ["HTTP port", "QUIC port"]) {
        const { status, message, advice } = named(report.checks, name);
        assert.equal(status, "fail");
        assert.match(message, /cannot be bound/);
        assert.match(advice!, /Skein running already/);
      }
    });
  } finally {
    tcp.close();
    udp.close();
  }
});

Deno.test("doctor: an address that is not this machine's fails with advice about the hostname", () => {
  for (const check of [checkTcp, checkUdp]) {
    const { status, advice } = check({ hostname: "192.0.2.1", port: 0 });
    assert.equal(status, "fail");
    assert.match(advice!, /hostname/);
  }
});

Deno.test("doctor: with QUIC switched off nothing of QUIC is checked", async () => {
  await withDirectory(async (directory) => {
    const { checks } = await runDoctor({
      config: config(directory, ({ quic }) => ({ quic: { ...quic, enabled: false } })),
    });
    assert.deepEqual(checks.map(({ name }) => name).filter((name) => /QUIC|UDP/.test(name)), ["QUIC"]);
    assert.match(named(checks, "QUIC").message, /switched off/);
  });
});

Deno.test("doctor: a certificate is judged by its end, its names, its key and who may read that", async () => {
  await withDirectory(async (directory) => {
    const { cert, key } = await makeCertificate({ names: ["skein.example"], days: 30 });
    const paths = { cert: join(directory, "tls.crt"), key: join(directory, "tls.key") };
    const now = Date.now();
    assert.equal((await checkCertificate(paths, undefined, now)).status, "fail");
    await Deno.writeTextFile(paths.cert, cert);
    await Deno.writeTextFile(paths.key, key);
    await Deno.chmod(paths.key, 0o600);
    const good = await checkCertificate(paths, "skein.example", now);
    assert.equal(good.status, "ok");
    assert.match(good.message, /For skein\.example; 29 days left; browsers accept it only from an authority/);
    const foreign = await checkCertificate(paths, "other.example", now);
    assert.deepEqual([foreign.status, /other\.example/.test(foreign.message)], ["fail", true]);
    const soon = await checkCertificate(paths, undefined, now + 25 * DAY);
    assert.deepEqual([soon.status, /ends soon/.test(soon.message)], ["warn", true]);
    const over = await checkCertificate(paths, undefined, now + 31 * DAY);
    assert.deepEqual([over.status, /expired/.test(over.message)], ["fail", true]);
    await Deno.chmod(paths.key, 0o644);
    const open = await checkCertificate(paths, undefined, now);
    assert.deepEqual([open.status, open.advice], ["warn", `chmod 600 ${paths.key}`]);
  });
});

Deno.test("doctor: the development certificate is judged without being made", async () => {
  await withDirectory(async (directory) => {
    const now = Date.now();
    assert.match((await checkDevelopment(directory, now)).message, /first start makes/);
    await developmentCertificate({ directory }, now);
    assert.match((await checkDevelopment(directory, now)).message, /browsers accept it by its hash/);
    assert.match((await checkDevelopment(directory, now + 12 * DAY)).message, /about to end/);
    assert.match((await checkDevelopment(directory, now + 20 * DAY)).message, /next start makes.*expired/);
  });
});

Deno.test("doctor: a key set that cannot be had fails, and one that can is counted", async () => {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const jwk = await crypto.subtle.exportKey("jwk", pair.publicKey);
  let up = false;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => up ? Response.json({ keys: [{ ...jwk, kid: "a" }] }) : new Response(null, { status: 503 }),
  );
  try {
    await withDirectory(async (directory) => {
      const url = `http://127.0.0.1:${server.addr.port}/jwks`;
      const settings = config(directory, ({ auth }) => ({
        auth: {
          ...auth,
          jwks: { url, cacheTime: 60_000, timeout: 5_000, algorithms: ["ES256"], cooldown: 30_000 },
        },
      }));
      const down = named((await runDoctor({ config: settings })).checks, "token keys");
      assert.deepEqual([down.status, /status 503/.test(down.message)], ["fail", true]);
      up = true;
      const there = named((await runDoctor({ config: settings })).checks, "token keys");
      assert.deepEqual([there.status, there.message], ["ok", "0 configured, 1 of auth.jwks.url."]);
    });
  } finally {
    await server.shutdown();
  }
});

Deno.test("doctor: a key that cannot be used fails without telling it", async () => {
  await withDirectory(async (directory) => {
    const secret = "much too short";
    const { checks, ok } = await runDoctor({
      config: config(directory, ({ auth }) => ({ auth: { ...auth, keys: [{ alg: "HS256", secret }] } })),
    });
    assert.equal(ok, false);
    assert.match(named(checks, "token keys").message, /keys\[0\]: secret: at least 32 bytes/);
    assert.ok(!formatDoctor({ checks }).includes(secret));
  });
});

Deno.test("doctor: buffers, limits, clock and runtime are judged against what is needed", () => {
  assert.equal(judgeBuffer(WANTED_PACKETS).status, "ok");
  const small = judgeBuffer(92);
  assert.equal(small.status, "warn");
  assert.match(small.advice!, /net\.core\.rmem_default=4194304/);
  assert.equal(judgeDescriptors(Infinity, 10_000).status, "ok");
  assert.equal(judgeDescriptors(10_128, 10_000).status, "ok");
  assert.match(judgeDescriptors(1024, 10_000).advice!, /ulimit -n 10128/);
  assert.equal(judgeClock(Date.UTC(2026, 5, 1)).status, "ok");
  for (const wrong of [0, Date.UTC(2024, 0, 1), Date.UTC(2200, 0, 1), NaN, Infinity]) {
    assert.equal(judgeClock(wrong).status, "fail", String(wrong));
  }
  assert.equal(judgeRuntime("2.9.6", true).status, "ok");
  assert.equal(judgeRuntime("2.10.0", true).status, "warn");
  assert.equal(judgeRuntime("2.9.6", false).status, "fail");
});

Deno.test("doctor: the packets a UDP socket keeps are counted", async () => {
  const kept = await measureBuffer(new AbortController().signal);
  assert.ok(kept > 0 && kept <= WANTED_PACKETS, String(kept));
});

Deno.test("doctor: the limit of open files is read from procfs, and found by opening files where it cannot be", async () => {
  await withDirectory(async (proc) => {
    assert.equal(await measureDescriptors(proc, 10), 138);
    await Deno.mkdir(join(proc, "self"));
    const limits = join(proc, "self", "limits");
    await Deno.writeTextFile(
      limits,
      "Max processes  1  1\nMax open files            4096      8192      files\n",
    );
    assert.equal(await measureDescriptors(proc, 10), 4096);
    await Deno.writeTextFile(
      limits,
      "Max open files            unlimited            unlimited            files\n",
    );
    assert.equal(await measureDescriptors(proc, 10), Infinity);
  });
});

Deno.test("doctor: a check that throws or never ends fails, and its signal is aborted", async () => {
  const thrown = await perform("a", 5_000, () => {
    throw new Error("no such thing.");
  });
  assert.deepEqual(thrown, { name: "a", status: "fail", message: "no such thing." });
  let aborted = false;
  const stuck = await perform("b", 20, (signal) => {
    signal.addEventListener("abort", () => aborted = true);
    return new Promise(() => {});
  });
  assert.deepEqual([stuck.status, stuck.message, aborted], ["fail", "no result within 20 ms.", true]);
  assert.deepEqual(await perform("c", 5_000, () => ok("fine")), { name: "c", status: "ok", message: "fine" });
});

Deno.test("doctor: findings are printed in columns with advice below and a count at the end", () => {
  const checks: Check[] = [
    { name: "clock", status: "ok", message: "Right." },
    { name: "UDP buffers", status: "warn", message: "Small.", advice: "Raise it." },
    { name: "port", status: "fail", message: "Taken.", advice: "Another." },
  ];
  assert.equal(
    formatDoctor({ checks }),
    [
      "ok    clock        Right.",
      "warn  UDP buffers  Small.",
      "                   -> Raise it.",
      "fail  port         Taken.",
      "                   -> Another.",
      "",
      "1 failure, 1 warning.",
      "",
    ].join("\n"),
  );
  assert.match(formatDoctor({ checks: checks.slice(0, 1) }), /This machine can serve\.\n$/);
  assert.match(formatDoctor({ checks: checks.slice(0, 2) }), /\n1 warning\.\n$/);
});
