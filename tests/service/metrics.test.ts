import assert from "node:assert/strict";
import fc from "fast-check";
import { createLogger } from "../../src/service/log/mod.ts";
import { Exposition } from "../../src/service/metrics/exposition.ts";
import { MetricsModule } from "../../src/service/metrics/module.ts";
import { counter, counters, gauge, histograms, type Series } from "../../src/service/metrics/series.ts";
import { Histogram } from "../../src/service/metrics/histogram.ts";
import { ProcessModule } from "../../src/service/process/module.ts";
import { ProcessSampler } from "../../src/service/process/sampler.ts";
import type { Thresholds } from "../../src/service/sessions/diagnostics.ts";
import { connectionFigures } from "../../src/service/sessions/figures.ts";
import { ConnectionObserver } from "../../src/service/sessions/observer.ts";
import { connectionSeries } from "../../src/service/sessions/series.ts";
import type { Sessions } from "../../src/session/mod.ts";
import { parseExposition } from "./metrics_support.ts";

const KINDS = ["webtransport", "quic", "websocket"] as const;
const THRESHOLDS: Thresholds = { rtt: 500, loss: 0.05, outbox: 0.5, maxOutbox: 1000 };

interface Line {
  readonly level: string;
  readonly event: string;
  readonly fields: Record<string, unknown>;
}

const NO_TRAFFIC = { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };

/** What the figures read of sessions, without any connection. */
function noSessions(traffic = { quic: NO_TRAFFIC }): Sessions {
  return {
    traffic: () => ({ webtransport: NO_TRAFFIC, websocket: NO_TRAFFIC, memory: NO_TRAFFIC, ...traffic }),
    counts: { attached: 7, detached: 8 },
    connections: new Set([
      { transport: "quic", connectionId: "c1", outbox: { bytes: 60, length: 5 } },
      { transport: "quic", connectionId: "c2", outbox: { bytes: 40, length: 4 } },
    ]),
  } as unknown as Sessions;
}

function make(given: Partial<{ thresholds: Thresholds; now: () => number; sessions: Sessions }> = {}) {
  const lines: Line[] = [];
  const observer = new ConnectionObserver({
    log: (level, event, fields) => lines.push({ level, event, fields }),
    thresholds: () => given.thresholds ?? THRESHOLDS,
    ...(given.now ? { now: given.now } : {}),
  });
  const sessions = given.sessions ?? noSessions();
  const series = connectionSeries(observer.counters, () => sessions);
  return { observer, lines, series, figures: () => connectionFigures(observer.counters, sessions) };
}

async function scrape(series: readonly Series[]) {
  return parseExposition(await new Exposition(series).render());
}

/**
 * Validates: a line is written when a figure is above its threshold, at most once in a period, with those left out
 * counted.
 */
Deno.test("Feature: quic-transport, Property 20: diagnostic log (when a line is due)", () => {
  const QUIET = 10_000;
  const sample = fc.record({
    kind: fc.constantFrom(...KINDS),
    what: fc.constantFrom("rtt", "loss", "outbox"),
    // In steps of a quarter of the threshold: below, at, and above it.
    quarters: fc.integer({ min: 0, max: 12 }),
    after: fc.constantFrom(0, 1, 4_000, QUIET - 1, QUIET, 30_000),
    connection: fc.option(fc.uuid(), { nil: undefined }),
  });
  const thresholds = fc.record({
    rtt: fc.integer({ min: 4, max: 4000 }),
    loss: fc.integer({ min: 1, max: 33 }).map((n) => n / 100),
    outbox: fc.integer({ min: 1, max: 100 }).map((n) => n / 100),
    maxOutbox: fc.integer({ min: 400, max: 1_000_000 }),
  });
  const events = { rtt: "latency_high", loss: "loss_high", outbox: "queue_high" } as const;
  fc.assert(
    fc.property(thresholds, fc.array(sample, { maxLength: 60 }), (limits, samples) => {
      let now = 1_000_000;
      const { observer, lines } = make({ thresholds: limits, now: () => now });
      const last = new Map<string, { at: number; suppressed: number }>();
      const expected: Line[] = [];
      for (const { kind, what, quarters, after, connection } of samples) {
        const of = connection === undefined
          ? undefined
          : { describe: () => ({ transport: kind, connection, outboxBytes: 7 }) };
        now += after;
        const limit = what === "outbox" ? limits.outbox * limits.maxOutbox : limits[what as "rtt" | "loss"];
        const value = limit * quarters / 4;
        if (what === "rtt") observer.rtt(kind, value, of);
        else if (what === "loss") observer.report(kind, { loss: value }, of);
        else observer.outbox(kind, value, of);
        if (!(value > limit)) continue;
        if (what === "loss" && value > 1) continue;
        const key = `${kind} ${what}`;
        const before = last.get(key);
        if (before !== undefined && now - before.at < QUIET) {
          before.suppressed++;
          continue;
        }
        last.set(key, { at: now, suppressed: 0 });
        expected.push({
          level: "warn",
          event: events[what as keyof typeof events],
          fields: {
            ...(of?.describe() ?? { transport: kind }),
            ...(what === "rtt"
              ? { rttMs: value, thresholdMs: limit }
              : what === "loss"
              ? { loss: value, threshold: limit }
              : { bytes: value, limitBytes: limits.maxOutbox, threshold: limits.outbox }),
            ...(before === undefined || before.suppressed === 0 ? {} : { suppressed: before.suppressed }),
          },
        });
      }
      assert.deepEqual(lines, expected);
    }),
    { numRuns: 200 },
  );
});

