/** What the service does by itself once a second. */

import assert from "node:assert/strict";
import { uploadFile } from "../files/support.ts";
import { startTestService } from "../support/service.ts";

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("sweeps: a file that is past its age goes by itself", async () => {
  const service = await startTestService({ files: { maxAge: "1s" }, engine: { kind: "sqlite" } });
  try {
    const client = await service.connect("websocket", "ann");
    const { uploaded } = await uploadFile(client, { bytes: new Uint8Array(1000), channel: "chat:a" });
    const fileId = uploaded!.fileId;
    await until("it is gone", async () => {
      const { type, payload } = await client.request("file_link", { fileId });
      return type === "error" && payload.name === "unknown_file";
    });
    await client.close();
  } finally {
    await service.stop();
  }
});

Deno.test("sweeps: a channel that nobody is on is forgotten by itself", async () => {
  const service = await startTestService();
  try {
    const client = await service.connect("websocket", "ann");
    const channels = async () => (await service.stats()).channels as number;
    const before = await channels();
    for (let i = 0; i < 20; i++) {
      await client.ask("chat_message", { channel: `chat:${i}`, text: "x" });
      await client.ask("subscribe", { channel: `chat:${i}` });
      await client.ask("unsubscribe", { channel: `chat:${i}` });
    }
    await until("they are forgotten", async () => await channels() <= before);
    assert.equal(await channels(), before);
    await client.close();
  } finally {
    await service.stop();
  }
});
