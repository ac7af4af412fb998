/** What becomes of uploads when something fails at the worst moment. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { WriterThread } from "../../src/engine/sqlite/blobs/writer_thread.ts";
import {
  DiskStore,
  LIMITS,
  OWN_ONLY,
  pushAll,
  readAll,
  requestOf,
  sampleBytes,
  withStore,
} from "./support.ts";

const refused = (error: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof ProtocolError, String(thrown));
  assert.equal(thrown.error, error);
  return true;
};

const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

/** Files of that directory that this process has open. */
function openIn(directory: string): string[] {
  const found: string[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const path = Deno.readLinkSync(`/proc/self/fd/${name}`);
      if (path.startsWith(directory) && !path.includes("files.sqlite")) found.push(path);
    } catch {
      // The one it was listed with.
    }
  }
  return found;
}

Deno.test("file failures: content that went while it was being taken over is asked for, not promised", () =>
  withStore(async (open) => {
    let now = 1_000_000_000;
    const store = open({ maxAge: 100_000 }, () => now);
    const bytes = sampleBytes(50_000);
    const first = await store.start(requestOf(bytes), OWN_ONLY);
    await pushAll(first, bytes);
    await store.complete(first, "m1");
    now += 99_000;
    const second = await store.start(requestOf(bytes), () => true);
    assert.equal(second.known, true);
    now += 2_000;
    store.sweep(now);
    const said = await store.complete(second, "m2").catch((error) => error);
    refused("unknown_upload")(said);
    const third = await store.start(requestOf(bytes), () => true);
    assert.equal(third.offset, 0);
    await pushAll(third, bytes);
    assert.deepEqual(await readAll(store, (await store.complete(third, "m2")).fileId), bytes);
  }));

