import assert from "node:assert/strict";
import { HubCounters } from "../../src/service/hub/counters.ts";
import { createLogger } from "../../src/service/log/mod.ts";
import { Exposition } from "../../src/service/metrics/exposition.ts";
import { join, makeHub } from "../hub/support.ts";
import { parseExposition } from "./metrics_support.ts";

/** A hub that is counted, and the log lines about it. */
function counted() {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: "debug",
    format: "json",
    write: (line) => void lines.push(JSON.parse(line)),
  });
  const counters = new HubCounters(log);
  const { hub } = makeHub({ failed: counters.failed });
  hub.addHook(counters.hook);
  hub.events.listen("counters", counters.listener);
  const exposition = new Exposition(counters.series);
  return { hub, lines, scrape: async () => parseExposition(await exposition.render()) };
}

Deno.test("hub metrics: publications are counted by origin, repetitions are not", async () => {
  const { hub, scrape } = counted();
  const ann = await join(hub, "s1", "ann");
  for (const id of ["m1", "m2", "m2"]) {
    hub.publish({
      origin: "client",
      client: ann,
      channel: "chat:a",
      type: "chat_message",
      id,
      payload: { text: "x" },
    });
  }
  hub.publish({ origin: "api", from: "bob", channel: "chat:a", id: "m1", payload: { text: "x" } });
  const text = await scrape();
  const of = (origin: string) => text.value("skein_publications_total", { origin });
  assert.deepEqual([of("client"), of("api"), of("file")], [2, 1, 0]);
});

Deno.test("hub metrics: what happens to sessions is counted and logged, without tokens or info", async () => {
  const { hub, lines, scrape } = counted();
  const ann = await join(hub, "s1", "ann");
  await hub.subscribe(ann, "chat:a", 1);
  hub.unsubscribe(ann, "chat:a");
  hub.leave(ann);
  const text = await scrape();
  for (const event of ["online", "connect", "subscribe", "unsubscribe", "disconnect", "end", "offline"]) {
    assert.equal(text.value("skein_session_events_total", { event }), 1, event);
  }
  assert.equal(text.value("skein_session_events_total", { event: "refresh" }), 0);
  const line = lines.find(({ event }) => event === "session subscribe");
  assert.deepEqual(
    [line?.level, line?.user, line?.session, line?.connection, line?.channel],
    ["debug", "ann", "s1", "s1-1", "chat:a"],
  );
});

Deno.test("hub metrics: hooks and listeners that fail are counted by name and logged", async () => {
  const { hub, lines, scrape } = counted();
  hub.addHook({
    name: "audit",
    after() {
      throw new Error("no disk");
    },
  });
  hub.events.listen("mirror", () => {
    throw new Error("no network");
  });
  await join(hub, "s1", "ann");
  hub.publish({ origin: "api", from: "bob", channel: "chat:a", id: "m1", payload: { text: "x" } });
  const text = await scrape();
  assert.equal(text.value("skein_hub_failures_total", { stage: "hook audit" }), 1);
  assert.equal(text.value("skein_hub_failures_total", { stage: "session listener mirror" }), 2);
  assert.equal(lines.filter(({ event, level }) => event === "hub failure" && level === "error").length, 3);
});
