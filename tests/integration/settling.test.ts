/** A line that is gone for longer than the service knows ids: what was committed without an answer is not said again. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { startTestService } from "../support/service.ts";
import { Network, OPEN, until } from "./support.ts";

/** Milliseconds of the client's clock without a line. */
const GONE = 330_000;

Deno.test("settling: on a running service nothing is said twice, though the ids of what was said are forgotten", async () => {
  const session = { ...OPEN.session, resumeWindow: "1s" };
  // A configuration has longer windows.
  const engine = () => Promise.resolve(new MemoryEngine({ dedupeWindow: 1000 }));
  const service = await startTestService({ session }, engine);
  try {
    await using network = new Network(service, "quic");
    await using bob = await service.connect("websocket", "bob");
    const kept = async (): Promise<string[]> => {
      const { payload } = await bob.ask("history", { channel: "chat:x", limit: 100 });
      return payload.messages.map(({ text }: { text: string }) => text);
    };
    const ann = network.client(await service.token("ann"), { enableQuic: false });
    await ann.connect();
    // From now on it hears nothing any more, and then it has no line at all.
    network.tcp.delayToClient = 3_600_000;
    const receipts = ["one", "two"].map((text) => ann.channel("chat:x").publish(text));
    await until("both are kept", async () => (await kept()).length === 2);
    network.websocket = "refused";
    network.tcp.cut();
    receipts.push(ann.channel("chat:x").publish("three"));
    // What is said after its messages is known for longer than they are.
    const isKnown = async (): Promise<boolean> => {
      const said = { channel: "chat:other", text: "x" };
      return (await bob.ask("chat_message", said, { id: "of-bob" })).payload.duplicate;
    };
    assert.equal(await isKnown(), false);
    await until("ids are forgotten", async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return !await isKnown();
    });
    const since = network.clock.now();
    await network.pass("it is gone for long", () => network.clock.now() - since >= GONE, GONE + 1000, 1000);
    network.tcp.delayToClient = 0;
    network.websocket = "open";
    await network.pass("everything is said", () => ann.manager.pending === 0, 60_000, 50);
    const duplicates = (await Promise.all(receipts)).map(({ duplicate }) => duplicate);
    assert.deepEqual(duplicates, [true, true, false]);
    assert.deepEqual(await kept(), ["one", "two", "three"]);
  } finally {
    await service.stop();
  }
});
