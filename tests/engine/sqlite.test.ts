import { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { conformance } from "./conformance.ts";

conformance({
  name: "sqlite",
  async open(options) {
    const directory = await Deno.makeTempDir({ prefix: "skein-sqlite-" });
    const engines: SqliteEngine[] = [];
    const open = (path: string): SqliteEngine => {
      const engine = new SqliteEngine({ ...options, path });
      engines.push(engine);
      return engine;
    };
    return {
      engine: open(`${directory}/skein.db`),
      async restart() {
        // What kill -9 leaves: the files as they are while the engine has them open.
        for (const end of ["", "-wal"]) {
          await Deno.copyFile(`${directory}/skein.db${end}`, `${directory}/killed.db${end}`);
        }
        return open(`${directory}/killed.db`);
      },
      async close() {
        for (const engine of engines) engine.close();
        await Deno.remove(directory, { recursive: true });
      },
    };
  },
  clock: true,
  restart: true,
  peers: false,
});
