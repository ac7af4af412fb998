import { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { conformance } from "./conformance/mod.ts";

conformance({
  name: "sqlite",
  async open({ clock, dedupeWindow }) {
    const directory = await Deno.makeTempDir({ prefix: "skein-sqlite-" });
    const engines: SqliteEngine[] = [];
    const open = async (path: string): Promise<SqliteEngine> => {
      const engine = await SqliteEngine.open({ clock, dedupeWindow, path });
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
        return await open(`${directory}/killed.db`);
      },
      async close() {
        for (const engine of engines) engine.close();
        await Deno.remove(directory, { recursive: true });
      },
    };
  },
  clock: true,
  restart: true,
  // The file is one process's.
  peers: false,
});
