/** What PROTOCOL.md says of HTTP and HTTP/3, compared with what the service does. */

import assert from "node:assert/strict";
import { decodeSettings, encodeSettings } from "../../src/quic/h3/settings.ts";
import { clientDocument } from "../../src/service/http/client_info.ts";
import { blocks, page, tableAfter } from "../protocol/page.ts";

Deno.test("document: the example of /client.json is what the service answers", () => {
  const [example] = blocks("document").map((text) => JSON.parse(text));
  const { certificateHashes, limits, heartbeat } = example;
  const info = {
    websocket: { port: 8080, tls: true, publicUrl: undefined },
    quic: { port: 4433, alpn: "skein/1", publicUrl: undefined, certificateHashes },
    limits,
    heartbeat,
  };
  const asked = { authority: "chat.example", http3: false, secure: true };
  assert.deepEqual(clientDocument(info, asked), example);
  assert.equal(Uint8Array.fromBase64(certificateHashes[0]).length, 32);
  for (const field of Object.keys(example)) assert.match(page, new RegExp(`\`${field}\``));
});

Deno.test("document: the settings of WebTransport are those that the server sends", () => {
  const rows = tableAfter("drafts 02 to 14");
  const said = new Map(rows.map(([, id, value]) => [Number(id), Number(value)]));
  // The type and the length of the frame take a byte each.
  assert.deepEqual(said, decodeSettings(encodeSettings().subarray(2)));
});
