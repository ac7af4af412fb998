/** Tokens that are revoked while their user is connected, on a running service. */

import assert from "node:assert/strict";
import { crowd, until } from "./crowd.ts";

const KEY = "key-of-the-back-end-of-a-test";

for (const enableQuic of [true, false]) {
  Deno.test(`revocation: who gets another token is back soon (${enableQuic ? "QUIC" : "WebSocket"})`, async () => {
    await using place = await crowd({ api: { keys: [KEY] } });
    const ann = place.join("ann", { enableQuic });
    await ann.connect();
    const statuses: string[] = [];
    ann.on("status", (status) => statuses.push(status));
    const answer = await fetch(`${place.service.url}/api/revoke`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": KEY },
      body: JSON.stringify({ user: "ann" }),
    });
    assert.deepEqual(await answer.json(), { result: { connections: 1 } });
    await until("ann is back, or not", () => /connected|unauthorized/.test(statuses.at(-1) ?? ""));
    assert.deepEqual(statuses, ["reconnecting", "connected"]);
  });
}