Deno.test("diagnostics: a line holds nothing of a report but what it is about", () => {
  const { observer, lines } = make();
  const report = { loss: 0.9, fallbackFrom: "secret-token", text: "payload", token: "secret-token" };
  observer.report("quic", report, { describe: () => ({ transport: "quic", connection: "c1" }) });
  assert.equal(lines.length, 1);
  assert.deepEqual(Object.keys(lines[0]!.fields).sort(), ["connection", "loss", "threshold", "transport"]);
  assert.doesNotMatch(JSON.stringify(lines), /secret|payload/);
});

/**
 * Validates: after any openings and closings the gauges are the connections that are left, and the ratios their shares.
 */
Deno.test("Feature: quic-transport, Property 21: transport ratio (as counted)", async () => {
  // Each step opens a connection of a transport, or closes one that is open.
  const steps = fc.array(fc.record({ kind: fc.constantFrom(...KINDS), open: fc.boolean() }), {
    maxLength: 80,
  });
  await fc.assert(
    fc.asyncProperty(steps, async (given) => {
      const { observer, series, figures } = make();
      const active: Record<string, number> = { webtransport: 0, quic: 0, websocket: 0 };
      const opened: Record<string, number> = { ...active };
      for (const { kind, open } of given) {
        if (open) {
          observer.opened(kind);
          active[kind]!++;
          opened[kind]!++;
        } else if (active[kind]! > 0) {
          observer.closed(kind, 1000, "remote", 10);
          active[kind]!--;
        }
      }
      const all = Object.values(active).reduce((a, b) => a + b, 0);
      const text = await scrape(series);
      let sum = 0;
      for (const kind of KINDS) {
        const labels = { transport: kind };
        assert.equal(text.value("skein_connections", labels), active[kind]);
        assert.equal(text.value("skein_connections_total", labels), opened[kind]);
        const ratio = text.value("skein_transport_ratio", labels)!;
        assert.equal(ratio, all === 0 ? 0 : active[kind]! / all);
        sum += ratio;
      }
      assert.ok(Math.abs(sum - (all === 0 ? 0 : 1)) < 1e-9, `ratios sum to ${sum} with ${all} connections`);
      const { connections, transports } = figures();
      assert.equal(connections, all);
      for (const kind of KINDS) assert.equal(transports[kind]!.active, active[kind]);
    }),
    { numRuns: 100 },
  );
});

Deno.test("metrics: /stats tells loss, reconnects and lifetimes as the metrics do", () => {
  const { observer, figures } = make();
  for (const loss of [0.03, 0.05, 0.01]) observer.report("quic", { loss });
  observer.reconnected("quic");
  observer.opened("quic");
  observer.closed("quic", 1000, "remote", 30_000);
  const { loss, lifetime, reconnects } = figures().transports.quic!;
  assert.deepEqual([loss.count, loss.mean.toFixed(3)], [3, "0.030"]);
  assert.ok(loss.p50 > 0.01 && loss.p50 <= 0.05 && loss.p99 <= 0.05, JSON.stringify(loss));
  assert.deepEqual([lifetime.count, lifetime.meanMs, reconnects], [1, 30_000, 1]);
  assert.deepEqual(figures().transports.websocket!.loss, { count: 0, mean: 0, p50: 0, p90: 0, p99: 0 });
});

