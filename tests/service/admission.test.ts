/** How many connections one address may have, over all transports together. */

import assert from "node:assert/strict";
import { startTestService, type TestService } from "../support/service.ts";

async function idle({ service, certificateHash }: TestService, alpn: string): Promise<Deno.QuicConn> {
  const { port } = service.addresses.quic!;
  const trust = { serverCertificateHashes: [{ algorithm: "sha-256", value: certificateHash }] };
  const conn = await Deno.connectQuic({ hostname: "127.0.0.1", port, alpnProtocols: [alpn], ...trust });
  conn.closed.catch(() => {});
  return conn;
}

/** What a WebSocket upgrade is answered with; one that comes about is given up again. */
async function upgrade({ websocketUrl }: TestService): Promise<number> {
  const { protocol, hostname, port, pathname } = new URL(websocketUrl);
  assert.equal(protocol, "ws:");
  const conn = await Deno.connect({ hostname, port: Number(port) });
  try {
    await conn.write(new TextEncoder().encode(
      `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ));
    const answer = new Uint8Array(1024);
    const length = await conn.read(answer) ?? 0;
    return Number(new TextDecoder().decode(answer.subarray(0, length)).split(" ")[1]);
  } finally {
    conn.close();
  }
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!await holds()) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const alpn of ["h3", "skein/1"]) {
  Deno.test(`admission: connections that never say anything (${alpn}) use up the places of their address, until they are gone`, async () => {
    const service = await startTestService({
      quic: { headerTimeout: "60s", maxIdleTimeout: "60s" },
      session: { perIp: { connections: 3 }, authTimeout: "60s" },
    });
    try {
      const silent = [await idle(service, alpn), await idle(service, alpn), await idle(service, alpn)];
      await until(async () => await upgrade(service) === 503, "no room for a WebSocket");
      const refused = await idle(service, "skein/1");
      assert.equal((await refused.closed).closeCode, 3014);
      silent[0]!.close({ closeCode: 0, reason: "" });
      await until(async () => await upgrade(service) === 101, "room again");
      for (const conn of silent) conn.close({ closeCode: 0, reason: "" });
    } finally {
      await service.stop();
    }
  });
}
