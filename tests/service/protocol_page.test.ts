/** What PROTOCOL.md says of HTTP and HTTP/3, compared with what the service does. */

import assert from "node:assert/strict";
import { RIGHTS } from "../../src/protocol/mod.ts";
import { decodeSettings, encodeSettings } from "../../src/quic/h3/settings.ts";
import { clientDocument } from "../../src/service/http/client_info.ts";
import { blocks, page, tableAfter } from "../protocol/page.ts";
import { until } from "../integration/support.ts";
import { Http3Peer } from "../quic/h3_peer.ts";
import { KINDS } from "../support/client.ts";
import { defaultConfig } from "../support/config.ts";
import { startTestService } from "../support/service.ts";

/** The numbers in the first passage of the page that fits. */
function said(passage: RegExp): number[] {
  const found = passage.exec(page);
  assert.ok(found !== null, `PROTOCOL.md does not say ${passage}`);
  return found.slice(1).map(Number);
}

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

Deno.test("document: a CONNECT request is answered as the page says", async () => {
  const [second] = said(/another CONNECT on it gets (\d+)/);
  const [elsewhere, forbidden] = said(/any other gets (\d+), an origin that is not allowed (\d+)/);
  const service = await startTestService({ http: { allowedOrigins: ["https://named.example"] } });
  try {
    const { quicPort, certificateHash } = service;
    const ask = async (origin: string, path: string, peer?: Http3Peer) => {
      peer ??= await Http3Peer.connect(quicPort, certificateHash);
      const { status } = await peer.session(quicPort, [["origin", origin]], path);
      return { peer, status };
    };
    const named = "https://named.example", path = "/connection/webtransport";
    const taken = await ask(named, path);
    assert.equal(taken.status, 200);
    assert.equal((await ask(named, path, taken.peer)).status, second);
    assert.equal((await ask(named, "/elsewhere")).status, elsewhere);
    assert.equal((await ask("https://other.example", path)).status, forbidden);
  } finally {
    await service.stop();
  }
});

Deno.test("document: the times that a client has for its first bytes are the defaults", () => {
  const { quic, http } = defaultConfig();
  const [idle] = said(/without a request or a session for (\d+) s \(`quic.headerTimeout`\) gets\s+GOAWAY/);
  const [silent] = said(/a stream that says no number for (\d+) s/);
  const [head] = said(/has `http.headTimeout` \((\d+) s by default\)/);
  assert.deepEqual([idle! * 1000, silent! * 1000], [quic.headerTimeout, quic.headerTimeout]);
  assert.equal(head! * 1000, http.headTimeout);
});

Deno.test("document: a close with the code of a browser keeps the session, with the code of a good-bye ends it", async () => {
  const [lost] = said(/Code (\d+) is what a browser sends [^.]*: to the server it\s+is a lost connection/);
  const [over] = said(/A client that will not come back closes with (\d+)/);
  const service = await startTestService();
  try {
    const token = await service.token("ann");
    for (const kind of KINDS) {
      for (const code of [lost!, over!]) {
        // Browsers send no such code over a WebSocket.
        if (kind === "websocket" && code === lost) continue;
        const client = await service.dial(kind);
        const { sessionId } = (await client.authenticate(token)).payload;
        await client.close(code);
        const end = code === lost ? "session disconnect" : "session end";
        await until(
          `"${end}" after ${code} over ${kind}`,
          () => service.lines.some(({ event, session }) => event === end && session === sessionId),
        );
        await using next = await service.dial(kind);
        const { resumed } = (await next.authenticate(token, { sessionId, channels: {} })).payload;
        assert.equal(resumed, code === lost, `${code} over ${kind}`);
      }
    }
  } finally {
    await service.stop();
  }
});

Deno.test("document: the page names the rights that there are", () => {
  const rights = /^\| `rights` .*$/m.exec(page)![0].split("|")[3]!.split(";")[0]!;
  assert.deepEqual(rights.match(/\w+/g), [...RIGHTS]);
});

Deno.test("document: the page says what foreign clients have met of lost lanes and of drafts", () => {
  said(/\(STOP_SENDING\) loses [^]*?`discontinuity` with the reason `lane_lost`/);
  said(/Drafts 15 and later are not announced: they demand .* RESET_STREAM_AT/);
});