Deno.test("metrics: every observation of a connection shows under its labels", async () => {
  const { observer, series } = make();
  observer.authenticated("quic", "ok");
  observer.authenticated("quic", "invalid_token");
  observer.error("websocket", "rate_limited");
  observer.dropped("websocket", "ephemeral", 3);
  observer.dropped("websocket", "ephemeral", 2);
  observer.migrated("webtransport");
  observer.resumed("quic", "resumed");
  observer.resumed("websocket", "resumed");
  observer.opened("quic");
  observer.closed("quic", 3012, "local", 30_000);
  observer.report("websocket", { fallbackFrom: "webtransport", connectTime: 120, migrationFailed: true });
  observer.report("quic", { loss: 0.03 });
  observer.reconnected("quic");
  const s = await scrape(series);
  assert.equal(s.value("skein_connection_lifetime_seconds_sum", { transport: "quic" }), 30);
  assert.equal(s.value("skein_client_loss_ratio_bucket", { transport: "quic", le: "0.02" }), 0);
  assert.equal(s.value("skein_client_loss_ratio_bucket", { transport: "quic", le: "0.05" }), 1);
  assert.equal(s.value("skein_client_reconnects_total", { transport: "quic" }), 1);
  assert.equal(s.value("skein_auth_total", { transport: "quic", result: "ok" }), 1);
  assert.equal(s.value("skein_auth_total", { transport: "quic", result: "invalid_token" }), 1);
  assert.equal(s.value("skein_errors_total", { transport: "websocket", code: "rate_limited" }), 1);
  assert.equal(s.value("skein_drops_total", { transport: "websocket", grade: "ephemeral" }), 5);
  assert.equal(s.value("skein_migrations_total", { transport: "webtransport" }), 1);
  assert.equal(s.value("skein_migration_failures_total", { transport: "websocket" }), 1);
  assert.equal(s.value("skein_resumes_total", { outcome: "resumed" }), 2);
  assert.equal(s.value("skein_closes_total", { transport: "quic", code: "3012" }), 1);
  assert.equal(s.value("skein_fallbacks_total", { from: "webtransport" }), 1);
  assert.equal(s.value("skein_client_connect_seconds_sum", {}), 0.12);
});

