/** A process with a store that is killed at random moments: what was acknowledged is there. */

import assert from "node:assert/strict";
import { Disk } from "../../src/engine/sqlite/blobs/disk.ts";
import { DiskStore, LIMITS, OWN_ONLY, pushAll, readAll, requestOf, sampleBytes } from "./support.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const KILLS = Number(Deno.env.get("SKEIN_TEST_KILLS") ?? 10);

interface Line {
  readonly kind: "begun" | "written" | "kept";
  readonly n: number;
  readonly offset?: number;
  readonly fileId?: string;
}

/** Runs the child until it has said `lines` lines and `ms` have passed, kills it, and returns all it said. */
async function runAndKill(directory: string, first: number, lines: number, ms: number): Promise<Line[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--quiet",
      "--no-check",
      "-A",
      "tests/files/crash_child.ts",
      directory,
      `${first}`,
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  const decoder = new TextDecoder();
  let killing = false;
  for await (const part of child.stdout) {
    text += decoder.decode(part, { stream: true });
    if (!killing && text.split("\n").length > lines) {
      killing = true;
      setTimeout(() => {
        try {
          child.kill("SIGKILL");
        } catch {
          // It has ended by itself: what it said on stderr tells why, and the test fails for what is missing.
        }
      }, ms);
    }
  }
  await child.status;
  // A last line may be cut.
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

Deno.test("file crash: killed at random moments, a store has every file and byte it acknowledged, and nothing half", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-files-" });
  try {
    const kept = new Map<number, string>();
    let next = 1;
    for (let round = 0; round < KILLS; round++) {
      const said = await runAndKill(directory, next, 1 + Math.floor(Math.random() * 40), Math.random() * 20);
      for (const { kind, n, fileId } of said) if (kind === "kept") kept.set(n, fileId!);
      const last = said.findLast(({ kind }) => kind === "begun")!.n;
      const acknowledged = said.findLast(({ kind, n }) => kind === "written" && n === last)?.offset ?? 0;
      next = last + 1;
      const store = new DiskStore({ directory, limits: () => LIMITS });
      try {
        const done = kept.get(last) ?? (await store.completed("ann", `m${last}`))?.fileId;
        if (done !== undefined) kept.set(last, done);
        else {
          const bytes = sampleBytes(300_000, last);
          const upload = await store.start(requestOf(bytes), OWN_ONLY);
          assert.ok(upload.offset >= acknowledged, `${upload.offset} of ${acknowledged} acknowledged bytes`);
          await pushAll(upload, bytes);
          kept.set(last, (await store.complete(upload, `m${last}`)).fileId);
        }
        for (const [n, fileId] of kept) {
          assert.deepEqual(await readAll(store, fileId), sampleBytes(300_000, n));
        }
        const { files, partial } = store.status()!;
        assert.equal(files, kept.size);
        // One may have begun that it could not say before it was killed: the next process goes on with it.
        assert.ok(partial <= 1);
      } finally {
        await store.close();
      }
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("file crash: killed between the move of its bytes and the commit, an upload goes on where it was", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-files-" });
  try {
    const bytes = sampleBytes(300_000, 1);
    const first = new DiskStore({ directory, limits: () => LIMITS });
    const { key, request } = await first.start(requestOf(bytes), OWN_ONLY).then(async (upload) => {
      await pushAll(upload, bytes);
      return upload;
    });
    await first.close();
    // The transaction of the catalogue goes with the process, the move stays.
    new Disk(directory).place(key, request.sha256);
    const second = new DiskStore({ directory, limits: () => LIMITS });
    try {
      const upload = await second.start(requestOf(bytes), OWN_ONLY);
      assert.equal(upload.offset, bytes.length);
      const { fileId } = await second.complete(upload, "m1");
      assert.deepEqual(await readAll(second, fileId), bytes);
    } finally {
      await second.close();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
