/** Uploads of several instances, and quotas: nothing is given out twice. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Engine } from "../../../src/engine/contract.ts";
import type { ProtocolError } from "../../../src/protocol/mod.ts";
import { begin, bytesOf, finish, NOTHING, PLENTY, readAll, refused, uploadOf } from "./blob_files.ts";
import { type Bench, type Capabilities, registerFor } from "./subject.ts";

/** Registers the tests of uploads. */
export function uploadConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "uploads");
  takeoverConformance(capabilities, test);
  quotaModel(capabilities, test);
}

/** Two instances where the engine can, else one twice. */
async function twoOf({ engine, peer }: Bench, { peers }: Capabilities): Promise<[Engine, Engine]> {
  return [engine, peers ? await peer() : engine];
}

type Register = ReturnType<typeof registerFor>;

function takeoverConformance(capabilities: Capabilities, test: Register): void {
  test("an upload is the writer's who opened it last, on whichever instance", async (b) => {
    const [one, two] = await twoOf(b, capabilities);
    const bytes = bytesOf(1);
    const first = await begin(one, bytes);
    await first.append(bytes.slice(0, 400));
    const second = await begin(two, bytes);
    assert.equal(second.offset, 400);
    await refused("unknown_upload", () => first.append(bytes.slice(400, 500)));
    await refused("unknown_upload", () => first.commit({ fileId: "f1", request: "m1", createdAt: 1 }));
    await first.close();
    const file = await finish(second, bytes, "f2");
    assert.deepEqual(await readAll(one.blobs, file), bytes);
    await refused("unknown_upload", () => second.append(new Uint8Array(1)));
  });

  test("an upload that was discarded is begun again at 0, and its writer is told", async (b) => {
    const [one, two] = await twoOf(b, capabilities);
    const bytes = bytesOf(1);
    const first = await begin(one, bytes);
    await first.append(bytes.slice(0, 400));
    await two.blobs.discard(uploadOf(bytes).key);
    await refused("unknown_upload", () => first.append(bytes.slice(400)));
    const second = await begin(one, bytes);
    assert.equal(second.offset, 0);
    await refused("unknown_upload", () => first.append(bytes.slice(400)));
    assert.deepEqual(await readAll(two.blobs, await finish(second, bytes, "f1")), bytes);
  });

  test("bytes on their way when another opens the upload are there or not, and in their place", async (b) => {
    const [one, two] = await twoOf(b, capabilities);
    for (let round = 0; round < 10; round++) {
      const bytes = bytesOf(round, 900_000);
      const first = await begin(one, bytes);
      const parts = [bytes.slice(0, 800_000), bytes.slice(800_000, 850_000)];
      const appending = Promise.allSettled(parts.map((part) => first.append(part)));
      const second = await begin(two, bytes);
      assert.ok([0, 800_000, 850_000].includes(second.offset), `${second.offset}`);
      const file = await finish(second, bytes, `f${round}`);
      assert.deepEqual(await readAll(one.blobs, file), bytes);
      for (const { status, reason } of await appending as PromiseRejectedResult[]) {
        if (status === "rejected") assert.equal(reason.error, "unknown_upload");
      }
    }
  });

  for (const taking of ["write", "discard"] as const) {
    test(`an upload that is committed while another calls ${taking} becomes a file or does not, and never half`, async (b) => {
      const [one, two] = await twoOf(b, capabilities);
      const bytes = bytesOf(1, 200_000), { key, sha256 } = uploadOf(bytes);
      const first = await begin(one, bytes);
      await first.append(bytes.slice());
      const outcome = (error: unknown) => (error as ProtocolError).error;
      const [kept, taken] = await Promise.all([
        first.commit({ fileId: "f1", request: "m1", createdAt: 1 }).catch(outcome),
        Promise.try(() => two.blobs[taking](key)).catch(outcome),
      ]);
      if (typeof kept === "object") {
        if (typeof taken === "object") await refused("unknown_upload", () => taken.append(new Uint8Array(1)));
        assert.deepEqual(await readAll(one.blobs, kept), bytes);
        assert.deepEqual(two.blobs.counts(), { files: 1, bytes: bytes.length, partial: 0 });
        return;
      }
      assert.equal(kept, "unknown_upload");
      assert.equal(await two.blobs.get("f1"), undefined);
      await refused("unknown_file", () => two.blobs.open(sha256));
      const second = typeof taken === "object" ? taken : await begin(two, bytes);
      assert.equal(second.offset, taking === "write" ? bytes.length : 0);
      assert.deepEqual(await readAll(one.blobs, await finish(second, bytes, "f2")), bytes);
    });
  }

  test("of many who open an upload at the same time the last one has it", async (b) => {
    const [one, two] = await twoOf(b, capabilities);
    const bytes = bytesOf(1);
    await one.blobs.reserve(uploadOf(bytes), PLENTY);
    const writers = await Promise.all(
      [one, two, one, two].map(async ({ blobs }) => await blobs.write(uploadOf(bytes).key)),
    );
    const last = writers.pop()!;
    for (const writer of writers) await refused("unknown_upload", () => writer.append(bytes.slice()));
    assert.deepEqual(await readAll(one.blobs, await finish(last, bytes, "f1")), bytes);
    await Promise.all(writers.map((writer) => writer.close()));
  });

  test("at the quota only as many uploads are reserved as there is room for, from all instances", async (b) => {
    const instances = await twoOf(b, capabilities);
    const quota = { files: 100, bytes: 5500, total: 5500 };
    const results = await Promise.allSettled(
      Array.from(
        { length: 20 },
        async (_, n) => await instances[n % 2]!.blobs.reserve(uploadOf(bytesOf(n)), quota),
      ),
    );
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 5);
    for (const instance of instances) assert.equal(instance.blobs.counts()!.partial, 5);
  });
}

