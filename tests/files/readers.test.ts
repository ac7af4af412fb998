/** Files open for reading. */

import assert from "node:assert/strict";
import type { FileReader } from "../../src/files/mod.ts";
import { Readers } from "../../src/files/readers.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { settle } from "../support/clock.ts";

function fakes() {
  const open = new Set<number>();
  let made = 0;
  return {
    open,
    make: (): Promise<FileReader> => {
      const number = ++made;
      open.add(number);
      return Promise.resolve({ read: () => Promise.resolve(1), close: () => void open.delete(number) });
    },
  };
}

const full = (error: unknown) => error instanceof ProtocolError && error.error === "not_available";
const BUFFER = new Uint8Array(1);

Deno.test("file readers: who has not read for long makes room for others, who reads on does not", async () => {
  let now = 1_000_000;
  const { make, open } = fakes();
  const readers = new Readers(() => now, 2);
  const [first, second] = [await readers.open(make), await readers.open(make)];
  await assert.rejects(readers.open(make), full);
  now += 4_999;
  await first.read(BUFFER, 0);
  await assert.rejects(readers.open(make), full);
  now += 1;
  const third = await readers.open(make);
  assert.deepEqual([...open], [1, 3]);
  await assert.rejects(second.read(BUFFER, 0), full);
  second.close();
  assert.equal(readers.size, 2);
  assert.equal(await third.read(BUFFER, 0), 1);
  await readers.close();
  assert.deepEqual([...open], []);
  await assert.rejects(readers.open(make), full);
});

Deno.test("file readers: a file that nobody reads is closed after a minute", async () => {
  let now = 1_000_000;
  const { make, open } = fakes();
  const readers = new Readers(() => now);
  const [first] = [await readers.open(make), await readers.open(make)];
  now += 30_000;
  await first.read(BUFFER, 0);
  readers.sweep(now + 29_999);
  assert.equal(readers.size, 2);
  readers.sweep(now + 30_000);
  assert.deepEqual([...open], [1]);
  readers.sweep(now + 60_000);
  assert.equal(readers.size, 0);
});

Deno.test("file readers: what was being opened at the end is closed", async () => {
  const { make, open } = fakes();
  const readers = new Readers(() => 0);
  const opening = readers.open(make);
  await readers.close();
  await assert.rejects((await opening).read(BUFFER, 0), full);
  assert.equal(open.size, 0);
});

Deno.test("file readers: what is being opened has its place, what cannot be opened holds none", async () => {
  const { make } = fakes();
  const readers = new Readers(() => 0, 1);
  const missing = readers.open(() => Promise.reject(new Deno.errors.NotFound()));
  await assert.rejects(readers.open(make), full);
  await assert.rejects(missing, Deno.errors.NotFound);
  assert.equal(readers.size, 0);
  await readers.open(make);
});

Deno.test("file readers: the end waits for what is being read and for what is being opened", async () => {
  const readers = new Readers(() => 0);
  const part = Promise.withResolvers<number>(), opened = Promise.withResolvers<FileReader>();
  let closed = 0;
  const make = (): FileReader => ({ read: () => part.promise, close: () => void closed++ });
  const reading = (await readers.open(() => Promise.resolve(make()))).read(BUFFER, 0);
  const opening = readers.open(() => opened.promise);
  let isOver = false;
  const over = readers.close().then(() => isOver = true);
  await settle();
  assert.deepEqual([isOver, closed], [false, 1]);
  part.resolve(1);
  await reading;
  await settle();
  assert.equal(isOver, false);
  opened.resolve(make());
  await Promise.all([over, opening]);
  assert.equal(closed, 2);
});