for (const size of [200_000, 2_000_000]) {
  Deno.test(`file failures: what could not be kept is kept when it is said again: ${size}`, () =>
    withStore(async (open, directory) => {
      const store = open();
      const bytes = sampleBytes(size);
      const upload = await store.start(requestOf(bytes), OWN_ONLY);
      await pushAll(upload, bytes);
      const folder = `${directory}/blobs/${requestOf(bytes).sha256.slice(0, 2)}`;
      await Deno.writeTextFile(folder, "in the way");
      await assert.rejects(store.complete(upload, "m"), refused("not_available"));
      await assert.rejects(store.complete(upload, "m"), refused("not_available"));
      assert.deepEqual([store.status()!.files, store.status()!.bytes, store.status()!.partial], [0, 0, 1]);
      await Deno.remove(folder);
      const file = await store.complete(upload, "m");
      assert.deepEqual(await readAll(store, file.fileId), bytes);
    }));

  Deno.test(`file failures: an upload that cannot be thrown away holds nothing open: ${size}`, () =>
    withStore(async (open, directory) => {
      const store = open();
      const bytes = sampleBytes(size);
      const upload = await store.start(requestOf(bytes), OWN_ONLY);
      await upload.push(0, bytes.slice(0, 50_000));
      await Deno.remove(`${directory}/trash`);
      await Deno.writeTextFile(`${directory}/trash`, "in the way");
      await assert.rejects(store.cancel(upload), refused("not_available"));
      assert.deepEqual(openIn(directory), []);
      await Deno.remove(`${directory}/trash`);
      await Deno.mkdir(`${directory}/trash`);
    }));
}
Deno.test("file failures: a thread lives on between files that come one after the other, and is not started any more after its end", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-failing-" });
  let started = 0;
  const thread = new WriterThread((error) => assert.fail(String(error)), () => {
    started++;
    return new Worker(new URL("../../src/engine/sqlite/blobs/worker.ts", import.meta.url), {
      type: "module",
    });
  });
  try {
    for (let n = 0; n < 3; n++) {
      const file = await thread.open({ path: `${directory}/${n}`, size: 10 });
      await file.close();
      thread.sweep(1_000_000_000 + n * 1000);
    }
    assert.equal(started, 1);
    thread.sweep(1_000_000_000 + 100_000);
    const file = await thread.open({ path: `${directory}/x`, size: 10 });
    await file.close();
    assert.equal(started, 2);
    thread.close();
    await assert.rejects(thread.open({ path: `${directory}/y`, size: 10 }));
    assert.equal(started, 2);
  } finally {
    thread.close();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("file failures: an upload that cannot be written holds nothing open", () =>
  withStore(async (open, directory) => {
    const bytes = sampleBytes(2_000_000);
    const first = open();
    const { key } = await first.start(requestOf(bytes), OWN_ONLY);
    await first.close();
    await Deno.remove(`${directory}/partial/${key}`);
    await Deno.symlink("/dev/full", `${directory}/partial/${key}`);
    const store = open();
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    assert.equal(openIn("/dev/full").length, 1);
    await assert.rejects(upload.push(0, bytes.slice(0, 50_000)), refused("not_available"));
    for (let tries = 0; tries < 3_000 && openIn("/dev/full").length > 0; tries++) await turn(10);
    assert.deepEqual(openIn("/dev/full"), []);
  }));

Deno.test("file failures: a file is announced once, and again only if that was not done to its end", () =>
  withStore(async (open) => {
    const bytes = sampleBytes(1000);
    let store = open();
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    await pushAll(upload, bytes);
    const file = await store.complete(upload, "m");
    let told = 0;
    const refuse = () => Promise.reject(new ProtocolError("not_available"));
    await assert.rejects(store.announce(file, refuse), refused("not_available"));
    await store.close();
    store = open();
    const publish = () => Promise.resolve(told++);
    await store.announce(file, publish);
    await store.announce(file, publish);
    await store.close();
    store = open();
    await store.announce(file, publish);
    assert.equal(told, 1);
  }));

Deno.test("file failures: a catalog of the first version is taken over, and its files were announced", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-failing-" });
  const db = new DatabaseSync(`${directory}/files.sqlite`);
  db.exec(`
    CREATE TABLE files (
      id TEXT PRIMARY KEY, user TEXT NOT NULL, channel TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
      size INTEGER NOT NULL, sha256 TEXT NOT NULL, created INTEGER NOT NULL, request TEXT NOT NULL,
      UNIQUE (user, request)
    ) STRICT;
    CREATE INDEX files_by_hash ON files (sha256);
    CREATE INDEX files_by_age ON files (created);
    CREATE TABLE partials (
      key TEXT PRIMARY KEY, user TEXT NOT NULL, channel TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
      size INTEGER NOT NULL, sha256 TEXT NOT NULL, updated INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX partials_by_user ON partials (user);
    CREATE INDEX partials_by_age ON partials (updated);
    CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
    PRAGMA user_version = 1;
  `);
  db.prepare("INSERT INTO files VALUES ('f1', 'ann', 'chat:a', 'n', 'text/plain', 5, ?, ?, 'm1')")
    .run(requestOf(sampleBytes(5)).sha256, Date.now());
  db.close();
  const store = new DiskStore({ directory, limits: () => LIMITS });
  try {
    const file = await store.get("f1");
    assert.equal(file.size, 5);
    await store.announce(file, () => assert.fail("announced again"));
    const bytes = sampleBytes(9);
    const upload = await store.start(requestOf(bytes), OWN_ONLY);
    await pushAll(upload, bytes);
    const { fileId } = await store.complete(upload, "m2");
    assert.deepEqual(await readAll(store, fileId), bytes);
  } finally {
    await store.close();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("file failures: the thread that writes may end at any call: the upload is refused for now, and begun anew goes on", async () => {
  const bytes = sampleBytes(700_000);
  for (const dies of [1, 2, 3, 5, 7]) {
    for (const after of [true, false]) {
      const directory = await Deno.makeTempDir({ prefix: "skein-failing-" });
      const failures: string[] = [];
      const store = new DiskStore({
        directory,
        limits: () => ({ ...LIMITS, window: 400_000 }),
        failed: (_, stage) => failures.push(stage),
        threadFrom: 0,
        worker: () => {
          const real = new URL("../../src/engine/sqlite/blobs/worker.ts", import.meta.url).href;
          const code = `
            const waiting = [];
            let calls = 0;
            self.onmessage = (event) => waiting.push(event);
            await import(${JSON.stringify(real)});
            const handle = self.onmessage;
            self.onmessage = async (event) => {
              const last = ++calls === ${dies};
              if (last && !${after}) throw new Error("gone before");
              const handling = handle(event);
              if (last) throw new Error("gone meanwhile");
              await handling;
            };
            waiting.forEach((event) => self.onmessage(event));
          `;
          return new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" });
        },
      });
      try {
        let fileId: string | undefined;
        for (let tries = 0; fileId === undefined; tries++) {
          assert.ok(tries < 3, "it went on failing");
          const upload = await store.start(requestOf(bytes), OWN_ONLY);
          try {
            await pushAll(upload, bytes, 60_000);
            fileId = (await store.complete(upload, "m")).fileId;
          } catch (error) {
            refused("not_available")(error);
          }
        }
        assert.deepEqual(await readAll(store, fileId), bytes);
        assert.deepEqual(openIn(directory), [], `${dies} ${after}`);
        assert.equal(store.status()!.partial, 0);
      } finally {
        await store.close();
        await Deno.remove(directory, { recursive: true });
      }
    }
  }
});

Deno.test("file failures: what was written of a write that failed is cut off, and nothing is appended after it", async () => {
  const directory = await Deno.makeTempDir();
  const [most, within] = [8 * 1024 ** 2, 5 * 1024 ** 2];
  try {
    // The system refuses what is beyond a limit of the process after it has written what is below it.
    const child = decodeURIComponent(new URL("limited_child.ts", import.meta.url).pathname);
    const run = [Deno.execPath(), "run", "--no-check", "-A", child, `${directory}/part`, within, most];
    const command = run.map((word) => `'${word}'`).join(" ");
    const { stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", `trap '' XFSZ; ulimit -f ${most / 512}; exec ${command}`],
      env: { NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stdout);
    assert.ok(said.startsWith("{"), new TextDecoder().decode(stderr));
    const { before, after, failure, again } = JSON.parse(said);
    assert.deepEqual([before, after], [within, within]);
    assert.match(failure, /too large/i);
    assert.match(again, /could not be written before/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("file failures: a file and its directory are synced before the file is said to be there", () =>
  withStore(async (open) => {
    const { sync } = Deno.FsFile.prototype;
    const synced: string[] = [];
    Deno.FsFile.prototype.sync = async function (this: Deno.FsFile) {
      const isDirectory = (await this.stat()).isDirectory;
      await sync.call(this);
      synced.push(isDirectory ? "directory" : "file");
    };
    try {
      const store = open();
      const bytes = sampleBytes(5000);
      const upload = await store.start(requestOf(bytes), OWN_ONLY);
      await pushAll(upload, bytes);
      assert.deepEqual(synced, []);
      await store.complete(upload, "m1");
      assert.deepEqual(synced, ["file", "directory"]);
    } finally {
      Deno.FsFile.prototype.sync = sync;
    }
  }));

Deno.test("file failures: an upload that is taken over says so of chunks whose acknowledgement it held back", () =>
  withStore(async (open) => {
    const store = open({ rate: 1000 });
    const bytes = sampleBytes(50_000);
    const first = await store.start(requestOf(bytes), OWN_ONLY);
    // It is written at once, and acknowledged in a minute.
    const pushed = first.push(0, bytes.slice(0, 40_000)).then(() => "acknowledged", ({ error }) => error);
    while (first.busy === false) await turn();
    await turn(100);
    await store.start(requestOf(bytes), OWN_ONLY);
    assert.equal(await pushed, "unknown_upload");
  }));
