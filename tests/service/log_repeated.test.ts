import assert from "node:assert/strict";
import { RepeatedLines } from "../../src/service/log/repeated.ts";
import { ConnectionObserver } from "../../src/service/sessions/observer.ts";

function recorded() {
  let time = 0;
  const lines: [event: string, fields: Record<string, unknown>][] = [];
  const repeated = new RepeatedLines({
    log: (_level, event, fields) => void lines.push([event, fields]),
    now: () => time,
    lines: 3,
    period: 10_000,
  });
  return { repeated, lines, pass: (ms: number) => void (time += ms) };
}

Deno.test("repeated lines: the first of a period are written, the next period's first says how many were left out", () => {
  const { repeated, lines, pass } = recorded();
  for (let i = 0; i < 1000; i++) repeated.write("info", "refused", {}, { i });
  assert.deepEqual(lines.splice(0), [0, 1, 2].map((i) => ["refused", { i }]));
  pass(10_000);
  repeated.write("info", "refused", {}, { i: 1000 });
  repeated.write("info", "refused", {}, { i: 1001 });
  assert.deepEqual(lines, [["refused", { i: 1000, suppressed: 997 }], ["refused", { i: 1001 }]]);
});

Deno.test("repeated lines: what was left out is told by the sweep when nothing follows, once", () => {
  const { repeated, lines, pass } = recorded();
  for (let i = 0; i < 5; i++) repeated.write("info", "refused", {}, { i });
  lines.length = 0;
  pass(9_999);
  repeated.sweep();
  assert.deepEqual(lines, []);
  pass(1);
  repeated.sweep();
  repeated.sweep();
  assert.deepEqual(lines, [["refused", { suppressed: 2 }]]);
});

Deno.test("repeated lines: each event and each kind of it is counted by itself", () => {
  const { repeated, lines } = recorded();
  for (const [event, kind] of [["a", "x"], ["a", "y"], ["b", "x"]] as const) {
    for (let i = 0; i < 5; i++) repeated.write("info", event, { kind }, {});
  }
  assert.equal(lines.length, 9);
});

Deno.test("repeated lines: what says how many were left out also says of which kind", () => {
  const { repeated, lines, pass } = recorded();
  for (let i = 0; i < 5; i++) repeated.write("info", "closed", { transport: "quic", code: "3506" }, { i });
  lines.length = 0;
  pass(10_000);
  repeated.sweep();
  assert.deepEqual(lines, [["closed", { transport: "quic", code: "3506", suppressed: 2 }]]);
});

Deno.test("repeated lines: a flood of strangers hides no line of a user, nor a flood of one close code those of another", () => {
  const lines: Record<string, unknown>[] = [];
  const observer = new ConnectionObserver({
    log: (_level, _event, fields) => void lines.push(fields),
    thresholds: () => ({ rtt: 1, loss: 1, outbox: 1, maxOutbox: 1 }),
    now: () => 0,
  });
  const closed = (fields: Record<string, unknown>) =>
    observer.logLimited("info", "connection closed", { transport: "quic", ...fields });
  for (let i = 0; i < 1000; i++) closed({ user: undefined, code: 3506 });
  assert.equal(lines.splice(0).length, 20);
  closed({ user: undefined, code: 3501 });
  for (let i = 0; i < 100; i++) closed({ user: `u${i}`, code: 1000 });
  assert.equal(lines.length, 101);
});

Deno.test("repeated lines: a storm of refused connections writes a bounded number of lines, and loses none in the count", () => {
  let time = 0, bytes = 0, counted = 0;
  const observer = new ConnectionObserver({
    log: (_level, event, fields) => {
      bytes += JSON.stringify({ event, ...fields }).length;
      counted += fields.remote === undefined ? 0 : 1;
      counted += (fields.suppressed as number | undefined) ?? 0;
    },
    thresholds: () => ({ rtt: 1, loss: 1, outbox: 1, maxOutbox: 1 }),
    now: () => time,
  });
  for (; time < 30_000; time++) {
    observer.logLimited("info", "connection refused", { transport: "websocket", remote: "192.0.2.1:1" });
    if (time % 1000 === 0) observer.sweep();
  }
  time += 10_000;
  observer.sweep();
  assert.equal(counted, 30_000);
  assert.ok(bytes < 10_000, `${bytes} bytes`);
});
