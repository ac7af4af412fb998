/**
 * Somebody else who publishes, in a process of its own. The argument is the service's first line; a line `{messages}`
 * publishes so many in bursts, `{every}` one every so many milliseconds until the next line.
 *
 * @module
 */

import type { Child } from "../child.ts";
import { TextLineStream } from "../lines.ts";
import { dial, framed } from "../skein/dial.ts";
import { bursts, CHANNEL, TEXT } from "./traffic.ts";

const client = await dial({ hello: JSON.parse(Deno.args[0]!) } as Child, "websocket", "bob");
const publish = (text: string) => void client.send(framed("chat_message", { channel: CHANNEL, text }));
// Nothing is published between two lines, and the service ends a connection that is silent for long.
setInterval(() => void client.send(framed("ping", {})), 4_000);
console.log("{}");
let timer: ReturnType<typeof setInterval> | undefined;
let said = 0;
for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
  clearInterval(timer);
  const { messages, every } = JSON.parse(line) as { messages?: number; every?: number };
  if (messages !== undefined) await bursts(messages, () => publish(TEXT));
  if (every !== undefined) timer = setInterval(() => publish(`bob ${said++}`), every);
  console.log(JSON.stringify({ said }));
}
// Whoever measures may be killed: the server must not outlive it.
Deno.exit();
