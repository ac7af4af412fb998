import assert from "node:assert/strict";
import type { BlobFile } from "../../src/engine/contract.ts";
import { begin, bytesOf, finish, refused, uploadOf } from "./conformance/blob_files.ts";
import { type Databases, withDatabases } from "./sqlite_support.ts";

/** How many bytes of uploads and contents are on the disk. */
async function bytesOnDisk({ directory }: Databases, path = `${directory}/files`): Promise<number> {
  let sum = 0;
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (name.startsWith("catalog")) continue;
    if (isDirectory) sum += await bytesOnDisk({ directory } as Databases, `${path}/${name}`);
    else if (!/\.(db|sqlite)/.test(name)) sum += (await Deno.stat(`${path}/${name}`)).size;
  }
  return sum;
}

/** Lets what is removed in the background go. */
async function until(databases: Databases, bytes: number): Promise<void> {
  const ends = performance.now() + 10_000;
  for (;;) {
    const there = await bytesOnDisk(databases);
    if (there === bytes) return;
    assert.ok(performance.now() < ends, `${there} bytes instead of ${bytes}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("sqlite blobs: what is discarded, wrong, too old or deleted leaves no bytes on the disk", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const { blobs } = engine;
    const size = 5000;
    const writer = await begin(engine, bytesOf(1, size));
    await writer.append(bytesOf(1, size).slice(0, 3000));
    await until(databases, 3000);
    await blobs.discard(uploadOf(bytesOf(1, size)).key);
    await writer.close();
    await until(databases, 0);

    const wrong = await begin(engine, bytesOf(2, size));
    await wrong.append(bytesOf(3, size));
    await refused("file_hash_mismatch", () => wrong.commit({ fileId: "f0", request: "m0", createdAt: 1 }));
    await wrong.close();
    await until(databases, 0);

    const old = await begin(engine, bytesOf(4, size));
    await old.append(bytesOf(4, size).slice(0, 10));
    await old.close();
    await until(databases, 10);
    await blobs.expire({ files: 0, uploads: databases.now + 1 });
    await until(databases, 0);

    const file: BlobFile = await finish(await begin(engine, bytesOf(5, size)), bytesOf(5, size), "f1");
    await until(databases, size);
    await blobs.delete(file.fileId);
    await until(databases, 0);
  }));

Deno.test("sqlite blobs: a writer may be closed again, and takes nothing afterwards", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const writer = await begin(engine, bytesOf(1));
    await writer.append(bytesOf(1).slice(0, 10));
    await Promise.all([writer.close(), writer.close()]);
    await writer.close();
    await assert.rejects(writer.append(bytesOf(1).slice(10)));
    assert.equal((await begin(engine, bytesOf(1))).offset, 10);
  }));
