/** Files of channels that an endpoint decides about. */

import assert from "node:assert/strict";
import { SkeinClient } from "../../src/client/mod.ts";
import { OPEN } from "../integration/support.ts";
import { startTestService } from "../support/service.ts";
import { SECRETS, TestEndpoint } from "./support.ts";

Deno.test("webhooks: a file is read by whom the endpoint lets into its channel, and many requests ask once", async () => {
  await using endpoint = new TestEndpoint();
  const settings = { name: "back-end", url: endpoint.url, allowPrivate: true, secrets: [SECRETS[0]!] };
  const service = await startTestService({
    ...OPEN,
    webhooks: { endpoints: [{ ...settings, events: ["subscribe"], channels: ["chat:secret"] }] },
  } as never);
  await using _running = { [Symbol.asyncDispose]: () => service.stop() };
  const members = new Set(["ann", "carol", "dave"]);
  endpoint.answer = ({ data }) => Response.json({ allow: members.has(data.user), reason: "members only" });
  const asked = () =>
    endpoint.of("subscribe").map(({ data: { user, file, session } }) =>
      `${user}${file ? " file" : ""}${session === undefined ? "" : " connected"}`
    );
  const ann = new SkeinClient({ url: service.url, getToken: () => service.token("ann") });
  try {
    const bytes = "a secret of some length";
    const { fileId } = await ann.channel("chat:secret").upload(new Blob([bytes]), { name: "a.txt" }).done;
    const get = async (user: string, range?: string) => {
      const authorization = `Bearer ${await service.token(user)}`;
      const headers = range === undefined ? { authorization } : { authorization, range };
      const answer = await fetch(`${service.url}/files/${fileId}`, { headers });
      return [answer.status, await answer.text()] as const;
    };
    // Who has sent it may read it, and nobody is asked.
    assert.deepEqual(await get("ann"), [200, bytes]);
    assert.deepEqual(asked(), []);
    for (let at = 0; at < 5; at++) {
      assert.deepEqual(await get("carol", `bytes=${at}-${at}`), [206, bytes[at]]);
    }
    assert.deepEqual(asked(), ["carol file"]);
    for (let n = 0; n < 3; n++) {
      const [status, text] = await get("bob");
      assert.equal(status, 403);
      assert.match(text, /members only/);
    }
    assert.deepEqual(asked(), ["carol file", "bob file"]);
    await using mallory = await service.connect("websocket", "mallory");
    for (const type of ["file_download", "file_link"] as const) {
      const { payload } = await mallory.request(type, { fileId });
      assert.deepEqual([payload.name, payload.message], ["permission_denied", "members only"]);
    }
    // A content that is there already is not shown to who may not read it by asking to upload it.
    const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(bytes)))
      .toHex();
    const upload = { channel: "chat:open", name: "b.txt", type: "text/plain", size: bytes.length, sha256 };
    assert.equal((await mallory.ask("file_upload_start", upload)).payload.exists, undefined);
    // A subscriber was decided about when it subscribed.
    await using dave = await service.connect("websocket", "dave");
    await dave.ask("subscribe", { channel: "chat:secret" });
    assert.equal((await dave.ask("file_download", { fileId })).type, "file_download_ready");
    assert.equal((await dave.ask("file_link", { fileId })).type, "file_link_response");
    assert.deepEqual(asked().slice(2), ["mallory file connected", "dave connected"]);
    // While the endpoint cannot be asked, the request may be sent again.
    endpoint.answer = () => new Response(null, { status: 500 });
    assert.equal((await get("erin"))[0], 503);
  } finally {
    await ann.close();
  }
});
