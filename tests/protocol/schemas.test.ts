import assert from "node:assert/strict";
import fc from "fast-check";
import * as v from "valibot";
import {
  bytesField,
  type ClientType,
  contentOf,
  MAX_DATA_DEPTH,
  MAX_TOKEN_LENGTH,
  parsePayload,
  parseServerPayload,
  type Payload,
  ProtocolError,
} from "../../src/protocol/mod.ts";
import { CLIENT_SCHEMAS, SERVER_SCHEMAS } from "../../src/protocol/schemas/by_type.ts";
import { bytes, json } from "./arbitraries.ts";
import { clientTypes, serverTypes } from "../support/message_types.ts";

/** The text of the refusal. */
function refusal(type: ClientType, payload: Payload): string {
  try {
    parsePayload(type, payload);
  } catch (error) {
    assert.ok(error instanceof ProtocolError && error.error === "bad_payload");
    return error.message;
  }
  assert.fail(`${type} took ${JSON.stringify(payload)}`);
}

Deno.test("schemas: every type has a schema", () => {
  assert.deepEqual(Object.keys(CLIENT_SCHEMAS).sort(), [...clientTypes].sort());
  assert.deepEqual(Object.keys(SERVER_SCHEMAS).sort(), [...serverTypes].sort());
});

Deno.test("schemas: the checks by hand accept what the schemas accept, with the same result", () => {
  const field = fc.oneof(
    json(2),
    fc.constantFrom<unknown>(
      undefined,
      "chat:x",
      "chat",
      0,
      -1,
      600_000,
      600_001,
      NaN,
      [],
      {},
      new Uint8Array(1),
      "a\0",
      "YWJj",
    ),
  );
  // Mostly what is allowed, so that many payloads are taken.
  const mostly = (...allowed: unknown[]) =>
    fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...allowed) }, { weight: 1, arbitrary: field });
  const fields = {
    channel: mostly("chat:x", "doc:x"),
    text: mostly("hello", undefined),
    data: mostly("YWJj", new Uint8Array(3), undefined),
    bytes: mostly(true, undefined),
    stream: mostly(true, undefined),
    priority: mostly("low", undefined),
    rtt: field,
    checksum: mostly(0, 5, 0xffffffff, 0x100000000, 1.5),
    part: mostly(undefined, { op: "a", index: 0, count: 2 }),
    more: field,
  };
  const payload = fc.record(fields, {
    requiredKeys: [],
  }).map((fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
  const taken: Record<string, number> = {};
  fc.assert(
    fc.property(
      fc.constantFrom("chat_message" as const, "ping" as const, "doc_op" as const),
      payload,
      (type, payload) => {
        const slow = v.safeParse(CLIENT_SCHEMAS[type], payload);
        let fast: unknown;
        try {
          fast = parsePayload(type, payload);
          taken[type] = (taken[type] ?? 0) + 1;
        } catch (error) {
          assert.ok(error instanceof ProtocolError && error.error === "bad_payload");
          assert.equal(slow.success, false, `only the schema takes ${JSON.stringify(payload)}`);
          return;
        }
        assert.ok(slow.success, `only the check by hand takes ${JSON.stringify(payload)}`);
        assert.deepEqual(fast, slow.output);
      },
    ),
    { numRuns: 3000 },
  );
  for (const type of ["chat_message", "ping", "doc_op"]) {
    assert.ok(taken[type]! > 30, `${type}: ${taken[type]}`);
  }
});

