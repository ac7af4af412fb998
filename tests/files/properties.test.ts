/** The store against models: whatever the chunks, cuts and restarts, the bytes are right; quotas hold. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Upload } from "../../src/files/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { DiskStore, LIMITS, OWN_ONLY, readAll, requestOf, sampleBytes, sha256 } from "./support.ts";

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-files-" });
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What happens to an upload: so many bytes in a chunk, waited for or not; or something that comes between. */
type Step =
  | { readonly kind: "chunk"; readonly size: number; readonly wait: boolean }
  | { readonly kind: "restart" | "again" | "stray" };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("chunk" as const),
      size: fc.integer({ min: 1, max: 30_000 }),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Step>({ kind: "restart" }, { kind: "again" }, { kind: "stray" }),
  },
);

Deno.test("files: a file arrives whole, whatever its chunks and however often the upload is cut or the store restarted", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 150_000 }),
      fc.nat(1000),
      fc.array(step, { maxLength: 40 }),
      (size, seed, steps) =>
        inDirectory(async (directory) => {
          const bytes = sampleBytes(size, seed + 1);
          const open = () => new DiskStore({ directory, limits: () => ({ ...LIMITS, window: 100_000 }) });
          let store = open();
          let upload: Upload = await store.start(requestOf(bytes), OWN_ONLY);
          let written = 0;
          const begin = async () => {
            upload = await store.start(requestOf(bytes), OWN_ONLY);
            assert.ok(
              upload.offset >= written,
              `${upload.offset} < ${written}: what was acknowledged is there`,
            );
          };
          try {
            for (const step of steps) {
              if (step.kind === "chunk") {
                const at = upload.offset;
                const data = bytes.slice(at, at + step.size);
                if (data.length === 0) continue;
                const end = at + data.length;
                try {
                  const pushed = upload.push(at, data).then(() => written = Math.max(written, end), () => {});
                  if (step.wait) await pushed;
                } catch (error) {
                  assert.ok(error instanceof ProtocolError && error.error === "file_window");
                  await begin();
                }
              } else if (step.kind === "stray") {
                // Beside the place: refused, and nothing changes.
                assert.throws(() => upload.push(upload.offset + 1, new Uint8Array(1)), ProtocolError);
                if (upload.offset > 0) assert.throws(() => upload.push(0, new Uint8Array(1)), ProtocolError);
              } else {
                if (step.kind === "restart") {
                  await store.close();
                  store = open();
                }
                await begin();
              }
            }
            await begin();
            while (upload.offset < size) {
              const at = upload.offset;
              await upload.push(at, bytes.slice(at, at + 40_000));
            }
            const file = await store.complete(upload, "m");
            const back = await readAll(store, file.fileId);
            assert.equal(sha256(back), sha256(bytes));
            assert.deepEqual(store.status(), { files: 1, bytes: size, partial: 0, uploads: 0, readers: 0 });
          } finally {
            await store.close();
          }
        }),
    ),
    { numRuns: 100 },
  );
});

/** What users do, for the model of quotas. */
const deed = fc.record({
  kind: fc.constantFrom("start", "complete", "cancel", "expire", "restart"),
  user: fc.constantFrom("ann", "bob"),
  /** Which of the contents; each has its size. */
  content: fc.nat(5),
  channel: fc.constantFrom("chat:a", "chat:b"),
});

Deno.test("files: the quotas of users and of the store hold as a model says, over restarts too", async () => {
  const contents = [0, 1, 2, 3, 4, 5].map((n) => sampleBytes(1000 * (n + 1), n + 1));
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 40 }), (deeds) =>
      inDirectory(async (directory) => {
        let now = 1_000_000_000;
        const limits = {
          ...LIMITS,
          quota: { files: 5, bytes: 14_000 },
          maxTotal: 18_000,
          maxUploads: 100,
          maxAge: 1_000_000,
          partialAge: 1_000_000_000,
        };
        const open = () => new DiskStore({ directory, limits: () => limits, now: () => now });
        let store = open();
        const partials = new Map<string, { user: string; content: number; upload: Upload | undefined }>();
        let files: { user: string; content: number; at: number; id: string }[] = [];
        const size = (content: number) => contents[content]!.length;
        const sum = (sizes: number[]) => sizes.reduce((a, b) => a + b, 0);
        try {
          for (const { kind, user, content, channel } of deeds) {
            now += 1000;
            const key = `${user} ${channel} ${content}`;
            if (kind === "start") {
              const others = [...partials].filter(([other]) => other !== key).map(([, partial]) => partial);
              const own = [...files, ...others].filter((one) => one.user === user).map((one) =>
                size(one.content)
              );
              const stored = sum([...new Set(files.map((file) => file.content))].map(size)) +
                sum(others.map((one) => size(one.content)));
              const expected = own.length + 1 > 5 || sum(own) + size(content) > 14_000
                ? "quota_exceeded"
                : stored + size(content) > 18_000
                ? "not_available"
                : undefined;
              const request = requestOf(contents[content]!, { userId: user, channel });
              try {
                const upload = await store.start(request, OWN_ONLY);
                assert.equal(expected, undefined);
                partials.set(key, { user, content, upload });
              } catch (error) {
                assert.ok(error instanceof ProtocolError, String(error));
                assert.equal(error.error, expected);
              }
            } else if (kind === "complete") {
              const partial = partials.get(key);
              if (partial?.upload === undefined) continue;
              const { upload } = partial;
              if (upload.offset === 0) await upload.push(0, contents[content]!.slice());
              const file = await store.complete(upload, crypto.randomUUID());
              partials.delete(key);
              files.push({ user, content, at: now, id: file.fileId });
            } else if (kind === "cancel") {
              const partial = partials.get(key);
              if (partial?.upload === undefined) continue;
              await store.cancel(partial.upload);
              partials.delete(key);
            } else if (kind === "expire" && files.length > 0) {
              // Those as old as the oldest, and no other.
              now = files[0]!.at + limits.maxAge + 1;
              files = files.filter((file) => file.at + limits.maxAge >= now);
              for (const partial of partials.values()) partial.upload = undefined;
              await store.close();
              store = open();
              await store.blobs.resume();
              store.sweep(now);
            } else if (kind === "restart") {
              await store.close();
              store = open();
              await store.blobs.resume();
              for (const partial of partials.values()) partial.upload = undefined;
            }
            const status = store.status();
            assert.deepEqual(
              [status?.files ?? 0, status?.bytes ?? 0, status?.partial ?? 0],
              [files.length, sum([...new Set(files.map((file) => file.content))].map(size)), partials.size],
            );
          }
          for (const { id, content, at } of files) {
            if (at + limits.maxAge > now) assert.deepEqual(await readAll(store, id), contents[content]);
            else await assert.rejects(readAll(store, id), /unknown file/);
          }
        } finally {
          await store.close();
        }
      })),
    { numRuns: 100 },
  );
});
