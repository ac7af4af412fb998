import assert from "node:assert/strict";
import fc from "fast-check";
import {
  classOfChannel,
  classOfType,
  LaneAllocator,
  laneAllows,
  type LaneClass,
  laneClass,
  lanePriority,
  LANES,
} from "../../src/protocol/mod.ts";
import { clientTypes } from "../support/message_types.ts";

const CLASSES = Object.keys(LANES) as LaneClass[];
const lane = fc.oneof(
  fc.integer({ min: 0, max: 400 }),
  fc.integer({ min: 0, max: LANES.document[1] }),
  fc.constantFrom(...CLASSES.flatMap((cls) => [...LANES[cls]])),
);
const type = fc.constantFrom(...clientTypes, "file_data", "doc_update", "bot_event", "unheard_of");
const channel = fc.tuple(
  fc.constantFrom("chat", "doc", "bot", "user", "broadcast", "file", "document", "team"),
  fc.constantFrom("general", "a:b", "x"),
).map((parts) => parts.join(":"));

/** Validates: every number of a lane has one class. */
Deno.test("Feature: quic-transport, Property 9: lanes by type (each lane is of one class by its range)", () => {
  fc.assert(fc.property(lane, (lane) => {
    const holding = CLASSES.filter((cls) => lane >= LANES[cls][0] && lane <= LANES[cls][1]);
    assert.deepEqual(holding, [laneClass(lane)]);
  }));
});

/** Validates: the lanes of a message are decided by its type and its channel, as PROTOCOL.md §4 says. */
Deno.test("Feature: quic-transport, Property 9: lanes by type (a message goes on lane 0 and on lanes of its class only)", () => {
  fc.assert(
    fc.property(lane, type, fc.option(channel, { nil: undefined }), (lane, type, channel) => {
      // PROTOCOL.md §4, said once more in another way: families go by the first word of a type, others by the channel,
      // and types that are about no channel stay on lane 0.
      const [family] = type === "rpc" ? ["bot"] : type.split("_");
      const isKnown = (clientTypes as string[]).includes(type);
      const isFamily = ["file", "bot", "doc"].includes(family!);
      const isGeneral = [
        "auth",
        "ping",
        "client",
        "direct",
        "broadcast",
        "unread",
        "settle",
        "received",
        "deflated",
        "peer",
        "key",
      ].includes(family!);
      const namespace = isGeneral ? undefined : channel?.split(":")[0];
      const subject = !isKnown
        ? "none"
        : isFamily
        ? family
        : namespace === "file"
        ? "chat"
        : namespace ?? "none";
      const range = {
        file: [100, 199],
        bot: [200, 299],
        doc: [300, Infinity],
        user: [0, 0],
        broadcast: [0, 0],
        none: [0, 0],
      }[subject!] ?? [1, 99];
      assert.equal(laneAllows(lane, type, channel), lane === 0 || (lane >= range[0]! && lane <= range[1]!));
    }),
    { numRuns: 2000 },
  );
});

/** Validates: the priorities of any two lanes are in the order of their classes. */
Deno.test("Feature: quic-transport, Property 9: lanes by type (control before documents before conversations before bots before files)", () => {
  const order: LaneClass[] = ["control", "document", "conversation", "bot", "file"];
  fc.assert(fc.property(lane, lane, (a, b) => {
    const [x, y] = [order.indexOf(laneClass(a)), order.indexOf(laneClass(b))];
    assert.equal(Math.sign(lanePriority(a) - lanePriority(b)), Math.sign(y - x));
    assert.ok(lanePriority(a) >= 0 && lanePriority(a) <= 255);
  }));
});

/** Validates: a channel gets a lane of its class and keeps it until it is released. */
Deno.test("Feature: quic-transport, Property 9: lanes by type (an active channel stays on a lane of its class)", () => {
  const step = fc.record({ channel, release: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
    const allocator = new LaneAllocator({ conversation: 3 });
    const active = new Map<string, number>();
    for (const { channel, release } of steps) {
      const cls = classOfChannel(channel);
      if (release) {
        allocator.release(cls, channel);
        active.delete(channel);
        continue;
      }
      const lane = allocator.laneOf(cls, channel);
      assert.ok(laneAllows(lane, "chat_message", channel));
      assert.equal(laneClass(lane), cls);
      assert.equal(lane, active.get(channel) ?? lane);
      if (cls === "conversation") assert.ok(lane <= 3);
      active.set(channel, lane);
    }
    const counted = [...active.keys()].filter((channel) => classOfChannel(channel) !== "control");
    assert.equal(allocator.size, counted.length);
  }));
});

Deno.test("lanes: channels take lanes in turn", () => {
  const allocator = new LaneAllocator({ conversation: 3 });
  const lanes = ["a", "b", "c", "d", "a"].map((name) => allocator.laneOf("conversation", `chat:${name}`));
  assert.deepEqual(lanes, [1, 2, 3, 1, 1]);
  assert.equal(allocator.laneOf("document", "doc:a"), 300);
});

Deno.test("lanes: a number that is no lane is refused", () => {
  for (const lane of [-1, 0.5, NaN, LANES.document[1] + 1, Infinity]) {
    assert.throws(() => laneClass(lane), RangeError);
  }
});

Deno.test("lanes: a type that is about no channel belongs on the control lane", () => {
  for (
    const type of ["ping", "auth_request", "direct_message", "client_list", "peer_announce", "peer_offer"]
  ) {
    assert.equal(classOfType(type), "control");
  }
});
