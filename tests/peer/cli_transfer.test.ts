/** The receiving side of `skein peer send`, over real connections, with senders that do not keep to the rules. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import type { Connection } from "../../src/quic/mod.ts";
import { encodeFrame, readAnswer } from "../../src/service/cli/peer/frames.ts";
import { Inbox } from "../../src/service/cli/peer/incoming.ts";
import { numbered, safeName } from "../../src/service/cli/peer/safe_name.ts";
import { SignallingHub } from "./support.ts";

/** Validates: a sender cannot choose where its file goes, whatever it calls it. */
Deno.test("Feature: quic-transport, Property 141: a name that a peer says stays in its directory", () => {
  const hostile = fc.constantFrom(
    "../",
    "..\\",
    "/",
    "\0",
    ".",
    " ",
    "con.",
    "é",
    "\u202e",
    "\ud800",
    "a",
    ".tar.gz",
    ":",
  );
  const names = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(hostile, { maxLength: 400 }).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(names, fc.nat(50), (said, n) => {
      const name = numbered(safeName(said), n);
      assert.ok(name !== "" && name.isWellFormed());
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(name, /[/\\\u0000-\u001f\u007f<>:"|?*]|^\.|[. ]$/);
      assert.doesNotMatch(name, /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
      assert.ok(new TextEncoder().encode(name).length <= 255);
      assert.equal(safeName(safeName(said)), safeName(said));
    }),
    { numRuns: 500 },
  );
});

/** Two connected peers, and an inbox at the one that was called. */
async function withInbox(
  body: (quic: Connection, directory: string, results: Promise<unknown>[]) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const hub = new SignallingHub(), inbox = new Inbox(directory), results: Promise<unknown>[] = [];
  const receiver = await hub.peer({
    onIncoming: async (connection) => {
      for await (const stream of connection.current!.incomingBidirectionalStreams) {
        const taken = inbox.take(stream);
        taken.catch(() => {});
        results.push(taken);
      }
    },
  });
  const sender = await hub.peer();
  try {
    await body(await sender.connect(receiver.id).ready(), directory, results);
  } finally {
    await Promise.all([sender.close(), receiver.close()]);
    await Deno.remove(directory, { recursive: true });
  }
}

const CONTENT = new Uint8Array(50_000).map((_, i) => i);
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");

/** Offers a file, sends `bytes` of it from the offset that the receiver names, and returns that and the last answer. */
async function send(quic: Connection, name: string, bytes: Uint8Array, sha256 = SHA256) {
  const stream = await quic.openBidirectionalStream();
  await stream.write(encodeFrame({ type: "file/1", name, size: CONTENT.length, sha256 }));
  let answer = await readAnswer(stream);
  const offset = answer.type === "offset" ? answer.offset : NaN;
  await stream.write(bytes.subarray(offset));
  await stream.end();
  while (answer.type !== "saved" && answer.type !== "error") answer = await readAnswer(stream);
  return { offset, answer };
}

const files = (directory: string): string[] =>
  [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

Deno.test("peer cli: a file from a peer is kept under a safe name, and never over another one", async () => {
  await withInbox(async (quic, directory) => {
    const first = await send(quic, "../../etc/a.txt", CONTENT);
    assert.deepEqual(first.answer, { type: "saved", name: "a.txt" });
    const second = await send(quic, "a.txt", CONTENT);
    assert.deepEqual(second.answer, { type: "saved", name: "a (1).txt" });
    assert.deepEqual(files(directory), ["a (1).txt", "a.txt"]);
    assert.deepEqual(await Deno.readFile(`${directory}/a.txt`), CONTENT);
  });
});

Deno.test("peer cli: bytes that are not those offered are not kept", async () => {
  await withInbox(async (quic, directory) => {
    const { answer } = await send(quic, "a.txt", CONTENT.map((byte) => byte ^ 1));
    assert.equal(answer.type === "error" && answer.code, "corrupted");
    assert.deepEqual(files(directory), []);
  });
});

Deno.test("peer cli: what came before an interruption is not sent again", async () => {
  await withInbox(async (quic, directory, results) => {
    const cut = await send(quic, "a.txt", CONTENT.subarray(0, 20_000));
    assert.equal(cut.answer.type, "error");
    await assert.rejects(results[0]!, /the sender has stopped/);
    assert.deepEqual(files(directory), [`.skein-${SHA256.slice(0, 32)}.part`]);
    const { offset, answer } = await send(quic, "a.txt", CONTENT);
    assert.equal(offset, 20_000);
    assert.deepEqual(answer, { type: "saved", name: "a.txt" });
    assert.deepEqual(await Deno.readFile(`${directory}/a.txt`), CONTENT);
  });
});

Deno.test("peer cli: a link in the place of a part is not followed", async () => {
  await withInbox(async (quic, directory) => {
    await Deno.symlink("/dev/null", `${directory}/.skein-${SHA256.slice(0, 32)}.part`);
    const stream = await quic.openBidirectionalStream();
    await stream.write(encodeFrame({ type: "file/1", name: "a", size: CONTENT.length, sha256: SHA256 }));
    const answer = await readAnswer(stream);
    assert.match(answer.type === "error" ? answer.message : "", /in the way/);
  });
});

Deno.test("peer cli: a stream that begins with no offer is refused", async () => {
  await withInbox(async (quic, directory, results) => {
    const stream = await quic.openBidirectionalStream();
    await stream.write(new TextEncoder().encode("\xff\xff\xff\xffGET / HTTP/1.1\r\n\r\n"));
    const answer = await readAnswer(stream);
    assert.equal(answer.type === "error" && answer.code, "failed");
    await assert.rejects(results[0]!);
    assert.deepEqual(files(directory), []);
  });
});
