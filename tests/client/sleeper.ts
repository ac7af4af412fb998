/**
 * A client in a process of its own, which a test stops and lets go on. The first argument is a JSON object with the
 * SDK's options, the second how many messages it publishes. It says `{"heard": n}` as messages come, and at the end all that it heard.
 *
 * @module
 */

import { SkeinClient } from "../../src/client/mod.ts";

const count = Number(Deno.args[1]);
const client = new SkeinClient({ ...JSON.parse(Deno.args[0]!), reconnectDelay: 100 });
const say = (what: unknown) => console.log(JSON.stringify(what));
const heard: string[] = [];
const sessions = new Set<string>();
client.on("connected", ({ sessionId }) => sessions.add(sessionId));
const all = Promise.withResolvers<void>();
await client.channel("chat:x").subscribe(({ text }) => {
  if (text === "the end") return all.resolve();
  heard.push(text!);
  if (heard.length % 10 === 0) say({ heard: heard.length });
});
const transport = client.manager.getTransportType();
const receipts = [];
for (let i = 0; i < count; i++) {
  receipts.push(client.channel("chat:x").publish(`sleeper ${i}`));
  await new Promise((resolve) => setTimeout(resolve, 10));
}
const offsets = (await Promise.all(receipts)).map(({ offset }) => offset);
say({ published: new Set(offsets).size });
await all.promise;
const { reconnects } = client.manager.measure();
await client.close();
say({ heard: heard.length, texts: heard, sessions: sessions.size, transport, reconnects });
