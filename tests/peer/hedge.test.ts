/** When packets go by a second path too: the decisions, with a clock moved by hand. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Hedge, type HedgedPath } from "../../src/peer/hedge.ts";
import type { PathKind } from "../../src/peer/path_selector.ts";
import { FakeClock } from "../support/clock.ts";

const RTT = 40;
/** With this round trip a path is silent after so many ms. */
const PATIENCE = RTT + 30;

function path(kind: PathKind, rtt = RTT): HedgedPath & { failures: number; confirmedAt: number } {
  return {
    kind,
    confirmedAt: 0,
    confirmations: 9,
    failures: 0,
    rtt,
    lowestRtt: rtt,
    departures: 0,
    unanswered: 0,
  };
}

/** A connection on a direct path that the peer uses too, with a relay beside it. */
function hedged(rtt = RTT) {
  const clock = new FakeClock();
  const direct = path("direct", rtt), relayed = path("relayed", rtt), paths = [direct, relayed];
  const log: string[] = [];
  const hedge = new Hedge<HedgedPath>(clock, {
    onCopy: ([first], { kind }) => log.push(`copy ${first} ${kind}`),
    onSilence: ({ kind }) => log.push(`tell ${kind}`),
    onLeave: ({ kind }) => log.push(`leave for ${kind}`),
  });
  hedge.hears(direct, direct);
  let sent = 0;
  /** Sends the next packet, and says what is done. */
  const send = (current: HedgedPath = direct): string[] => {
    const from = log.length;
    const second = hedge.sends(current, paths, Uint8Array.of(++sent));
    if (second !== undefined) log.push(`copy ${sent} ${second.kind}`);
    return log.slice(from);
  };
  /** What is done in the next moment: what has come already is heard first. */
  const soon = async (): Promise<string[]> => {
    const from = log.length;
    await clock.advance(1);
    return log.slice(from);
  };
  /** One packet that is not answered, and another one. */
  const silence = async (): Promise<string[]> => {
    send();
    await clock.advance(PATIENCE);
    send();
    return await soon();
  };
  return { clock, direct, relayed, paths, hedge, log, send, soon, silence };
}

Deno.test("hedge: what leaves after a silence is copied, with what left just before", async () => {
  const { send, silence } = hedged();
  assert.deepEqual(await silence(), ["tell relayed", "copy 1 relayed", "copy 2 relayed"]);
  assert.deepEqual(send(), ["copy 3 relayed"]);
});

Deno.test("hedge: what left long before a silence is not copied", async () => {
  const { clock, hedge, direct, send, silence } = hedged();
  send();
  hedge.hears(direct, direct);
  await clock.advance(3 * PATIENCE);
  assert.deepEqual(await silence(), ["tell relayed", "copy 2 relayed", "copy 3 relayed"]);
});

Deno.test("hedge: who sends one packet and then nothing expects no answer", async () => {
  const { clock, hedge, direct, log, send } = hedged();
  for (let i = 0; i < 100; i++) {
    hedge.hears(direct, direct);
    send();
    await clock.advance(300);
  }
  assert.deepEqual(log, []);
  assert.equal(clock.pending, 0);
});

Deno.test("hedge: a probe that leaves before the silence is certain is copied once it is", async () => {
  const { clock, log, send } = hedged();
  send();
  await clock.advance(RTT + 5);
  assert.deepEqual(send(), []);
  await clock.advance(PATIENCE - RTT - 6);
  assert.deepEqual(log, []);
  await clock.advance(5);
  assert.deepEqual(log, ["tell relayed", "copy 1 relayed", "copy 2 relayed"]);
});

Deno.test("hedge: what has come while the program paused is heard before anything is copied", async () => {
  const { clock, hedge, direct, send, soon } = hedged();
  send();
  clock.sleep(500);
  send();
  hedge.hears(direct, direct);
  assert.deepEqual(await soon(), []);
  await clock.advance(100);
});

Deno.test("hedge: an answer that comes before the silence is certain ends the wait", async () => {
  const { clock, hedge, direct, log, send } = hedged();
  send();
  await clock.advance(RTT + 5);
  send();
  hedge.hears(direct, direct);
  await clock.advance(1_000);
  assert.deepEqual(log, []);
  assert.equal(clock.pending, 0);
});

