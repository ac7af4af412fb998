/** How a QUIC or WebTransport connection ends when the peer ends it, well or badly. */

import assert from "node:assert/strict";
import { KINDS } from "../support/client.ts";
import { startTestService } from "../support/service.ts";

Deno.test("quic transport: a lane 0 that ends within a frame ends the connection, another lane only itself", async () => {
  const service = await startTestService();
  try {
    const client = await service.connect("quic", "ann");
    await client.openLane(1);
    await client.writeRaw(new Uint8Array([0x20, 0x7b]), 1);
    await client.endLane(1);
    assert.equal((await client.ask("ping", {})).type, "pong");
    await client.writeRaw(new Uint8Array([0x20, 0x7b]), 0);
    await client.endLane(0);
    assert.equal((await client.ended()).transport.code, 3501);
    await client.close();
  } finally {
    await service.stop();
  }
});

for (const kind of ["quic", "webtransport"] as const) {
  for (
    const [what, garbage] of [["no messages", new Uint8Array([0xff, 1, 2])], [
      "empty",
      new Uint8Array(),
    ]] as const
  ) {
    Deno.test(`quic transport: datagrams that are ${what} end a ${kind} connection, as frames do`, async () => {
      const service = await startTestService();
      try {
        const client = await service.connect(kind, "ann");
        for (let i = 0; i < 9; i++) await client.sendRawDatagram(garbage);
        assert.equal((await client.ask("ping", {})).type, "pong");
        let over = false;
        const ended = client.ended().finally(() => over = true);
        // Some may be lost.
        while (!over) {
          await client.sendRawDatagram(garbage).catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        assert.equal((await ended).code, 3501);
        assert.deepEqual(client.messages.filter(({ type }) => type === "error"), []);
        await client.close();
      } finally {
        await service.stop();
      }
    });
  }
}

Deno.test("quic transport: a connection that the peer ends is ended by the peer, and its session waits, on every transport", async () => {
  const service = await startTestService();
  try {
    for (const kind of KINDS) {
      for (let i = 0; i < 5; i++) {
        await (await service.connect(kind, "ann")).close(kind === "websocket" ? 4000 : 0);
      }
    }
    const deadline = Date.now() + 30_000;
    while ((await service.stats()).connections > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { sessions, transports } = await service.stats();
    for (const kind of KINDS) assert.deepEqual(transports[kind].errors, {}, kind);
    assert.deepEqual(sessions, { attached: 0, detached: 15 });
  } finally {
    await service.stop();
  }
});
