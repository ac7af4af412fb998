/** Lanes of a session that are stuck or end, in the middle of traffic on the others. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { LaneClient, type LaneMessage } from "../support/lane_client.ts";
import { QUIC_KINDS, type QuicKind, until, withService } from "./support.ts";

const kind = fc.constantFrom<QuicKind>(...QUIC_KINDS);
// What begins with a slash may be a command.
const text = fc.string({ minLength: 1, maxLength: 2000 }).map((text) => text.replace(/^\//, "."));
const texts = fc.array(text, { minLength: 1, maxLength: 6 });

/** Texts said on a lane about the lane's own channel, several under way at a time; each is acknowledged on its lane. */
async function talk(
  client: LaneClient,
  lane: number,
  channel: string,
  texts: readonly string[],
): Promise<void> {
  const ids: string[] = [];
  for (const text of texts) ids.push(await client.send(lane, "chat_message", { channel, text }));
  let before: number | undefined;
  for (const id of ids) {
    const ack = await client.next(({ re }) => re === id, "the acknowledgement");
    assert.deepEqual([ack.type, ack.lane], ["message_ack", lane]);
    const offset = ack.payload.offset as number;
    if (before !== undefined) assert.equal(offset, before + 1);
    before = offset;
  }
}

/** The deliveries of a channel so far. */
function heard(client: LaneClient, channel: string): LaneMessage[] {
  return client.messages.filter(({ type, payload }) =>
    type === "chat_message" && payload.channel === channel
  );
}

/** Everything that was said came, once, in order and on this lane. */
async function hears(
  client: LaneClient,
  lane: number,
  channel: string,
  texts: readonly string[],
): Promise<void> {
  await until("everything came", () => heard(client, channel).length >= texts.length);
  assert.deepEqual(
    heard(client, channel).map(({ payload, lane }) => [payload.text, lane]),
    texts.map((text) => [text, lane]),
  );
}

/**
 * Validates: however many lanes are stuck in the middle of a frame, everything said on the others is acknowledged and
 * delivered there, in order.
 */
Deno.test("Feature: quic-transport, Property 10: streams do not block one another (lanes of a session)", () =>
  withService(async (service) => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        kind,
        fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 8 }),
        fc.array(texts, { minLength: 1, maxLength: 4 }),
        async (kind, stuck, talks) => {
          const run = runs++;
          const client = await LaneClient.dial(service, kind, "ann");
          for (const lane of stuck) await client.write(lane, new Uint8Array([0x44, 0x00, 0x7b]));
          await Promise.all(talks.map(async (texts, at) => {
            const lane = 41 + at, channel = `chat:${run}-${at}`;
            await client.ask(lane, "subscribe", { channel });
            await talk(client, lane, channel, texts);
            await hears(client, lane, channel, texts);
          }));
          client.close();
        },
      ),
      { numRuns: 100, endOnFailure: true },
    );
  }));

/**
 * Validates: lanes that end or are not read any more while all are in use take nothing of the others with them, and their
 * channels are delivered on lane 0 from then on; what may be lost of a lane that is not read is told.
 */
Deno.test("Feature: quic-transport, Property 11: a closed stream leaves the others (lanes of a session)", () =>
  withService(async (service) => {
    let runs = 0;
    const fate = fc.constantFrom("ends" as const, "stops" as const, "stays" as const, "stays" as const);
    await fc.assert(
      fc.asyncProperty(
        kind,
        fc.array(fc.record({ fate, before: texts, after: texts }), { minLength: 2, maxLength: 6 }),
        async (kind, plans) => {
          const run = runs++;
          const client = await LaneClient.dial(service, kind, "ann");
          const lanes = plans.map((plan, at) => ({ ...plan, lane: at + 1, channel: `chat:${run}-${at}` }));
          for (const { lane, channel } of lanes) await client.ask(lane, "subscribe", { channel });
          // Some end while others speak.
          await Promise.all(lanes.map(async ({ lane, channel, before, after, fate }) => {
            await talk(client, lane, channel, before);
            if (fate === "ends") await client.end(lane);
            if (fate === "stops") client.stop(lane);
            if (fate === "stays") await talk(client, lane, channel, after);
          }));
          for (const { lane, channel, before, after, fate } of lanes) {
            if (fate === "stays") {
              await hears(client, lane, channel, [...before, ...after]);
              continue;
            }
            const isStopped = () =>
              client.messages.some(({ payload }) =>
                payload.kind === "discontinuity" && payload.channel === channel
              );
            const isMoved = () => heard(client, channel).at(-1)?.lane === 0;
            // It may take a moment until the service knows of the end.
            await until("it is delivered on lane 0, or said to be lost", async () => {
              await talk(client, 0, channel, ["again"]);
              return isMoved() || isStopped();
            });
            const offsets = heard(client, channel).map(({ payload }) => payload.offset);
            if (fate === "stops" && isStopped()) continue;
            assert.deepEqual(offsets, offsets.map((_, at) => at + 1));
          }
          client.close();
        },
      ),
      { numRuns: 100, endOnFailure: true },
    );
  }));