Deno.test("hedge: the path in use is kept while the peer is heard there", async () => {
  const { clock, hedge, direct, relayed, log, send, silence } = hedged();
  await silence();
  for (let i = 0; i < 40; i++) {
    send();
    for (let j = 0; j < 3; j++) hedge.hears(relayed, direct);
    hedge.hears(direct, direct);
    await clock.advance(20);
  }
  assert.ok(!log.some((line) => line.startsWith("leave")));
});

Deno.test("hedge: copies end with a check of the path in use that was sent in the silence and is answered", async () => {
  const { clock, hedge, direct, send, silence } = hedged();
  await silence();
  hedge.hears(direct, direct);
  // That one was under way before: it proves nothing.
  direct.confirmedAt = clock.now() + RTT - 1;
  await clock.advance(RTT);
  assert.deepEqual(send(), ["copy 3 relayed"]);
  direct.confirmedAt = clock.now();
  assert.deepEqual(send(), []);
});

Deno.test("hedge: copies go on where checks are answered and nothing else comes", async () => {
  const { clock, direct, send, silence } = hedged();
  await silence();
  await clock.advance(RTT);
  direct.confirmedAt = clock.now();
  assert.deepEqual(send(), ["copy 3 relayed"]);
});

Deno.test("hedge: copies end after a second", async () => {
  const { clock, hedge, direct, send, silence } = hedged();
  await silence();
  hedge.hears(direct, direct);
  await clock.advance(1_000);
  assert.ok(send().includes("copy 3 relayed"));
  hedge.hears(direct, direct);
  await clock.advance(1);
  assert.deepEqual(send(), []);
});

Deno.test("hedge: the path in use is left once four packets have come by others and none there", async () => {
  const { clock, hedge, direct, relayed, log, send, silence } = hedged();
  await silence();
  await clock.advance(PATIENCE + 1);
  for (let i = 0; i < 3; i++) hedge.hears(relayed, direct);
  assert.ok(!log.includes("leave for relayed"));
  assert.deepEqual(send(), ["copy 3 relayed"]);
  hedge.hears(relayed, direct);
  assert.equal(log.at(-1), "leave for relayed");
  hedge.moved();
  assert.deepEqual(send(relayed), []);
});

Deno.test("hedge: copies of what has come before are no reason to leave the path in use", async () => {
  const { clock, hedge, direct, relayed, paths, log } = hedged();
  // The peer was silent by mistake, and sends its last packets again.
  hedge.asked(relayed, direct, paths);
  for (let i = 0; i < 9; i++) hedge.hears(relayed, direct);
  await clock.advance(PATIENCE);
  hedge.hears(relayed, direct);
  assert.deepEqual(log, []);
});

Deno.test("hedge: a new path is not left because the peer has not come to it yet", async () => {
  const { clock, hedge, direct, relayed, log, send, silence } = hedged();
  const left = (): boolean => log.some((line) => line.startsWith("leave"));
  hedge.moved();
  await silence();
  for (let j = 0; j < 9; j++) hedge.hears(relayed, direct);
  assert.ok(!left());
  // An answered check ends it.
  await clock.advance(RTT);
  direct.confirmedAt = clock.now();
  assert.deepEqual(send(), []);
  await clock.advance(1_000);
  await silence();
  await clock.advance(PATIENCE + 1);
  for (let j = 0; j < 4; j++) hedge.hears(relayed, direct);
  assert.ok(left());
});

Deno.test("hedge: a path that no check has confirmed is not a reason to leave", async () => {
  const { clock, hedge, direct, log, silence } = hedged();
  await silence();
  await clock.advance(500);
  for (let i = 0; i < 9; i++) {
    hedge.hears(undefined, direct);
    hedge.hears({ ...path("punched"), confirmedAt: undefined }, direct);
  }
  assert.ok(!log.some((line) => line.startsWith("leave")));
});

Deno.test("hedge: what a peer that hears nothing has missed goes to where it has said so", async () => {
  const { clock, hedge, direct, relayed, paths, log, send } = hedged();
  send();
  hedge.asked(relayed, direct, paths);
  // It is not told in turn: both would tell each other for ever.
  assert.deepEqual(log, ["copy 1 relayed"]);
  assert.deepEqual(send(), ["copy 2 relayed"]);
  await clock.advance(PATIENCE + 1);
  for (let i = 0; i < 4; i++) hedge.hears(relayed, direct);
  assert.equal(log.at(-1), "leave for relayed");
});

