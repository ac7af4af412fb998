/** `skein peer` without the service: at the last address, and on the local network. */

import assert from "node:assert/strict";
import { Devices } from "./cli_support.ts";

/** A has sent a file to B, so that they know each other; then the service is killed. */
async function metBefore(): Promise<{ devices: Devices; a: string; b: string }> {
  await using stack = new AsyncDisposableStack();
  const devices = stack.use(await Devices.start());
  const a = await devices.id("A"), b = await devices.id("B");
  await devices.file("A", "data.bin", 200_000);
  await using receiver = devices.run("B", ["receive", "--once"]);
  await receiver.match(/Waiting/);
  await using sender = devices.run("A", ["send", b, "data.bin"]);
  assert.equal(await sender.end(), 0, sender.err);
  assert.equal(await receiver.end(), 0, receiver.err);
  await devices.killService();
  stack.move();
  return { devices, a, b };
}

Deno.test("peer cli: without the service a file goes to a peer that was met, at its last address", async () => {
  const { devices, a, b } = await metBefore();
  await using _ = devices;
  await using receiver = devices.run("B", ["receive", "--once", "--local", "--from", a]);
  await receiver.match(/Going on without the service[^]*Waiting/);
  // Not --local: no multicast is asked, the address is remembered.
  await using sender = devices.run("A", ["send", b, "data.bin"]);
  assert.equal(await sender.end(), 0, sender.err);
  assert.match(sender.err, /cannot be reached.*\nGoing on without the service\./);
  assert.match(sender.out, /^Sent data\.bin: 195 KiB in .*, direct$/m);
  assert.equal(await receiver.end(), 0, receiver.err);
});

Deno.test("peer cli: without the service a peer that was never met is not looked for", async () => {
  const { devices } = await metBefore();
  await using _ = devices;
  await using sender = devices.run("A", ["send", await devices.id("C"), "data.bin"]);
  assert.equal(await sender.end(), 1);
  assert.match(sender.err, /cannot be reached: is the service running/);
  assert.doesNotMatch(sender.err, /Going on/);
});

Deno.test("peer cli: --local needs no token, and doctor lists who was met and who is near", async () => {
  const { devices, a, b } = await metBefore();
  await using _ = devices;
  await using receiver = devices.run("B", ["receive", "--local", "--from", a], []);
  await receiver.match(/Waiting/);
  await using doctor = devices.run("A", ["doctor", "--local"], []);
  // Nobody outside this network can be reached.
  assert.equal(await doctor.end(), 1, doctor.err);
  assert.match(doctor.out, /^Service +none: /m);
  assert.match(doctor.out, new RegExp(`^Peers met +${b}  .* ago$`, "m"));
  assert.match(doctor.out, new RegExp(`^Nearby +(?:.*\n +)*${b}$`, "m"));
  await using json = devices.run("A", ["doctor", "--local", "--json"], []);
  await json.end();
  const { known, local, service } = JSON.parse(json.out);
  assert.equal(known[0].id, b);
  assert.ok(local.includes(b));
  assert.equal(service, null);
});

Deno.test("peer cli: --local of a receiver needs to know from whom", async () => {
  await using devices = await Devices.start();
  await using receiver = devices.run("A", ["receive", "--local"], []);
  assert.equal(await receiver.end(), 2);
  assert.match(receiver.err, /--local: needs --from LIST/);
});

Deno.test("peer cli: --fast is shown with the path, and the file is whole", async () => {
  await using devices = await Devices.start();
  const content = await devices.file("A", "data.bin", 3_000_000);
  const b = await devices.id("B");
  await using receiver = devices.run("B", ["receive", "--once"]);
  await receiver.match(/Waiting/);
  await using sender = devices.run("A", ["send", "--fast", b, "data.bin"]);
  assert.equal(await sender.end(), 0, sender.err);
  assert.match(sender.out, /, direct, fast lane$/m);
  assert.equal(await receiver.end(), 0, receiver.err);
  assert.deepEqual(await Deno.readFile(`${devices.directory}/B/data.bin`), content);
});

Deno.test("peer cli: two talk without the service, and one that comes back is found again", async () => {
  const { devices, a, b } = await metBefore();
  await using _ = devices;
  await using ann = devices.run("A", ["connect", "--local", b], []);
  await ann.match(/Calling/);
  {
    await using bob = devices.run("B", ["connect", "--local", a], []);
    await bob.match(/Connected in .*: direct/);
    await ann.match(/Connected in .*: direct/);
    await ann.type("hello\n");
    await bob.match(/^hello$/m);
    await bob.kill("SIGTERM");
  }
  await ann.match(/has left|is lost/);
  await using again = devices.run("B", ["connect", "--local", a], []);
  await again.match(/Connected in/);
  await again.type("back\n");
  await ann.match(/^back$/m);
});
