/** The decisions of the SDK by themselves: properties over chance, time as numbers. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { systemClock } from "../../src/client/clock.ts";
import { Backoff } from "../../src/client/policy/backoff.ts";
import { CircuitBreaker } from "../../src/client/policy/breaker.ts";
import { Health, NOTICE_WITHIN } from "../../src/client/policy/health.ts";
import { Meter, percentile } from "../../src/client/policy/meter.ts";
import { memoryStorage, PreferenceCache } from "../../src/client/policy/preference.ts";
import { ProbeSchedule } from "../../src/client/policy/probing.ts";
import { isWorthwhile, PathJudge } from "../../src/client/policy/quality.ts";
import { type Path, planDials } from "../../src/client/policy/paths.ts";
import { seeded } from "./support.ts";

const RUNS = { numRuns: 200 };
const path = fc.constantFrom<Path>("quic", "websocket");

Deno.test("paths: QUIC is dialled first, WebSocket after its head start", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(path),
      fc.uniqueArray(path),
      fc.option(path, { nil: undefined }),
      fc.integer({ min: 0, max: 5000 }),
      (available, broken, preferred, headStart) => {
        available.sort();
        const steps = planDials({ available, broken, preferred, headStart });
        const whole = available.filter((each) => !broken.includes(each));
        const expected = whole.length > 0 ? whole : available;
        assert.deepEqual(steps.map(({ path }) => path).sort(), expected);
        assert.ok(steps.length === 0 || steps[0]!.at === 0);
        if (expected.length < 2) return;
        // What won last time is dialled alone: QUIC only when WebSocket has failed.
        const order = preferred === "websocket"
          ? [{ path: "websocket", at: 0 }, { path: "quic", at: Infinity }]
          : [{ path: "quic", at: 0 }, { path: "websocket", at: headStart }];
        assert.deepEqual(steps, order);
      },
    ),
    RUNS,
  );
});

Deno.test("backoff: waits double from 1 to 30 s, shortened by at most half, and begin anew only after a life", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(fc.oneof(fc.constant("fail" as const), fc.integer({ min: 0, max: 120_000 })), {
        maxLength: 40,
      }),
      (seed, events) => {
        const backoff = new Backoff(seeded(seed));
        let attempt = 0;
        for (const event of events) {
          if (event === "fail") {
            const full = Math.min(30_000, 1000 * 2 ** attempt++);
            const wait = backoff.next();
            assert.ok(wait > full / 2 && wait <= full, `${wait} after ${attempt} failures`);
          } else {
            backoff.lived(event);
            if (event >= 30_000) attempt = 0;
          }
          assert.equal(backoff.attempt, attempt);
        }
      },
    ),
    RUNS,
  );
});

Deno.test("breaker: five failures in a row close a path for five minutes, unless something ends it early", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.constantFrom("fail", "succeed", "close"), fc.integer({ min: 0, max: 200_000 })),
        { maxLength: 60 },
      ),
      (events) => {
        const breaker = new CircuitBreaker();
        let now = 1_000_000, failures = 0, openUntil = 0;
        for (const [event, ms] of events) {
          now += ms;
          assert.equal(breaker.allows(now), now >= openUntil);
          if (event === "fail") {
            breaker.failed(now);
            if (++failures >= 5) openUntil = now + 300_000;
          } else if (event === "succeed") {
            breaker.succeeded();
            failures = openUntil = 0;
          } else {
            breaker.close();
            openUntil = 0;
          }
          assert.equal(breaker.allows(now), now >= openUntil);
          assert.equal(breaker.failures, failures);
        }
      },
    ),
    RUNS,
  );
});

Deno.test("preference: a path is believed for its server and network until it is too old", () => {
  const where = fc.tuple(
    fc.constantFrom("a.example", "b.example:8080"),
    fc.constantFrom("wifi", "cellular", ""),
  );
  const event = fc.oneof(
    fc.tuple(fc.constant("set" as const), where, path),
    fc.tuple(fc.constant("drop" as const), where, path),
    fc.tuple(fc.constant("wait" as const), fc.integer({ min: 0, max: 3_000_000 }), path),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.boolean(), (events, reloads) => {
      const storage = memoryStorage();
      let cache = new PreferenceCache({ storage });
      let now = 5_000_000;
      const known = new Map<string, { path: Path; at: number }>();
      for (const [what, at, value] of events) {
        if (what === "wait") now += at as number;
        else {
          const [server, network] = at as [string, string];
          if (what === "set") {
            cache.set(server, network, value, now);
            known.set(`${server} ${network}`, { path: value, at: now });
          } else {
            cache.drop(server, network);
            known.delete(`${server} ${network}`);
          }
        }
        if (reloads) cache = new PreferenceCache({ storage });
        for (const server of ["a.example", "b.example:8080"]) {
          for (const network of ["wifi", "cellular", ""]) {
            const entry = known.get(`${server} ${network}`);
            const expected = entry !== undefined && now - entry.at < 3_600_000 ? entry.path : undefined;
            assert.equal(cache.get(server, network, now), expected);
          }
        }
      }
    }),
    RUNS,
  );
});

Deno.test("preference: one that cannot be read is none", () => {
  for (
    const text of [
      "",
      "{",
      "null",
      "[]",
      '{"path":"pigeon","at":1}',
      '{"path":"quic","at":"now"}',
      '{"path":"quic","at":99999}',
    ]
  ) {
    const cache = new PreferenceCache({ storage: { getItem: () => text, setItem() {}, removeItem() {} } });
    assert.equal(cache.get("a", "b", 1000), undefined, text);
  }
  const broken = () => {
    throw new Error("forbidden");
  };
  const cache = new PreferenceCache({ storage: { getItem: broken, setItem: broken, removeItem: broken } });
  cache.set("a", "b", "quic", 1);
  assert.equal(cache.get("a", "b", 1), undefined);
});

Deno.test("probing: probes come ever more seldom, never before a breaker allows, and anew after a change", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(fc.tuple(fc.constantFrom("failed", "reset"), fc.integer({ min: 0, max: 400_000 })), {
        maxLength: 40,
      }),
      (seed, events) => {
        const schedule = new ProbeSchedule(seeded(seed));
        let failures = 0;
        for (const [event, brokenFor] of events) {
          if (event === "failed") {
            schedule.failed();
            failures++;
          } else {
            schedule.reset();
            failures = 0;
          }
          const full = Math.min(300_000, 5000 * 2 ** failures);
          const wait = schedule.next(10_000, 10_000 + brokenFor);
          assert.ok(wait >= brokenFor && wait <= Math.max(full, brokenFor));
          assert.ok(wait > full / 2 || wait === brokenFor);
        }
      },
    ),
    RUNS,
  );
});

Deno.test("health: a dead path is noticed within 10 s, a living one is never given up", () => {
  fc.assert(
    fc.property(
      fc.record({
        interval: fc.integer({ min: 500, max: 20_000 }),
        timeout: fc.integer({ min: 1000, max: 60_000 }),
      }),
      fc.integer({ min: 1, max: 900 }),
      fc.integer({ min: 0, max: 120_000 }),
      fc.array(fc.integer({ min: 1, max: 30_000 }), { maxLength: 10 }),
      fc.array(fc.integer({ min: 0, max: 130_000 }), { maxLength: 5 }),
      (settings, rtt, diesAt, chatter, suspicions) => {
        // A short timeout leaves a slow path no time for an answer: nobody sets that.
        fc.pre(settings.timeout * 0.3 > rtt && settings.interval < settings.timeout - rtt);
        const health = new Health(settings, 0);
        const pongs: number[] = [];
        const events = chatter.map((ms, i) => ms + i).filter((ms) => ms < diesAt);
        let now = 0, last = 0;
        const act = (action: string): boolean => {
          if (action === "ping" && now < diesAt) pongs.push(now + rtt);
          return action === "dead";
        };
        for (let steps = 0; steps < 100_000; steps++) {
          const arrivals = [...pongs, ...events].filter((at) => at >= now && at < diesAt);
          const suspicion = Math.min(...suspicions.filter((at) => at > now), Infinity);
          const check = health.next(now);
          const arrival = Math.min(...arrivals, Infinity);
          now = Math.min(arrival, suspicion, check);
          if (now === arrival) {
            for (const list of [pongs, events]) {
              for (let i = list.length - 1; i >= 0; i--) if (list[i]! === now) list.splice(i, 1);
            }
            last = now;
            health.received(now);
          } else if (now === suspicion) {
            suspicions = suspicions.filter((at) => at !== now);
            if (act(health.suspect(now))) break;
          } else if (act(health.check(now))) break;
          assert.ok(now <= diesAt + NOTICE_WITHIN, `still thought alive at ${now}, dead since ${diesAt}`);
        }
        assert.ok(now - last <= NOTICE_WITHIN, `noticed ${now - last} ms after the last sign of life`);
        assert.ok(now >= diesAt, `given up at ${now}, alive until ${diesAt}`);
      },
    ),
    RUNS,
  );
});

Deno.test("health: after a sleep the path gets a moment to answer before it is given up", () => {
  const health = new Health({ interval: 7000, timeout: 10_000 }, 0);
  const due = health.next(0);
  assert.equal(health.check(due), "ping");
  health.next(due);
  // The deadline of that ping passed while nothing ran.
  assert.equal(health.check(due + 60_000), "ping");
  const deadline = health.next(due + 60_000);
  assert.ok(deadline - (due + 60_000) <= 3000);
  health.received(deadline - 1);
  assert.equal(health.check(deadline), "none");
});

Deno.test("meter: round trips, losses, throughput and reconnects are what was measured", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 10_000, noNaN: true }), { minLength: 1, maxLength: 128 }),
      fc.array(fc.boolean(), { maxLength: 128 }),
      fc.array(fc.tuple(fc.nat(1e6), fc.nat(1e6)), { minLength: 1, maxLength: 10 }),
      fc.integer({ min: 1, max: 60_000 }),
      (rtts, lost, connections, ms) => {
        const meter = new Meter(0);
        for (const [bytesIn, bytesOut] of connections) {
          meter.connected("webtransport", { bytesIn, bytesOut, messagesIn: 1, messagesOut: 2 }, 7);
        }
        for (const rtt of rtts) meter.roundTrip(rtt);
        for (const each of lost) meter.datagram(each);
        const metrics = meter.measure(ms);
        const sorted = [...rtts].sort((a, b) => a - b);
        assert.equal(metrics.rtt?.p50, sorted[Math.ceil(sorted.length / 2) - 1]);
        assert.equal(metrics.rtt?.p99, sorted[Math.ceil(sorted.length * 0.99) - 1]);
        assert.ok(metrics.rtt!.p50 <= metrics.rtt!.p99);
        assert.equal(metrics.loss, lost.length === 0 ? null : lost.filter(Boolean).length / lost.length);
        const total = (at: 0 | 1) => connections.reduce((sum, bytes) => sum + bytes[at], 0);
        assert.equal(metrics.traffic.bytesIn, total(0));
        assert.equal(metrics.traffic.messagesOut, 2 * connections.length);
        assert.ok(Math.abs(metrics.throughput.in - total(0) * 1000 / ms) < 1);
        assert.ok(Math.abs(metrics.throughput.out - total(1) * 1000 / ms) < 1);
        assert.equal(metrics.reconnects, connections.length - 1);
        assert.equal(metrics.connectTime, 7);
        meter.disconnected();
        assert.equal(meter.measure(ms + 1).transport, null);
        assert.equal(meter.measure(ms + 2).throughput.in, 0);
      },
    ),
    RUNS,
  );
  assert.equal(percentile([], 0.5), undefined);
});

Deno.test("quality: a path is poor only when it was bad for long enough, or changes again and again", () => {
  const judge = new PathJudge({ sustained: 5000 });
  for (let now = 0; now < 4000; now += 500) judge.roundTrip(3000, now);
  assert.equal(judge.isPoor(4000), false);
  judge.roundTrip(3000, 7000);
  assert.equal(judge.isPoor(7000), true);
  for (let now = 7000; now < 12_000; now += 500) judge.roundTrip(20, now);
  assert.equal(judge.isPoor(12_000), false);
  const lossy = new PathJudge();
  for (let now = 0; now <= 8000; now += 1000) lossy.datagram(now % 2000 === 0, now);
  assert.equal(lossy.isPoor(8000), true);
  const restless = new PathJudge();
  for (let i = 0; i < 3; i++) restless.networkChanged(i * 1000);
  assert.equal(restless.isPoor(3000), false);
  restless.networkChanged(3000);
  assert.equal(restless.isPoor(3000), true);
  assert.equal(restless.isPoor(64_000), false);
  assert.equal(isWorthwhile([2000, 100, 90]), true);
  assert.equal(isWorthwhile([2000, 1900, 90]), false);
});

Deno.test("clock: the SDK's time goes on whatever the wall clock is set to", () => {
  const { now } = Date;
  try {
    const before = systemClock.now();
    Date.now = () => now() - 3_600_000;
    const after = systemClock.now();
    assert.ok(after >= before && after < before + 60_000);
    assert.ok(systemClock.wall() <= now() - 3_599_000);
  } finally {
    Date.now = now;
  }
});
