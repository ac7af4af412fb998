/** TURN's framing and URLs, and the ids by which packets of a moved peer are known. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionIds } from "../../src/peer/connection_ids.ts";
import {
  decodeChannelData,
  encodeChannelData,
  FIRST_CHANNEL,
  isChannelData,
  LAST_CHANNEL,
  MessageCutter,
} from "../../src/peer/turn/channel_data.ts";
import { parseServerUrl } from "../../src/peer/turn/url.ts";
import { encodeStun, transactionId } from "../../src/peer/stun/message.ts";

const channel = () => fc.integer({ min: FIRST_CHANNEL, max: LAST_CHANNEL });
const data = () => fc.uint8Array({ maxLength: 1_500 });

Deno.test("turn channel data: what is written is read back, with padding to four bytes", () => {
  fc.assert(fc.property(channel(), data(), (number, bytes) => {
    const written = encodeChannelData(number, bytes);
    assert.equal(written.length % 4, 0);
    assert.ok(isChannelData(written));
    assert.deepEqual(decodeChannelData(written), { channel: number, data: bytes });
  }));
});

Deno.test("turn channel data: a length beyond the datagram is no message", () => {
  assert.equal(decodeChannelData(Uint8Array.of(0x40, 0, 0, 5, 1, 2, 3, 4)), undefined);
});

Deno.test("turn stream: messages are cut alike wherever the stream is cut", () => {
  const message = fc.oneof(
    fc.record({ channel: channel(), data: data() }).map((one) => ({
      wire: encodeChannelData(one.channel, one.data),
      length: 4 + one.data.length,
    })),
    fc.uint8Array({ maxLength: 40 }).map((value) => {
      const wire = encodeStun({
        class: "indication",
        method: "data",
        transactionId: transactionId(),
        attributes: [{ type: 0x13, value }],
      });
      return { wire, length: wire.length };
    }),
  );
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }),
      (messages, cuts) => {
        const stream = Uint8Array.from(messages.flatMap(({ wire }) => [...wire]));
        const cutter = new MessageCutter();
        const came: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.length; at += cuts[i++ % cuts.length]!) {
          came.push(...cutter.push(stream.subarray(at, at + cuts[i % cuts.length]!)));
        }
        assert.deepEqual(came, messages.map(({ wire, length }) => new Uint8Array(wire.subarray(0, length))));
      },
    ),
  );
});

Deno.test("turn stream: a message larger than any datagram ends it", () => {
  assert.throws(() => new MessageCutter().push(Uint8Array.of(0x40, 0, 0xff, 0xff)), RangeError);
});

const URLS: Record<string, ReturnType<typeof parseServerUrl>> = {
  "stun:192.0.2.1": { scheme: "stun", hostname: "192.0.2.1", port: 3478, transport: "udp" },
  "stun:stun.example.org:19302": {
    scheme: "stun",
    hostname: "stun.example.org",
    port: 19302,
    transport: "udp",
  },
  "turn:[2001:db8::1]:443?transport=tcp": {
    scheme: "turn",
    hostname: "2001:db8::1",
    port: 443,
    transport: "tcp",
  },
  "turns:turn.example.org": { scheme: "turn", hostname: "turn.example.org", port: 5349, transport: "tls" },
};

Deno.test("turn url: host, port and transport are read, with the defaults of RFC 7065", () => {
  for (const [url, expected] of Object.entries(URLS)) assert.deepEqual(parseServerUrl(url), expected, url);
});

Deno.test("turn url: others are refused", () => {
  const wrong = [
    "",
    "http://a",
    "stuns:a",
    "turn:",
    "turn:a:0",
    "turn:a:70000",
    "turn:a?transport=x",
    "turn:a/b",
  ];
  for (const url of wrong) assert.throws(() => parseServerUrl(url), TypeError, url);
});

const packet = (id: number, first = 0x40): Uint8Array =>
  Uint8Array.of(first, 1, 2, 3, 4, 5, 6, id >> 8, id & 0xff, 99);

Deno.test("connection ids: a packet from elsewhere is known by the id of an earlier one", () => {
  const ids = new ConnectionIds<string>();
  ids.note(packet(1), "ann");
  ids.note(packet(2), "bob");
  assert.equal(ids.find(packet(1, 0x05)), "ann");
  assert.equal(ids.find(packet(2)), "bob");
  assert.equal(ids.find(packet(3)), undefined);
});

Deno.test("connection ids: long headers and short packets say nothing", () => {
  const ids = new ConnectionIds<string>();
  ids.note(packet(1, 0xc0), "ann");
  ids.note(Uint8Array.of(0x40, 1, 2), "ann");
  assert.equal(ids.find(packet(1)), undefined);
  assert.equal(ids.find(packet(1, 0xc0)), undefined);
});

Deno.test("connection ids: the last four of a peer are kept, until it goes", () => {
  const ids = new ConnectionIds<string>();
  for (let id = 0; id < 6; id++) ids.note(packet(id), "ann");
  assert.deepEqual([0, 1, 2, 5].map((id) => ids.find(packet(id))), [undefined, undefined, "ann", "ann"]);
  ids.delete("ann");
  assert.equal(ids.find(packet(5)), undefined);
});
