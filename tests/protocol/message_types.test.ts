import assert from "node:assert/strict";
import {
  type ClientRow,
  clientRow,
  Encoded,
  isAcknowledged,
  LANE_PRIORITY,
  type LaneClass,
  LANES,
  type Latest,
  type Payload,
  queueingOf,
  serverRow,
  type ServerType,
} from "../../src/protocol/mod.ts";
import { clientTypes, serverTypes } from "../support/message_types.ts";
import { tableAfter } from "./page.ts";

const yes = (flag: true | undefined) => flag === true ? "yes" : "";

function latestOf(type: ServerType): Latest | undefined {
  const { delivery } = serverRow(type);
  return typeof delivery === "object" ? delivery : undefined;
}

Deno.test("message types: PROTOCOL.md has the rows of what a client sends", () => {
  const row = (
    type: string,
    { lane, answer, idempotent, datagram }: ClientRow,
  ) => [type, lane, answer ?? "", yes(idempotent), yes(datagram)];
  assert.deepEqual(
    tableAfter("**What a client may send.**"),
    clientTypes.map((type) => row(type, clientRow(type))),
  );
});

Deno.test("message types: PROTOCOL.md has the rows of what a server sends", () => {
  const replaced = (type: ServerType): string => {
    const latest = latestOf(type);
    if (latest === undefined) return "";
    const group = serverTypes.filter((other) => latestOf(other)?.group === latest.group);
    return `${group.join(", ")} of the same ${latest.latest.join(", ")}`;
  };
  assert.deepEqual(
    tableAfter("**What a server may send.**"),
    serverTypes.map((type) => {
      const { delivery, datagram } = serverRow(type);
      return [type, typeof delivery === "string" ? delivery : "latest", replaced(type), yes(datagram)];
    }),
  );
});

Deno.test("message types: PROTOCOL.md has the lanes, their classes and their priorities", () => {
  const rows = (Object.keys(LANES) as LaneClass[]).map((name) => {
    const [first, last] = LANES[name].map((lane) => lane.toLocaleString("en"));
    return [first === last ? first : `${first} to ${last}`, name, `${LANE_PRIORITY[name]}`];
  });
  assert.deepEqual(
    tableAfter("\n## 4. Lanes").map(([lanes, name, _carries, priority]) => [lanes, name, priority]),
    rows,
  );
});

Deno.test("message types: what is sent again until it is acknowledged is idempotent", () => {
  const acknowledged = clientTypes.filter(isAcknowledged);
  assert.ok(acknowledged.includes("chat_message"));
  for (const type of acknowledged) assert.equal(clientRow(type).idempotent, true, type);
});

Deno.test("message types: types of one group are told apart by the same fields", () => {
  for (const type of serverTypes) {
    for (const other of serverTypes) {
      const a = latestOf(type), b = latestOf(other);
      if (a?.group === b?.group) assert.deepEqual(a?.latest, b?.latest, `${type} and ${other}`);
    }
  }
});

Deno.test("message types: the name of an object's member has no row", () => {
  for (const type of ["constructor", "__proto__", "toString", "valueOf", "has_own_property"]) {
    assert.equal(clientRow(type), undefined);
    assert.equal(serverRow(type), undefined);
  }
});

function queueing(type: string, payload: Payload = {}, re?: string) {
  return queueingOf({ type, id: "id", timestamp: 0, payload, ...(re === undefined ? {} : { re }) });
}

Deno.test("message types: a message that answers another is never dropped, whatever its type", () => {
  for (const type of [...serverTypes, "unheard_of"]) {
    assert.equal(queueing(type, { channel: "chat:a", offset: 1 }, "c1").policy, "always", type);
  }
});

Deno.test("message types: a type without a row waits as a delivery when it has an offset in a channel", () => {
  assert.deepEqual(queueing("tomorrow", { channel: "chat:a", offset: 1 }), {
    policy: "channel",
    key: "chat:a",
    datagram: false,
    priority: 128,
  });
  assert.equal(queueing("tomorrow", { channel: "chat:a" }).policy, "always");
  assert.equal(queueing("tomorrow", { offset: 1 }).policy, "always");
});

Deno.test("message types: how a message waits is asked of the table once", () => {
  const message = new Encoded({
    type: "user_online",
    id: "id",
    timestamp: 0,
    payload: { channel: "chat:a" },
  });
  assert.equal(message.queueing, message.queueing);
});
