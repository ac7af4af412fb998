/** What the SDK checks by hand, held to the schemas of the protocol. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { readPayload } from "../../src/client/session/payloads.ts";
import { decodeText, parseServerPayload, type Payload, type ServerType } from "../../src/protocol/mod.ts";

const TYPES = {
  auth_response: true,
  error: true,
  close: true,
  server_notice: true,
  subscribed: true,
  unsubscribed: true,
  message_ack: true,
  history_response: true,
  presence_response: true,
  client_list_response: true,
  typing_start: true,
  typing_stop: true,
  user_online: true,
  user_offline: true,
  file_upload_ready: true,
  file_uploaded: true,
  file_upload_cancelled: true,
  file_download_ready: true,
  file_link_response: true,
} satisfies Partial<Record<ServerType, true>>;

type Read = keyof typeof TYPES;

/** What is only handed on to the application is not looked into. */
const UNCHECKED: Partial<Record<Read, readonly string[]>> = {
  presence_response: ["channel"],
  file_upload_cancelled: ["uploadId"],
  file_upload_ready: ["exists"],
  file_link_response: ["fileId"],
  server_notice: ["kind", "dropped", "reason", "expiresIn"],
};

const page = Deno.readTextFileSync(new URL("../../src/protocol/PROTOCOL.md", import.meta.url));
const samples = [...page.matchAll(/^```json server\n([^]*?)^```$/gm)]
  .map(([, text]) => decodeText(text!))
  .filter(({ type }) => Object.hasOwn(TYPES, type))
  .map(({ type, payload }) => [type as Read, payload] as const);

function accepts(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch (error) {
    assert.equal((error as { error?: string }).error, "bad_payload");
    return false;
  }
}

const bySchema = (type: Read, payload: Payload) => accepts(() => parseServerPayload(type, payload));
const byHand = (type: Read, payload: Payload) => accepts(() => readPayload(type, payload));

/** The same with one field, of whatever depth, replaced or left out. */
function changed(payload: Payload, path: readonly number[], value: unknown): [Payload, string] {
  const copy = structuredClone(payload);
  let at = copy, names = Object.keys(at), name = names[path[0]! % names.length]!;
  const first = name;
  for (const step of path.slice(1)) {
    const inner = at[name];
    if (typeof inner !== "object" || inner === null || Object.keys(inner).length === 0) break;
    at = inner as Payload;
    names = Object.keys(at);
    name = names[step % names.length]!;
  }
  if (value === undefined) delete at[name];
  else at[name] = value;
  return [copy, first];
}

const other = fc.oneof(
  fc.constantFrom(undefined, null, true, -1, 0.5, 7, "", "a b", "text", "chat:a"),
  fc.constantFrom([], {}, [1], { a: 1 }),
  fc.string(),
  fc.double(),
  fc.integer(),
);
const path = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 });

Deno.test("payloads: there is an example of everything that the SDK reads, and it is taken", () => {
  assert.deepEqual(new Set(samples.map(([type]) => type)), new Set(Object.keys(TYPES)));
  for (const [type, payload] of samples) assert.ok(byHand(type, payload), type);
});

/** Validates: what the schemas of the protocol take, the SDK's checks by hand take too. */
Deno.test("Feature: quic-transport, Property 47: what the protocol allows a server, the SDK takes", () => {
  fc.assert(
    fc.property(fc.constantFrom(...samples), path, other, ([type, payload], path, value) => {
      const [said] = changed(payload, path, value);
      if (bySchema(type, said)) assert.ok(byHand(type, said), `${type} ${JSON.stringify(said)}`);
    }),
    { numRuns: 5000 },
  );
});

/** Validates: a known field of another kind is refused by the checks by hand. */
Deno.test("Feature: quic-transport, Property 48: a field of another kind than the protocol says, the SDK refuses", () => {
  // Lists and objects are one kind, as the schemas have it.
  const kindOf = (value: unknown) => value === null ? "null" : typeof value;
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.nat({ max: 20 }), other, ([type, payload], step, value) => {
      const [said, field] = changed(payload, [step], value);
      if (kindOf(said[field]) === kindOf(payload[field]) || UNCHECKED[type]?.includes(field)) return;
      assert.equal(byHand(type, said), bySchema(type, said), `${type}.${field} ${JSON.stringify(said)}`);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("payloads: notices of kinds that are not known are nobody's business", () => {
  for (const kind of ["tomorrow", "constructor", "__proto__"]) assert.ok(byHand("server_notice", { kind }));
  for (const kind of [undefined, 1, null]) assert.ok(!byHand("server_notice", { kind }));
  assert.ok(!byHand("server_notice", { kind: "draining" }));
  assert.ok(!byHand("server_notice", { kind: "moved_to", deadline: 1, urls: { quic: 1 } }));
});