Deno.test("hedge: a peer that asks on the path in use, or on one that nothing confirms, changes nothing", () => {
  const { hedge, direct, relayed, paths, log, send } = hedged();
  hedge.asked(direct, direct, paths);
  hedge.asked({ ...relayed, confirmedAt: undefined }, direct, paths);
  hedge.asked(relayed, undefined, paths);
  send();
  assert.deepEqual(log, []);
});

Deno.test("hedge: copies take another path when a check of the second one fails too", async () => {
  const { relayed, paths, send, silence } = hedged();
  const punched = path("punched");
  paths.push(punched);
  await silence();
  relayed.failures = 1;
  assert.deepEqual(send(), ["copy 3 punched"]);
  paths.splice(0, paths.length, relayed);
  assert.deepEqual(send(), ["copy 4 relayed"]);
});

Deno.test("hedge: the peer is told again, but not all the time", async () => {
  const { clock, log, send } = hedged();
  for (let ms = 0; ms < 900; ms += 10) {
    send();
    await clock.advance(10);
  }
  const told = log.filter((line) => line.startsWith("tell")).length;
  assert.ok(told >= 3 && told <= 900 / PATIENCE / 2 + 1, `told ${told} times`);
});

Deno.test("hedge: nothing is copied where there is no other path", async () => {
  const { clock, paths, log, send } = hedged();
  paths.length = 1;
  send();
  await clock.advance(500);
  send();
  assert.deepEqual(log, []);
});

Deno.test("hedge: what left in a long silence goes once more when the path answers again, or by the next path", async () => {
  for (const [name, again] of [["revived", "direct"], ["moved", "relayed"]] as const) {
    const { clock, hedge, paths, log, direct, relayed, send } = hedged();
    const next = again === "direct" ? direct : relayed;
    paths.length = 1;
    send();
    await clock.advance(1);
    if (name === "revived") hedge.revived(next);
    assert.deepEqual(log, [], "a short silence is none");
    send();
    await clock.advance(5_000);
    hedge[name](next);
    assert.deepEqual(log, [`copy 1 ${again}`, `copy 2 ${again}`]);
  }
});

/** Validates: copies of packets are bounded, whatever comes and goes. */
Deno.test("Feature: quic-transport, Property 321: Copies are at most a burst and a sixteenth of the packets", async () => {
  const step = fc.record({
    packets: fc.integer({ min: 1, max: 60 }),
    pause: fc.nat(2_000),
    comes: fc.constantFrom("nothing", "current", "other", "asks", "revived"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, hedge, direct, relayed, paths, log, send } = hedged();
      let sent = 0;
      for (const { packets, pause, comes } of steps) {
        for (let i = 0; i < packets; i++, sent++) send();
        await clock.advance(pause);
        if (comes === "revived") hedge.revived(direct);
        else if (comes === "asks") hedge.asked(relayed, direct, paths);
        else if (comes !== "nothing") hedge.hears(comes === "current" ? direct : relayed, direct);
        const copies = log.filter((line) => line.startsWith("copy")).length;
        assert.ok(copies <= 64 + sent / 16, `${copies} copies of ${sent} packets`);
      }
    }),
    { numRuns: 200 },
  );
});

/** Validates: a path that works, and a QUIC receiver that acknowledges as RFC 9000 §13.2 wants, cause no copies. */
Deno.test("Feature: quic-transport, Property 322: Traffic in one direction on a path that works is not copied", async () => {
  // A packet at a time, or several: every second one is acknowledged at once, one alone after 25 ms.
  const traffic = fc.record({
    rtt: fc.constantFrom(0.3, 5, 20, 40, 100, 250),
    pauses: fc.array(fc.oneof(fc.nat(24), fc.integer({ min: 400, max: 2_000 })), {
      minLength: 1,
      maxLength: 80,
    }),
  });
  await fc.assert(
    fc.asyncProperty(traffic, async ({ rtt, pauses }) => {
      const { clock, hedge, direct, log, send } = hedged(rtt);
      const hear = (): void => hedge.hears(direct, direct);
      let cancel: (() => void) | undefined;
      for (const pause of pauses) {
        send();
        if (cancel !== undefined) {
          cancel();
          cancel = undefined;
          clock.after(rtt, hear);
        } else {
          cancel = clock.after(rtt / 2 + 25, () => {
            cancel = undefined;
            clock.after(rtt / 2, hear);
          });
        }
        await clock.advance(pause);
      }
      assert.deepEqual(log, []);
    }),
    { numRuns: 200 },
  );
});
