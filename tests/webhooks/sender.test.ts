/** What an endpoint's answers mean. */

import assert from "node:assert/strict";
import { Sender } from "../../src/webhooks/mod.ts";
import { endpoint, SECRETS, TestEndpoint } from "./support.ts";

const REQUEST = { id: "evt_1", body: JSON.stringify({ type: "message", data: {} }), wantsBody: false };

Deno.test("sender: few statuses refuse one request, all others say that the endpoint does not work", async () => {
  await using receiver = new TestEndpoint();
  const sender = new Sender(endpoint({ url: receiver.url }), "skein/test");
  for (
    const [status, expected] of [
      [200, undefined],
      [202, undefined],
      [400, false],
      [409, false],
      [413, false],
      [422, false],
      [301, true],
      [401, true],
      [404, true],
      [410, true],
      [500, true],
      [503, true],
    ] as const
  ) {
    const headers = status === 301 ? { location: "/elsewhere" } : undefined;
    receiver.answer = () => new Response(null, { status, ...headers && { headers } });
    const { isDown, failure } = await sender.post(REQUEST);
    assert.equal(isDown, expected, `${status}`);
    assert.equal(failure, expected === undefined ? undefined : `status ${status}`);
  }
  receiver.secret = SECRETS[1]!;
  assert.equal((await sender.post(REQUEST)).isDown, true, "it does not know the key");
  sender.close();
});

Deno.test("sender: an endpoint may say how long it wants to be left alone", async () => {
  await using receiver = new TestEndpoint();
  const sender = new Sender(endpoint({ url: receiver.url }), "skein/test");
  for (
    const [given, expected] of [["7", 7000], ["999999", 3_600_000], ["soon", undefined], [
      "-1",
      undefined,
    ]] as const
  ) {
    receiver.answer = () => new Response(null, { status: 503, headers: { "retry-after": given } });
    assert.equal((await sender.post(REQUEST)).retryAfter, expected);
  }
  sender.close();
});

Deno.test("sender: of a notification only the status counts, however long the answer is", async () => {
  await using receiver = new TestEndpoint();
  receiver.answer = () => new Response("x".repeat(10_000_000));
  const sender = new Sender(endpoint({ url: receiver.url }), "skein/test");
  assert.equal((await sender.post(REQUEST)).failure, undefined);
  assert.equal((await sender.post({ ...REQUEST, wantsBody: true })).failure, "too large");
  sender.close();
});