Deno.test("schemas: a refusal names the field and what is allowed there", () => {
  const cases: [ClientType, Payload, RegExp][] = [
    ["history", {}, /^channel: missing$/],
    ["history", { channel: "chat:x", limit: 0 }, /^limit: an integer from 1 to 1000$/],
    ["history", { channel: "chat:x", limit: 1.5 }, /^limit: /],
    ["history", { channel: "chat:x", since: -1 }, /^since: /],
    ["history", { channel: "chat:x", reverse: 1 }, /^reverse: true or false$/],
    ["subscribe", { channel: "nonsense" }, /^channel: a channel/],
    ["subscribe", { channel: "chat:x", since: 5 }, /^since: an object$/],
    ["subscribe", { channel: "chat:x", since: { epoch: "e" } }, /^since\.offset: missing$/],
    ["chat_message", { text: "x" }, /^channel: /],
    ["chat_message", { channel: "chat:x" }, /exactly one of text and data/],
    ["chat_message", { channel: "chat:x", text: 1 }, /^text: a text without U\+0000$/],
    ["chat_message", { channel: "chat:x", text: "a\0b" }, /^text: a text without U\+0000$/],
    ["direct_message", { to: "ann", text: "\0" }, /^text: a text without U\+0000$/],
    ["chat_edit", { channel: "chat:x", target: 1, text: "\0" }, /^text: a text without U\+0000$/],
    ["direct_message", { to: "ann", text: "a", data: 1 }, /exactly one of text and data/],
    ["direct_message", { to: "a b", text: "a" }, /^to: a user id/],
    ["broadcast", {}, /exactly one of text and data/],
    ["typing_start", { channel: 1 }, /^channel: /],
    ["auth_request", {}, /^token: missing$/],
    ["auth_request", { token: "" }, /^token: /],
    ["auth_request", { token: "x".repeat(MAX_TOKEN_LENGTH + 1) }, /^token: /],
    ["auth_request", { token: "t", client: "a\n" }, /^client: /],
    ["auth_request", { token: "t", batch: "yes" }, /^batch: true, false or "lines"$/],
    ["auth_request", { token: "t", resume: { channels: {} } }, /^resume\.sessionId: missing$/],
    ["bot_command", { bot: "b", command: "a b" }, /^command: /],
    ["bot_response", { to: "s" }, /exactly one of text and data/],
    ["client_report", { fallbackFrom: "pigeon" }, /^fallbackFrom: one of webtransport, quic, websocket$/],
    ["client_report", { loss: 1.1 }, /^loss: a number from 0 to 1$/],
    ["ping", { rtt: "fast" }, /^rtt: a number/],
  ];
  for (const [type, payload, text] of cases) assert.match(refusal(type, payload), text);
});

Deno.test("schemas: a refusal never repeats what was received", () => {
  const secret = "s3cr3t value";
  const cases: [ClientType, Payload][] = [
    ["auth_request", { token: [secret] }],
    ["auth_request", { token: "t", client: `${secret}\n` }],
    ["auth_request", { token: "t", resume: { sessionId: secret, channels: {} } }],
    ["auth_request", { token: "t", resume: { sessionId: "s", channels: { [secret]: {} } } }],
    ["auth_request", { token: "t", resume: { sessionId: "s", channels: { "chat:s3cr3t": { epoch: "" } } } }],
    ["auth_request", { token: "t", resume: { sessionId: "s", channels: { scrt: {} } } }],
    ["chat_message", { channel: secret, text: "" }],
    ["direct_message", { to: secret, text: "" }],
    ["history", { channel: "chat:x", limit: secret }],
    ["client_report", { fallbackFrom: secret }],
    ["client_report", { fallbackReason: secret.padEnd(201) }],
  ];
  for (const [type, payload] of cases) assert.ok(!/s3cr3t|scrt/.test(refusal(type, payload)));
});

Deno.test("schemas: absent fields get their defaults and unknown ones are left out", () => {
  assert.deepEqual(parsePayload("history", { channel: "chat:x", color: "red" }), {
    channel: "chat:x",
    limit: 100,
    reverse: false,
  });
  assert.deepEqual(parsePayload("bot_command", { bot: "b", command: "c" }), {
    bot: "b",
    command: "c",
    args: {},
  });
  assert.deepEqual(parsePayload("chat_message", { channel: "chat:x", text: "", from: "eve" }), {
    channel: "chat:x",
    text: "",
  });
  assert.deepEqual(parsePayload("client_list", { a: 1 }), {});
});

