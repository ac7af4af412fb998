/** Streamed messages whose senders move between nodes. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { delay } from "../../src/async/deadline.ts";
import { SkeinClient } from "../../src/client/mod.ts";
import { readStreams } from "../../src/client/streams.ts";
import type { TestClient } from "../support/client.ts";
import { Roamer } from "./roamer.ts";
import { Cluster, tokenOf, until } from "./support.ts";

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constantFrom("say", "say and wait", "say unheard"),
        length: fc.integer({ min: 1, max: 40 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom("move", "move and wait"), length: fc.constant(0) }),
    },
  ),
  { minLength: 4, maxLength: 16 },
);

/** What was delivered of a message on one connection, which must follow piece by piece. */
function deliveredTo(
  client: TestClient,
  channel: string,
): { text: string; final: unknown; problems: string[] } {
  let text = "", final: unknown;
  const problems: string[] = [];
  for (const { type, payload } of client.messages) {
    if (payload.channel !== channel) continue;
    if (type === "chat_message") text = String(payload.text);
    if (type !== "message_append") continue;
    if (payload.at !== text.length) problems.push(`a piece at ${payload.at} after ${text.length}`);
    if (final !== undefined) problems.push("a piece after the end");
    text += payload.text;
    ({ final } = payload);
  }
  return { text, final, problems };
}

/**
 * Validates: wherever the sender of a streamed message is sent while it writes, readers on every node have each piece once
 * and in order, and the message that is kept is what was written.
 */
Deno.test("Feature: quic-transport, Property 325: a streamed message whose sender moves between nodes has each piece once", async () => {
  await moveSenders();
  // Where a piece came once more at last, its node waits 50 ms for the next one. That timer was set before this one.
  await delay(100);
});

async function moveSenders(): Promise<void> {
  await using cluster = await Cluster.start(2);
  const [first, second] = cluster.nodes;
  await using bob = await cluster.connect(first!, "websocket", "bob");
  await using carol = await cluster.connect(second!, "quic", "carol");
  const dave = new SkeinClient({ url: second!.url, getToken: () => tokenOf("dave"), enableQuic: false });
  try {
    await fc.assert(
      fc.asyncProperty(steps, fc.uuid(), async (steps, room) => {
        const channel = `chat:${room}`;
        for (const each of [bob, carol]) await each.ask("subscribe", { channel });
        let read = "", final: unknown;
        const pieces: number[] = [];
        const off = await readStreams(dave, channel, (piece) => {
          pieces.push(piece.at - read.length);
          read += piece.content;
          ({ final } = piece);
        });
        await using ann = new Roamer(cluster, "ann", { enableQuic: false });
        await ann.client.connect();
        const stream = await ann.client.channel(channel).stream();
        let written = "", at = 0;
        const committed: Promise<void>[] = [];
        for (const [n, { kind, length }] of steps.entries()) {
          if (kind.startsWith("move")) ann.move(at = 1 - at);
          if (kind === "move and wait") await until("it is back", () => ann.client.manager.isConnected());
          if (!kind.startsWith("say")) continue;
          if (kind === "say unheard") {
            // It is connected, and a writer has one piece under way.
            written += ".";
            committed.push(stream.append("."));
            await Promise.all(committed);
            ann.deafen();
          }
          const piece = `${n}:`.padEnd(length, String.fromCharCode(97 + n));
          written += piece;
          committed.push(stream.append(piece));
          if (kind === "say and wait") await committed.at(-1);
          if (kind !== "say unheard") continue;
          // It is committed and nobody has told its sender, who says it again at the other node.
          await until("it is delivered", () => deliveredTo(carol, channel).text.length >= written.length);
          ann.move(at = 1 - at);
        }
        await stream.end();
        await Promise.all(committed);
        await until("the reader has the end", () => final !== undefined);
        assert.deepEqual([read, final, pieces.filter((gap) => gap !== 0)], [written, "ended", []]);
        for (const each of [bob, carol]) {
          await until("the end has come", () => deliveredTo(each, channel).final !== undefined);
          assert.deepEqual(deliveredTo(each, channel), { text: written, final: "ended", problems: [] });
        }
        const { payload } = await bob.ask("history", { channel, limit: 10 });
        assert.deepEqual(
          (payload.messages as { text: string; stream: string }[]).map(({ text, stream }) => [text, stream]),
          [[written, "ended"]],
        );
        assert.equal(ann.sessions.size, 1, "it has one session");
        off();
      }),
      { numRuns: 100 },
    );
  } finally {
    await dave.close();
  }
}
