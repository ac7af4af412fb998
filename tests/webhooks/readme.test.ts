/** The receiving ends of the guide, run as its readers run them. */

import assert from "node:assert/strict";
import { until } from "../client/crowd.ts";
import { OPEN } from "../integration/support.ts";
import { testWith } from "../support/needs.ts";
import { startTestService } from "../support/service.ts";
import { SECRETS } from "./support.ts";

const GUIDE = new URL("../../src/webhooks/README.md", import.meta.url);

/** A file of the guide, which names itself in its first line. */
async function fileOf(name: string): Promise<string> {
  const found = new RegExp("^```(?:js|ts)\n(// " + name.replace(".", "\\.") + "\n[\\s\\S]*?)^```", "m")
    .exec(await Deno.readTextFile(GUIDE));
  assert.ok(found !== null, `no ${name} in the guide`);
  return found[1]!;
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** Runs a receiving end of the guide with a service: it has to refuse spam, forged requests, and nothing else. */
async function receives(name: string, program: string, args: readonly string[]): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-receiver-" });
  await Deno.writeTextFile(`${directory}/${name}`, await fileOf(name));
  const port = freePort();
  const child = new Deno.Command(program, {
    args: [...args, name],
    cwd: directory,
    clearEnv: true,
    env: {
      PORT: `${port}`,
      WEBHOOK_SECRET: SECRETS[0]!,
      NO_COLOR: "1",
      HOME: directory,
      PATH: Deno.env.get("PATH")!,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const reading = [child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  });
  const url = `http://127.0.0.1:${port}/`;
  const service = await startTestService({
    ...OPEN,
    webhooks: {
      endpoints: [{
        name: "guide",
        url,
        events: ["publish", "message"],
        allowPrivate: true,
        secrets: [SECRETS[0]!],
        retry: { minDelay: "50ms" },
      }],
    },
  } as never);
  try {
    await until("it listens", () => /listening/i.test(output));
    const ann = await service.connect("websocket", "ann");
    const say = async (text: string) => {
      const { type, payload } = await ann.request("chat_message", { channel: "chat:a", text });
      return type === "error" ? payload.message : type;
    };
    assert.equal(await say("hello"), "message_ack");
    assert.equal(await say("spam"), "no spam");
    await until("the message is told", () => /message chat:a/.test(output));
    const forged = await fetch(url, {
      method: "POST",
      headers: {
        "webhook-id": "x",
        "webhook-timestamp": `${Math.floor(Date.now() / 1000)}`,
        "webhook-signature": "v1,AAAA",
      },
      body: "{}",
    });
    await forged.body?.cancel();
    assert.equal(forged.status, 401);
  } finally {
    await service.stop();
    child.kill();
    await child.status;
    await Promise.all(reading);
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("webhooks guide: the receiving end in Deno checks signatures and decides", async () => {
  await receives("receiver.ts", Deno.execPath(), ["run", "-A"]);
});

Deno.test("webhooks guide: the receiving end for Node runs in Deno too", async () => {
  await receives("receiver.mjs", Deno.execPath(), ["run", "--quiet", "-A"]);
});

testWith(["node"], "webhooks guide: the receiving end in Node checks signatures and decides", async () => {
  await receives("receiver.mjs", "node", []);
});