Deno.test("schemas: the default arguments of one command are not those of the next", () => {
  const first = parsePayload("bot_command", { bot: "b", command: "c" });
  (first.args as Record<string, unknown>).changed = true;
  assert.deepEqual(parsePayload("bot_command", { bot: "b", command: "c" }).args, {});
});

Deno.test("schemas: a resumed channel may only name a lane that carries it", () => {
  const request = (channel: string, lane: number) => ({
    token: "t",
    resume: { sessionId: "s", channels: { [channel]: { epoch: "e", offset: 0, lane } } },
  });
  for (const [channel, lane] of [["chat:x", 0], ["chat:x", 99], ["doc:x", 300], ["user:ann", 0]] as const) {
    assert.ok(parsePayload("auth_request", request(channel, lane)));
  }
  for (
    const [channel, lane] of [["chat:x", 100], ["chat:x", -1], ["doc:x", 1], ["user:ann", 1], [
      "doc:x",
      2 ** 31,
    ]] as const
  ) {
    assert.match(refusal("auth_request", request(channel, lane)), /lane|integer/);
  }
});

Deno.test("schemas: data may be any JSON as deep as the limit, without bytes in it", () => {
  const nested = (levels: number): unknown => levels === 0 ? 1 : [nested(levels - 1)];
  const send = (data: unknown) => ({ channel: "chat:x", data });
  for (const data of [null, false, 0, "", [], {}, nested(MAX_DATA_DEPTH)]) {
    assert.deepEqual(parsePayload("chat_message", send(data)).data, data);
  }
  for (const data of [nested(MAX_DATA_DEPTH + 1), { a: new Uint8Array(1) }, [new Uint8Array(1)], NaN, 1n]) {
    assert.match(refusal("chat_message", send(data)), /^data: a JSON value/);
  }
});

Deno.test("schemas: a bytes field takes bytes and base64 alike", () => {
  const field = bytesField();
  fc.assert(fc.property(bytes, (bytes) => {
    assert.deepEqual(v.parse(field, bytes), bytes);
    assert.deepEqual(v.parse(field, bytes.toBase64()), bytes);
    assert.deepEqual(v.parse(field, bytes.toBase64({ omitPadding: true })), bytes);
  }));
  for (const wrong of ["*", "AAA*", "A", "ab-_", 1, null, [1], {}]) {
    assert.ok(!v.safeParse(field, wrong).success, JSON.stringify(wrong));
  }
});

Deno.test("schemas: a bytes field holds no more than its limit, in either form", () => {
  fc.assert(fc.property(fc.nat(40), fc.nat(40), (size, max) => {
    const bytes = new Uint8Array(size).fill(7);
    assert.equal(v.safeParse(bytesField(max), bytes).success, size <= max);
    assert.equal(v.safeParse(bytesField(max), bytes.toBase64()).success, size <= max);
  }));
});

Deno.test("schemas: a server's payload is checked too", () => {
  const delivery = { channel: "chat:x", from: "ann", text: "hi", offset: 2, prev: 1 };
  assert.deepEqual(parseServerPayload("chat_message", delivery), delivery);
  assert.throws(() => parseServerPayload("chat_message", { ...delivery, prev: "1" }), ProtocolError);
  assert.throws(() => parseServerPayload("server_notice", { kind: "unheard_of" }), ProtocolError);
});

Deno.test("schemas: contentOf keeps text or data alone", () => {
  assert.deepEqual(contentOf({ text: "", data: undefined }), { text: "" });
  assert.deepEqual(contentOf({ data: null }), { data: null });
  assert.deepEqual(contentOf({ data: "AA==", bytes: true }), { data: "AA==", bytes: true });
});
