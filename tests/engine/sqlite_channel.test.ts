import assert from "node:assert/strict";
import type { StoredRecord } from "../../src/engine/contract.ts";
import { Channel } from "../../src/engine/sqlite/channel.ts";
import { note } from "./sqlite_support.ts";

const KEEP = { size: 1_000_000, age: 3_600_000 };

/** A record as the channel's next message. */
function next(channel: Channel): StoredRecord {
  const offset = channel.advance(KEEP, channel.last);
  return { ...note(`m${offset}`, offset), offset, prev: offset - 1 };
}

/** The offsets that are at hand up to the last one. */
function held(channel: Channel): number[] {
  for (let from = 1; from <= channel.last; from++) {
    const records = channel.atHand(from, channel.last);
    if (records !== undefined) return records.map(({ offset }) => offset);
  }
  return [];
}

function upTo(last: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => last - count + 1 + i);
}

Deno.test("sqlite channel: the last 256 messages are at hand, and never more than 512", () => {
  const channel = new Channel("chat:a", "e");
  for (let i = 1; i <= 2000; i++) {
    channel.append(next(channel), 10);
    const offsets = held(channel);
    assert.ok(offsets.length >= Math.min(i, 256) && offsets.length <= 512, `${offsets.length} of ${i}`);
    assert.deepEqual(offsets, upTo(i, offsets.length));
  }
});

Deno.test("sqlite channel: messages at hand take no more than about a mebibyte, and the last one always is", () => {
  for (const length of [50_000, 100_000, 3_000_000]) {
    const channel = new Channel("chat:a", "e");
    for (let i = 1; i <= 60; i++) {
      channel.append(next(channel), length);
      const count = held(channel).length;
      assert.ok(count >= 1 && (count === 1 || count * length < 1_100_000), `${count} of ${length} bytes`);
    }
    assert.ok(held(channel).length * length >= 400_000);
  }
});

Deno.test("sqlite channel: large messages behind many small ones, or that grow, are held within a mebibyte too", () => {
  const lengths = new Map<number, number>();
  const channel = new Channel("chat:a", "e");
  const total = () => held(channel).reduce((bytes, offset) => bytes + lengths.get(offset)!, 0);
  const append = (length: number): StoredRecord => {
    const record = next(channel);
    lengths.set(record.offset, length);
    channel.append(record, length);
    return record;
  };
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 250; i++) append(10);
    for (let i = 0; i < 12; i++) {
      append(65_000);
      assert.ok(total() <= 1024 ** 2 + 65_000, `${total()} bytes`);
    }
    for (let i = 0; i < 40; i++) {
      const { offset, payload } = append(10);
      lengths.set(offset, 60_010);
      channel.replace(offset, payload, 60_000);
      assert.ok(total() <= 1024 ** 2 + 65_000, `${total()} bytes`);
    }
  }
});

Deno.test("sqlite channel: what was read is at hand when it ends with the last message and is more than was", () => {
  const source = new Channel("chat:a", "e");
  const records = Array.from({ length: 300 }, () => {
    const record = next(source);
    source.append(record, 10);
    return record;
  });
  const channel = new Channel("chat:a", "e", source);
  assert.equal(channel.adopt(records.slice(0, 299), 1000), 0);
  assert.equal(channel.adopt(records.slice(100), 600_000), 0);
  assert.deepEqual(held(channel), []);
  assert.ok(channel.adopt(records.slice(100), 1000) > 0);
  assert.equal(held(channel).length, 200);
  assert.equal(channel.adopt(records.slice(150), 1000), 0);
  assert.equal(held(channel).length, 200);
  channel.adopt(records, 1000);
  assert.equal(held(channel).length, 256);
});

Deno.test("sqlite channel: a failed transaction takes all of its changes back and none of an earlier one", () => {
  const channel = new Channel("chat:a", "e");
  const fields = () => {
    const { id, last, first, floor, size, age, touched, due } = channel;
    return { id, last, first, floor, size, age, touched, due };
  };
  channel.begin();
  channel.advance({ size: 2, age: 1000 }, 10);
  channel.keep();
  const committed = fields();
  channel.revert();
  assert.deepEqual(fields(), committed);
  channel.begin();
  channel.id = 7;
  for (let at = 20; at < 25; at++) channel.advance({ size: 3, age: 500 }, at);
  channel.floor = 2;
  assert.notDeepEqual(fields(), committed);
  channel.revert();
  assert.deepEqual(fields(), committed);
});