Deno.test("metrics: histograms count each observation once, in every bucket that takes it", async () => {
  const times = fc.array(fc.double({ min: 0, max: 20_000, noNaN: true }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(times, async (ms) => {
      const { observer, series } = make();
      for (const one of ms) observer.rtt("quic", one);
      const s = await scrape(series);
      const buckets = s.all("skein_rtt_seconds_bucket", { transport: "quic" });
      assert.ok(buckets.length > 5);
      for (const { labels, value } of buckets) {
        const bound = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
        assert.equal(value, ms.filter((one) => one / 1000 <= bound).length, `le ${labels["le"]}`);
      }
      assert.equal(s.value("skein_rtt_seconds_count", { transport: "quic" }), ms.length);
      const sum = ms.reduce((a, b) => a + b / 1000, 0);
      assert.ok(Math.abs(s.value("skein_rtt_seconds_sum", { transport: "quic" })! - sum) < 1e-6);
    }),
    { numRuns: 100 },
  );
});

Deno.test("metrics: what clients report cannot make them grow nor spoil them", async () => {
  const { observer, series } = make();
  for (let i = 0; i < 1000; i++) observer.report("quic", { fallbackFrom: `x${i}"} 1\n` });
  for (let i = 0; i < 1000; i++) {
    observer.opened("websocket");
    observer.closed("websocket", 4000 + i, "remote", i);
  }
  for (const bad of [NaN, -1, Infinity, -Infinity, 1e300]) {
    observer.rtt("quic", bad);
    observer.report("quic", { connectTime: bad, loss: bad });
    observer.handled("quic", bad === 1e300 ? NaN : bad);
  }
  const s = await scrape(series);
  assert.deepEqual(s.all("skein_fallbacks_total", {}), [{ labels: { from: "other" }, value: 1000 }]);
  assert.equal(s.all("skein_closes_total", {}).length, 1);
  assert.equal(s.value("skein_closes_total", { transport: "websocket", code: "other" }), 1000);
  assert.equal(s.value("skein_rtt_seconds_count", { transport: "quic" }), 0);
  assert.equal(s.value("skein_handle_seconds_count", { transport: "quic" }), 0);
  assert.equal(s.value("skein_client_connect_seconds_count", {}), 0);
});

Deno.test("metrics: traffic, outboxes and sessions are read at each scrape", async () => {
  const traffic = { bytesIn: 1, bytesOut: 2, messagesIn: 3, messagesOut: 4 };
  const { series } = make({ sessions: noSessions({ quic: traffic }) });
  const first = await scrape(series);
  assert.equal(first.value("skein_sessions", { state: "detached" }), 8);
  assert.equal(first.value("skein_outbox_bytes", {}), 100);
  assert.equal(first.value("skein_outbox_max_bytes", {}), 60);
  assert.equal(first.value("skein_outbox_max_messages", {}), 5);
  assert.equal(first.value("skein_messages_total", { transport: "quic", direction: "out" }), 4);
  traffic.bytesIn += 10;
  traffic.bytesOut += 10;
  const second = await scrape(series);
  assert.equal(second.value("skein_bytes_total", { transport: "quic", direction: "in" }), 11);
  assert.equal(second.value("skein_bytes_total", { transport: "quic", direction: "out" }), 12);
});

Deno.test("metrics: a series without a value is left out", async () => {
  let value: number | undefined;
  const exposition = new Exposition([
    gauge("skein_a", "A gauge.", () => value),
    counter("skein_b_total", "A counter.", () => value),
  ]);
  const read = async () => parseExposition(await exposition.render());
  assert.deepEqual((await read()).all("skein_a", {}), []);
  value = 3;
  assert.equal((await read()).value("skein_a", {}), 3);
  assert.equal((await read()).value("skein_b_total", {}), 3);
  value = undefined;
  assert.deepEqual((await read()).all("skein_a", {}), []);
});

Deno.test("metrics: a series that several modules give shows the samples of all", async () => {
  const one = (label: string, value: number) =>
    counters("skein_a_total", "Some.", ["of"], () => [[[label], value]]);
  const s = await scrape([one("x", 1), gauge("skein_b", "Other.", () => 5), one("y", 2)]);
  assert.equal(s.value("skein_a_total", { of: "x" }), 1);
  assert.equal(s.value("skein_a_total", { of: "y" }), 2);
  assert.equal(s.value("skein_b", {}), 5);
});

Deno.test("metrics: one name for two things is refused", () => {
  const histogram = histograms("skein_a", "Some.", [], [1], () => [[[], new Histogram([1])]]);
  for (
    const other of [
      gauge("skein_a", "Other.", () => 1),
      counter("skein_a", "Some.", () => 1),
      histogram,
    ]
  ) {
    assert.throws(() => new Exposition([gauge("skein_a", "Some.", () => 1), other]), /skein_a is described/);
  }
});

Deno.test("metrics: several scrapes at once say the same", async () => {
  let series = 0, value = 0;
  const metrics = new MetricsModule(() => {
    series++;
    return [gauge("skein_a", "Some.", () => value)];
  });
  value = 7;
  const bodies = await Promise.all([1, 2, 3, 4].map(() => metrics.expose()));
  for (const { body, contentType } of bodies) {
    assert.equal(parseExposition(body).value("skein_a", {}), 7);
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
  }
  assert.equal(series, 1, "the list of series is made once");
});

Deno.test("process: what runs and what it uses are metrics", async () => {
  const log = createLogger({ write: () => {} });
  const { series } = new ProcessModule("node", "1.2.3", log);
  const s = await scrape(series);
  assert.equal(s.value("skein_unhandled_rejections_total", {}), 0);
  assert.equal(s.value("skein_build_info", { version: "1.2.3", deno: Deno.version.deno }), 1);
  assert.ok(s.value("skein_process_resident_memory_bytes", {})! > 1e6);
  assert.ok(s.value("skein_process_heap_bytes", {})! > 1e5);
  assert.ok(s.value("skein_process_cpu_seconds_total", {})! > 0.01);
  assert.ok(s.value("skein_process_lowest_free_descriptor", {})! > 2);
});

Deno.test("process: descriptors that are open are counted where /proc can be read", async () => {
  const { series } = new ProcessModule("node", "1.2.3", createLogger({ write: () => {} }));
  const before = (await scrape(series)).value("skein_process_open_descriptors", {});
  if (before === undefined) return;
  const listeners = Array.from({ length: 20 }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  try {
    const after = (await scrape(series)).value("skein_process_open_descriptors", {})!;
    assert.ok(after >= before + 20, `${before} before, ${after} after`);
  } finally {
    for (const listener of listeners) listener.close();
  }
});

Deno.test("process: an unhandled rejection is counted and logged while the module runs", async () => {
  const logged = Promise.withResolvers<string>();
  const process = new ProcessModule("node", "1.2.3", createLogger({ write: (line) => logged.resolve(line) }));
  process.start();
  try {
    void Promise.reject(new Error("nobody catches this"));
    assert.match(await logged.promise, /nobody catches this/);
    assert.equal(process.status()["unhandledRejections"], 1);
    assert.equal((await scrape(process.series)).value("skein_unhandled_rejections_total", {}), 1);
  } finally {
    process.close();
  }
});

Deno.test("process: the lag of the event loop is sampled between start and stop", async () => {
  const sampler = new ProcessSampler();
  sampler.start();
  try {
    const until = Date.now() + 300;
    while (Date.now() < until);
    // The late timer fires once the loop is free again.
    for (let i = 0; i < 500 && sampler.read().lagMaxSeconds === 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(sampler.read().lagMaxSeconds > 0.01);
  } finally {
    sampler.stop();
  }
});
