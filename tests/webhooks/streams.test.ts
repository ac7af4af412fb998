/** Webhooks that decide about streamed messages, at a real endpoint. */

import assert from "node:assert/strict";
import { SkeinClient } from "../../src/client/mod.ts";
import { createServerClient } from "../../src/client/server/mod.ts";
import { until } from "../client/crowd.ts";
import { OPEN } from "../integration/support.ts";
import { startTestService } from "../support/service.ts";
import { SECRETS, TestEndpoint } from "./support.ts";

const KEY = "key-of-the-back-end-of-a-test";
/** A service whose endpoint hears of these events, a back end, and a client of it. */
async function start(...events: string[]) {
  const endpoint = new TestEndpoint();
  const settings = { name: "back-end", url: endpoint.url, allowPrivate: true, secrets: [SECRETS[0]!] };
  const service = await startTestService({
    ...OPEN,
    api: { keys: [KEY] },
    webhooks: { endpoints: [{ ...settings, events }] },
  } as never);
  const ann = new SkeinClient({ url: service.url, getToken: () => service.token("ann") });
  return {
    endpoint,
    ann,
    api: createServerClient({ url: service.url, key: KEY }),
    async [Symbol.asyncDispose]() {
      await ann.close();
      await service.stop();
      await endpoint[Symbol.asyncDispose]();
    },
  };
}

const json = (value: unknown) => Response.json(value);

Deno.test("webhooks: what an endpoint refuses or changes cannot be said by streaming it", async () => {
  await using place = await start("publish");
  const { endpoint, api, ann } = place;
  endpoint.answer = ({ data: { payload } }) =>
    payload.text?.includes("spam")
      ? json({ allow: false, reason: "no spam" })
      : payload.text?.includes("damn")
      ? json({ text: payload.text.replace("damn", "****") })
      : new Response(null, { status: 204 });
  const texts = async () => {
    const { messages } = await api.history({ channel: "chat:a" });
    return messages.map(({ payload }) => [payload.text, payload.stream]);
  };
  const refused = await ann.channel("chat:a").stream();
  await refused.append("this is sp");
  await assert.rejects(refused.append("am"), /no spam/);
  const changed = await ann.channel("chat:a").stream();
  await changed.append("damn it");
  await changed.end();
  assert.deepEqual(await texts(), [["this is sp", "failed"], ["**** it", "ended"]]);
  const { target, at, from } = endpoint.of("publish").find(({ data }) => data.at === 10)!.data;
  assert.deepEqual([target, at, from], [1, 10, "ann"]);
  // The back end is not asked about its own messages.
  const { offset } = await api.publish({ channel: "chat:a", text: "", stream: true });
  await api.append({ channel: "chat:a", target: offset, at: 0, text: "spam", final: "ended" });
  assert.deepEqual((await texts()).at(-1), ["spam", "ended"]);
});

Deno.test("webhooks: an endpoint sees lists as they grow, may change what is new, and nothing that was read", async () => {
  await using place = await start("publish");
  const { endpoint, api, ann } = place;
  endpoint.answer = ({ data: { payload } }) => {
    const list = payload.data as unknown[];
    if (list.includes("spam")) return json({ allow: false, reason: "no spam" });
    if (list.includes("mask")) return json({ data: list.map((one) => one === "mask" ? "***" : one) });
    if (list.includes("rewrite")) return json({ data: list.map(() => "rewritten") });
    return list.includes("text") ? json({ text: "a text" }) : new Response(null, { status: 204 });
  };
  for (const last of ["spam", "rewrite", "text"]) {
    const stream = await ann.channel("chat:a").stream({ content: [{ n: 1 }] });
    await stream.append(["mask"]);
    await assert.rejects(stream.append([last]));
  }
  const { messages } = await api.history({ channel: "chat:a" });
  assert.deepEqual(
    messages.map(({ payload }) => [payload.data, payload.stream]),
    Array(3).fill([[{ n: 1 }, "***"], "failed"]),
  );
  const seen = endpoint.of("publish").find(({ data }) => data.at === 2)!.data;
  assert.deepEqual([seen.target, seen.payload.data], [1, [{ n: 1 }, "***", "spam"]]);
});

Deno.test("webhooks: an endpoint is told of a streamed message when it begins and when it is over", async () => {
  await using place = await start("message");
  const { endpoint, ann } = place;
  const stream = await ann.channel("chat:a").stream();
  await stream.append("all of ");
  await stream.append("it");
  await stream.end();
  await until("both", () => endpoint.of("message").length >= 2);
  const told = endpoint.of("message").toSorted((a, b) =>
    a.data.payload.text.length - b.data.payload.text.length
  );
  assert.deepEqual(told.map(({ data: { payload, final } }) => [payload.text, payload.stream, final]), [
    ["", "open", undefined],
    ["all of it", "ended", "ended"],
  ]);
  const [first, last] = told.map(({ data: { id, offset, epoch, from } }) => [id, offset, epoch, from]);
  assert.deepEqual(first, last);
  assert.notEqual(told[0]!.id, told[1]!.id);
});
