import assert from "node:assert/strict";
import { createServerClient } from "../../src/client/server/mod.ts";
import { makePlace, startServer } from "./server.ts";

const KEY = "key-of-the-back-end-of-a-test";
/** What ann says begins with this. */
const SECRET = "only-ann-says-this";
/** How often the service is killed within an erasure. */
const ROUNDS = Math.ceil(Number(Deno.env.get("SKEIN_CRASH_ROUNDS") ?? 20) / 4);
const CHANNELS = Array.from({ length: 20 }, (_, n) => `chat:${n}`);
/** Messages of each of two users in a channel. */
const EACH = 40;

/** Whether a file below a directory holds `text`. */
async function holds(directory: string, text: string): Promise<boolean> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) {
      if (await holds(path, text)) return true;
    } else if (new TextDecoder("latin1").decode(await Deno.readFile(path)).includes(text)) return true;
  }
  return false;
}

Deno.test("crash: an erasure that is killed at any moment goes on, and leaves nothing but what others said", async () => {
  const place = await makePlace({ api: { keys: [KEY] } });
  const api = createServerClient({ url: `http://127.0.0.1:${place.port}`, key: KEY, retries: 0 });
  const data = `${place.directory}/data`;
  let killed = 0;
  const hasBegun = async (round: number): Promise<boolean> => {
    const { messages } = await api.history({ channel: CHANNELS[0]!, limit: 1000, reverse: true });
    return messages.filter(({ payload }) => payload.data === null && payload.target === undefined).length >
      round * EACH;
  };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      {
        await using server = await startServer(place);
        const messages = CHANNELS.flatMap((channel) =>
          Array.from({ length: EACH }, (_, n) => [
            { channel, from: "ann", text: `${SECRET} ${round} ${n}` },
            { channel, from: "bob", text: `bob ${round} ${n}` },
          ]).flat()
        );
        for await (const reply of api.publishAll(messages)) assert.ok("result" in reply);
        const erasing = api.user_erase({ user: "ann" }).then(() => {}, () => void killed++);
        while (!await hasBegun(round)) await new Promise((resolve) => setTimeout(resolve, 5));
        // Some moment of it: the whole takes a fraction of a second.
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
        await server.kill();
        await erasing;
      }
      await using _server = await startServer(place);
      for (let waited = 0; await holds(data, SECRET); waited++) {
        assert.ok(waited < 300, "the erasure did not go on");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      for (const channel of CHANNELS) {
        const { messages } = await api.history({ channel, limit: 1000, reverse: true });
        const bobs = messages.filter(({ from, payload }) =>
          from === "bob" && String(payload.text).startsWith(`bob ${round} `)
        );
        assert.equal(bobs.length, EACH);
        const anns = messages.filter(({ from }) => from === "ann");
        assert.ok(anns.every(({ payload }) => payload.data === null));
      }
    }
    console.log(`    ${ROUNDS} erasures, ${killed} of them killed before their answer`);
  } finally {
    await Deno.remove(place.directory, { recursive: true });
  }
});
