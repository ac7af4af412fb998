import assert from "node:assert/strict";
import { uuidv7 } from "../../src/protocol/mod.ts";
import { Publisher, type Sent } from "./publisher.ts";
import { makePlace, startServer } from "./server.ts";

/** How often the service is killed: `deno task test:crash` does it 200 times. */
const ROUNDS = Number(Deno.env.get("SKEIN_CRASH_ROUNDS") ?? 20);
/** Milliseconds of publishing before the service is killed: some moment between these. */
const LIFE = { least: 10, most: 350 };
const CHANNELS = ["chat:a", "chat:b", "chat:c"];
/** Acknowledged messages that are sent again in each round. */
const AGAIN = 20;

/** How far a channel was checked. */
interface Known {
  epoch: string | undefined;
  offset: number;
}

Deno.test("crash: killed at any moment, the service keeps what it acknowledged, once, without a gap", async () => {
  const place = await makePlace();
  const found = new Map<string, number>();
  const known = new Map<string, Known>(CHANNELS.map((name) => [name, { epoch: undefined, offset: 0 }]));
  let unsure: Sent[] = [], sure: Sent[] = [], acknowledged = 0, survived = 0;
  /** Reads what was kept since the last call. Everything that was acknowledged has to be there. */
  const look = async (publisher: Publisher): Promise<void> => {
    for (const [channel, state] of known) {
      const { epoch, offset, kept } = await publisher.history(channel, state.offset);
      assert.equal(epoch, state.epoch ?? epoch, `${channel} is in another epoch`);
      for (const { id, offset, prev } of kept) {
        assert.equal(prev, state.offset, `${channel}: the offset before ${offset}`);
        assert.equal(offset, state.offset + 1, `${channel}: an offset is missing or given twice`);
        assert.equal(found.has(id), false, `${id} is there twice`);
        found.set(id, offset);
        state.offset = offset;
      }
      assert.equal(state.offset, offset, `${channel}: the last offset`);
      state.epoch = epoch;
    }
    for (const { id, offset } of sure) {
      assert.equal(found.get(id), offset, `${id}, acknowledged at ${offset}`);
    }
  };
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      await using server = await startServer(place);
      const publisher = await Publisher.open(place);
      await look(publisher);
      survived += unsure.filter(({ id }) => found.has(id)).length;
      // A client without an acknowledgement sends again: the message must still be there only once.
      const again = [...sure.slice(-AGAIN), ...unsure];
      await publisher.publish(again);
      assert.equal(publisher.isEnded, false, "the connection of a service that was not killed");
      for (const { id, offset } of again) {
        assert.notEqual(offset, undefined, id);
        assert.equal(found.get(id) ?? offset, offset, `${id}, which is there already`);
      }
      sure = again;
      await look(publisher);
      if (round === ROUNDS) {
        await publisher.close();
        break;
      }
      const sent: Sent[] = [];
      const publishing = publisher.publish(endless(sent));
      const life = LIFE.least + Math.random() * (LIFE.most - LIFE.least);
      await new Promise((resolve) => setTimeout(resolve, life));
      await server.kill();
      await publisher.ended;
      await publishing;
      unsure = sent.filter(({ offset }) => offset === undefined);
      sure = sent.filter(({ offset }) => offset !== undefined);
      acknowledged += sure.length;
    }
    assert.ok(acknowledged > ROUNDS, `only ${acknowledged} messages were acknowledged`);
    console.log(
      `${acknowledged} acknowledged, ${survived} kept that were not, ${found.size} in all, ${ROUNDS} times killed`,
    );
  } finally {
    await Deno.remove(place.directory, { recursive: true });
  }
});

function* endless(sent: Sent[]): Generator<Sent> {
  for (let i = 0;; i++) {
    const message: Sent = { id: uuidv7(), channel: CHANNELS[i % CHANNELS.length]!, offset: undefined };
    sent.push(message);
    yield message;
  }
}
