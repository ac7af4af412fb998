/** Who is seen coming and going, over real connections. */

import assert from "node:assert/strict";
import { KINDS } from "../support/client.ts";
import { startTestService } from "../support/service.ts";

Deno.test("presence: a client that resumes on another transport and subscribes again is not seen to go and come", async () => {
  const service = await startTestService();
  try {
    await using ann = await service.connect("websocket", "ann");
    await ann.ask("subscribe", { channel: "chat:a" });
    let bob = await service.connect("websocket", "bob");
    await bob.ask("subscribe", { channel: "chat:a" });
    await ann.next("user_online");
    const { sessionId } = bob.messages.find(({ type }) => type === "auth_response")!.payload;
    for (const kind of KINDS) {
      await bob.close(4000);
      bob = await service.dial(kind);
      const answer = await bob.authenticate(await service.token("bob"), { sessionId, channels: {} });
      assert.deepEqual([answer.payload.resumed, answer.payload.channels["chat:a"]], [true, undefined]);
      await bob.ask("subscribe", { channel: "chat:a" });
      await bob.ask("chat_message", { channel: "chat:a", text: kind });
      await ann.next(({ type, payload }) => type === "chat_message" && payload.text === kind);
    }
    const seen = () => ann.messages.filter(({ type }) => type.startsWith("user_o")).map(({ type }) => type);
    assert.deepEqual(seen(), ["user_online"]);
    await bob.ask("unsubscribe", { channel: "chat:a" });
    await ann.next("user_offline");
    assert.deepEqual(seen(), ["user_online", "user_offline"]);
    await bob.close();
  } finally {
    await service.stop();
  }
});
