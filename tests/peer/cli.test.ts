/** `skein peer` with a running service on this machine. */

import assert from "node:assert/strict";
import { Devices } from "./cli_support.ts";

const STRANGER = "A".repeat(42) + "E";

Deno.test("peer cli: the key is made once, for its user alone, and names the device", async () => {
  await using devices = await Devices.start();
  const id = await devices.id("A");
  assert.match(id, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(await devices.id("A"), id);
  assert.notEqual(await devices.id("B"), id);
  const key = `${devices.directory}/A/skein/peer.key`;
  assert.equal((await Deno.stat(key)).mode! & 0o777, 0o600);
  await Deno.chmod(key, 0o644);
  await using refused = devices.run("A", ["id"]);
  assert.equal(await refused.end(), 1);
  assert.match(refused.err, /may be read by others: chmod 600/);
});

Deno.test("peer cli: what is wrong is said in one line, with an exit code", async () => {
  await using devices = await Devices.start();
  await devices.file("A", "a.bin", 1_000);
  await devices.id("B");
  const cases: [args: string[], user: string[], code: number, message: RegExp][] = [
    [["send", STRANGER, "a.bin"], ["--token", "wrong"], 1, /refuses the token/],
    [["send", STRANGER, "a.bin"], ["--user", "ann"], 1, /is not connected to .*skein peer receive/],
    [["send", STRANGER, "b.bin"], ["--user", "ann"], 1, /b\.bin: there is no such file/],
    [["send", "short", "a.bin"], ["--user", "ann"], 2, /"short" is not the id of a peer/],
    [["send", STRANGER, "a.bin"], [], 2, /needs a token/],
    [["send", STRANGER, "a.bin"], ["--token-file", "none"], 1, /--token-file none: there is no such file/],
    [["receive", "--directory", "none"], ["--user", "ann"], 1, /none is no directory/],
    [["receive"], ["--user", "ann", "--token", "x"], 2, /--user: not with --token/],
    // Of two the last one counts.
    [["doctor"], ["--user", "ann", "--url", "http://127.0.0.1:1"], 1, /127\.0\.0\.1:1 cannot be reached/],
  ];
  for (const [args, user, code, message] of cases) {
    await using program = devices.run("A", args, user);
    assert.equal(await program.end(), code, `${args}: ${program.err}`);
    assert.match(program.err, message);
    assert.equal(
      program.err.trimEnd().split("\n").filter((line) => !line.startsWith("made a key")).length,
      1,
    );
    assert.equal(program.out, "");
  }
});

Deno.test("peer cli: an id that begins with a dash is an id", async () => {
  await using devices = await Devices.start();
  await devices.file("A", "a.bin", 1_000);
  for (const id of ["-" + STRANGER.slice(1), "--" + STRANGER.slice(2)]) {
    await using sender = devices.run("A", ["send", id, "a.bin"]);
    assert.equal(await sender.end(), 1);
    assert.match(sender.err, /is not connected to/);
  }
});

Deno.test("peer cli: one key serves one program at a time", async () => {
  await using devices = await Devices.start();
  await using receiver = devices.run("A", ["receive"]);
  await receiver.match(/Waiting/);
  await using doctor = devices.run("A", ["doctor"]);
  assert.equal(await doctor.end(), 1);
  assert.match(doctor.err, /another `skein peer` runs with .*--key FILE/);
});

Deno.test("peer cli: users of one service meet, and --from names who may send", async () => {
  await using devices = await Devices.start();
  const content = await devices.file("A", "a.bin", 100_000);
  const [a, b] = [await devices.id("A"), await devices.id("B")];
  {
    await using receiver = devices.run("B", ["receive", "--from", STRANGER]);
    await receiver.match(/Waiting/);
    await using sender = devices.run("A", ["send", b, "a.bin"], ["--user", "bob"]);
    assert.equal(await sender.end(), 1);
    assert.match(sender.err, /not accepted/);
  }
  await Deno.writeTextFile(`${devices.directory}/B/a.bin`, "mine");
  await using receiver = devices.run("B", ["receive", "--from", a, "--once"]);
  await receiver.match(/Waiting/);
  await using sender = devices.run("A", ["send", b, "a.bin"], ["--user", "bob"]);
  assert.equal(await sender.end(), 0, sender.err);
  assert.equal(await receiver.end(), 0, receiver.err);
  assert.match(sender.out, /keeps it as "a \(1\)\.bin"/);
  assert.equal(await Deno.readTextFile(`${devices.directory}/B/a.bin`), "mine");
  assert.deepEqual(await Deno.readFile(`${devices.directory}/B/a (1).bin`), content);
});

Deno.test("peer cli: a transfer goes on when the receiver is killed and comes back", async () => {
  await using devices = await Devices.start();
  const content = await devices.file("A", "big.bin", 80_000_000);
  const id = await devices.id("B");
  await using first = devices.run("B", ["receive"]);
  await first.match(/Waiting/);
  await using sender = devices.run("A", ["send", id, "big.bin"]);
  await first.match(/big\.bin \(.*\) comes from/);
  await first.kill("SIGKILL");
  await sender.match(/Interrupted at/);
  await using second = devices.run("B", ["receive", "--once"]);
  assert.equal(await sender.end(), 0, sender.err);
  assert.equal(await second.end(), 0, second.err);
  const kept = await Deno.readFile(`${devices.directory}/B/big.bin`);
  assert.ok(kept.length === content.length && kept.every((byte, i) => byte === content[i]));
  assert.deepEqual(
    [...Deno.readDirSync(`${devices.directory}/B`)].filter(({ name }) => /part/.test(name)),
    [],
  );
});

Deno.test("peer cli: a transfer whose receiver stays away ends with what to do", async () => {
  await using devices = await Devices.start();
  await devices.file("A", "big.bin", 80_000_000);
  const id = await devices.id("B");
  await using receiver = devices.run("B", ["receive"]);
  await receiver.match(/Waiting/);
  await using sender = devices.run("A", ["send", id, "big.bin", "--wait", "6s"]);
  await receiver.match(/big\.bin \(.*\) comes from/);
  await receiver.kill("SIGTERM");
  assert.equal(await sender.end(), 1);
  assert.match(
    sender.err,
    /interrupted at .* is not there after 6\.0 s.*the same command goes on from there/,
  );
});

Deno.test("peer cli: two people talk, and what they type cannot move the cursor", async () => {
  await using devices = await Devices.start();
  const [a, b] = [await devices.id("A"), await devices.id("B")];
  await using ann = devices.run("A", ["connect", b]);
  await ann.type("said early\n");
  await using bob = devices.run("B", ["connect", a]);
  await Promise.all([ann.match(/Connected in .*: direct/), bob.match(/Connected in .*: direct/)]);
  await bob.match(/^said early$/m);
  await bob.type("red \x1b[31m\n");
  await ann.match(/^red \ufffd\[31m$/m);
  await ann.type("\n");
  await ann.match(/direct, .* ms round trip/);
  await bob.kill("SIGINT");
  await ann.match(/has left/);
});