/** What users do to the quotas. */
const deed = fc.record({
  kind: fc.constantFrom("reserve", "commit", "share", "discard", "delete"),
  user: fc.constantFrom("ann", "bob"),
  content: fc.nat(4),
  instance: fc.nat(1),
});

function quotaModel(capabilities: Capabilities, test: Register): void {
  const contents = [0, 1, 2, 3, 4].map((n) => bytesOf(n, 100 * (n + 1)));
  test("Feature: quic-transport, Property 91: quotas hold as a model says, whatever is reserved, kept and removed", async (b) => {
    let runs = 0;
    const instances = await twoOf(b, capabilities);
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { maxLength: 30 }), async (deeds) => {
        // Runs share a store: each has users of its own, and leaves nothing.
        const run = ++runs;
        const quota = { files: 4, bytes: 900, total: 1200 };
        const partials = new Map<string, { user: string; content: number }>();
        const files = new Map<string, { user: string; content: number }>();
        const size = (content: number) => contents[content]!.length;
        const sum = (sizes: Iterable<number>) => [...sizes].reduce((a, b) => a + b, 0);
        const kept = () => new Set([...files.values()].map(({ content }) => content));
        const verdict = (user: string, content: number): string | undefined => {
          const others = [...partials].filter(([key]) => key !== `${user} ${content}`).map(([, one]) => one);
          const own = [...files.values(), ...others].filter((one) => one.user === user);
          if (own.length + 1 > quota.files) return "quota_exceeded";
          if (sum(own.map((one) => size(one.content))) + size(content) > quota.bytes) return "quota_exceeded";
          const total = sum([...kept()].map(size)) + sum(others.map((one) => size(one.content)));
          return total + size(content) > quota.total ? "not_available" : undefined;
        };
        const attempt = async (expected: string | undefined, work: () => unknown) => {
          const error = await Promise.try(work).then(() => undefined, (thrown) => thrown.error);
          assert.equal(error, expected);
          return error === undefined;
        };
        let n = 0;
        for (const { kind, user, content, instance } of deeds) {
          const engine = instances[instance]!, { blobs } = engine;
          const userId = `${user}${run}`, key = `${user} ${content}`;
          const bytes = contents[content]!, upload = uploadOf(bytes, { userId });
          if (kind === "reserve") {
            if (await attempt(verdict(user, content), () => blobs.reserve(upload, quota))) {
              partials.set(key, { user, content });
            }
          } else if (kind === "commit" && partials.delete(key)) {
            const { fileId } = await finish(await blobs.write(upload.key), bytes, `${run}-${++n}`);
            files.set(fileId, { user, content });
          } else if (kind === "share") {
            const fileId = `${run}-${++n}`, file = { fileId, request: fileId, createdAt: 1 };
            const expected = kept().has(content) ? verdict(user, content) : "unknown_file";
            if (await attempt(expected, () => blobs.share(upload, file, quota))) {
              partials.delete(key);
              files.set(fileId, { user, content });
            }
          } else if (kind === "discard") {
            partials.delete(key);
            await blobs.discard(upload.key);
          } else if (kind === "delete") {
            const [fileId] = [...files].find(([, one]) => one.content === content) ?? [];
            if (fileId === undefined) continue;
            files.delete(fileId);
            assert.equal(await blobs.delete(fileId), true);
          }
          assert.deepEqual(instances[1 - instance]!.blobs.counts() ?? NOTHING, {
            files: files.size,
            bytes: sum([...kept()].map(size)),
            partial: partials.size,
          });
        }
        const { blobs } = instances[0]!;
        for (const [fileId, { content }] of files) {
          assert.deepEqual(await readAll(blobs, (await blobs.get(fileId))!), contents[content]);
          await blobs.delete(fileId);
        }
        for (const { user, content } of partials.values()) {
          await blobs.discard(uploadOf(contents[content]!, { userId: `${user}${run}` }).key);
        }
        assert.deepEqual(blobs.counts() ?? NOTHING, NOTHING);
      }),
      { numRuns: 100 },
    );
  });
}
