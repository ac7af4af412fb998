import assert from "node:assert/strict";
import { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { conformance } from "./conformance/mod.ts";

/** Copies what is there; a directory that was never made is none. */
async function copyDirectory(from: string, to: string): Promise<void> {
  let entries: Deno.DirEntry[];
  try {
    entries = await Array.fromAsync(Deno.readDir(from));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  await Deno.mkdir(to);
  for (const { name, isDirectory } of entries) {
    if (isDirectory) await copyDirectory(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

conformance({
  name: "sqlite",
  async open({ clock, dedupeWindow }) {
    const directory = await Deno.makeTempDir({ prefix: "skein-sqlite-" });
    const engines: SqliteEngine[] = [];
    /** Of files: nobody waits for removals, so nobody else would see that they fail. */
    const failures: string[] = [];
    const open = async (path: string, files = "files"): Promise<SqliteEngine> => {
      const engine = await SqliteEngine.open({
        sweepTime: Infinity,
        clock,
        dedupeWindow,
        path,
        files: `${directory}/${files}`,
        failed: (error, stage) => void (/ file|files/.test(stage) && failures.push(`${stage}: ${error}`)),
      });
      engines.push(engine);
      return engine;
    };
    const path = `${directory}/skein.db`;
    return {
      engine: await open(path),
      peer: () => open(path),
      async restart() {
        // What kill -9 leaves: the files as they are while the engine has them open.
        for (const end of ["", "-wal"]) await Deno.copyFile(path + end, `${directory}/killed.db${end}`);
        await copyDirectory(`${directory}/files`, `${directory}/killed`);
        return await open(`${directory}/killed.db`, "killed");
      },
      async close() {
        for (const engine of engines) await engine.close();
        await Deno.remove(directory, { recursive: true });
        assert.deepEqual(failures, []);
      },
    };
  },
  clock: true,
  restart: true,
  // The file is one process's.
  peers: false,
});
