/** What belongs to a user is exported whole, and erased from everything. */

import assert from "node:assert/strict";
import { createServerClient, type ServerClient } from "../../src/client/server/mod.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { DEFAULT_NAMESPACE, Hub } from "../../src/hub/mod.ts";
import { run } from "../../src/service/cli/mod.ts";
import { DocumentLife } from "../../src/service/erasure/documents.ts";
import { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import type { ApiExported } from "../../src/protocol/api/types.ts";
import { crc32 } from "../../src/protocol/mod.ts";
import { filesWith } from "../support/files_with.ts";
import { startTestService, type TestService } from "../support/service.ts";

const KEY = "key-of-the-back-end-of-a-test";
/** What ann says begins with this. */
const SECRET = "only-ann-says-this";

async function withService(
  run: (service: TestService, api: ServerClient, directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-erase-" });
  const path = `${directory}/skein.db`;
  const service = await startTestService({
    engine: { kind: "sqlite", sqlite: { path } },
    api: { keys: [KEY] },
  });
  try {
    await run(service, createServerClient({ url: service.url, key: KEY }), directory);
  } finally {
    await service.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

async function exported(api: ServerClient, user: string): Promise<ApiExported[]> {
  const items: ApiExported[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.user_export({ user, ...(cursor === undefined ? {} : { cursor }) });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}

async function upload(client: Awaited<ReturnType<TestService["connect"]>>, channel: string, text: string) {
  const bytes = new TextEncoder().encode(text);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  const ready = await client.ask("file_upload_start", {
    channel,
    name: `${SECRET}.txt`,
    type: "text/plain",
    size: bytes.length,
    sha256: hash,
  });
  const { uploadId } = ready.payload;
  for (let offset = 0; offset < bytes.length; offset += 40_000) {
    const data = bytes.slice(offset, offset + 40_000).toBase64();
    await client.send("file_chunk", { uploadId, offset, data });
  }
  return (await client.ask("file_upload_complete", { uploadId })).payload.fileId as string;
}

Deno.test("user erase: all that belongs to a user is exported, then nothing of it is left anywhere", () =>
  withService(async ({ connect }, api, directory) => {
    const channel = "chat:a";
    const ann = await connect("websocket", "ann"), bob = await connect("websocket", "bob");
    for (const one of [ann, bob]) await one.ask("subscribe", { channel });
    const said = await ann.ask("chat_message", { channel, text: `${SECRET} one` });
    const { offset, epoch } = said.payload;
    await ann.ask("chat_edit", { channel, target: offset, text: `${SECRET} two` });
    await bob.ask("chat_message", { channel, text: "bob stays" });
    await bob.ask("direct_message", { to: "ann", text: `${SECRET} in the inbox` });
    await ann.ask("direct_message", { to: "bob", text: `${SECRET} to bob` });
    await ann.ask("read_up_to", { channel, epoch, offset });
    const fileId = await upload(ann, channel, `${SECRET} in a file ${"x".repeat(300_000)}`);
    await ann.ask("doc_open", { channel: "doc:plan" });
    const data = new TextEncoder().encode(`${SECRET} in a document`);
    await ann.ask("doc_op", { channel: "doc:plan", data: data.toBase64(), checksum: crc32(data) });
    await api.publish({ channel: "chat:b", from: "ann", text: `${SECRET} by a back end` });

    const items = await exported(api, "ann");
    const texts = JSON.stringify(items);
    for (const part of ["two", "in the inbox", "to bob", "by a back end"]) {
      assert.ok(texts.includes(`${SECRET} ${part}`), part);
    }
    assert.ok(texts.includes(data.toBase64()));
    assert.ok(!texts.includes("bob stays"));
    assert.ok(items.some(({ kind, channel: on }) => kind === "read_position" && on === channel));
    const file = items.filter((item) => item.kind === "file_data" && item.fileId === fileId);
    assert.ok(file.length > 1);
    const bytes = file.map(({ data }) => new TextDecoder().decode(Uint8Array.fromBase64(data as string)));
    assert.match(bytes.join(""), new RegExp(`^${SECRET} in a file x{300000}$`));

    const ended = ann.ended();
    const erased = await api.user_erase({ user: "ann" });
    assert.equal(erased.done, true);
    assert.deepEqual([erased.files, erased.documents], [1, 1]);
    assert.ok(erased.messages >= 3);
    assert.equal((await ended).code, 3500);
    // Who shows the message is told to take it away.
    await bob.next(({ type, payload }) => type === "chat_delete" && payload.target === offset);

    assert.deepEqual(await filesWith(directory, SECRET), []);
    assert.deepEqual(
      await exported(api, "ann").then((left) => left.filter(({ kind }) => kind !== "message")),
      [],
    );
    const { messages } = await api.history({ channel });
    assert.ok(messages.some(({ payload }) => payload.text === "bob stays"));
    const marks = messages.filter(({ from }) => from === "ann").map(({ payload }) => payload);
    assert.ok(marks.every(({ text, data }) => text === undefined && data === null));
    assert.deepEqual(await api.user_erase({ user: "ann" }), {
      user: "ann",
      done: true,
      messages: 0,
      documents: 0,
      files: 0,
    });
    await bob.close();
  }));

Deno.test("user erase: an erasure that was interrupted goes on after a restart", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skein-erase-" });
  const path = `${directory}/skein.db`;
  const config = { engine: { kind: "sqlite" as const, sqlite: { path } }, api: { keys: [KEY] } };
  try {
    const engine = await SqliteEngine.open({ path });
    const payload = { text: SECRET };
    const message = { type: "chat_message", id: "m", from: "ann", timestamp: Date.now(), payload };
    await engine.log.publish("chat:a", message, { retention: { size: 10, age: 1e9 } });
    // What stands there while an erasure is under way.
    await engine.values.put({ name: "erasures" }, { data: new TextEncoder().encode('["ann"]') });
    await engine.close();
    const service = await startTestService(config);
    try {
      const api = createServerClient({ url: service.url, key: KEY });
      for (let waited = 0; (await filesWith(directory, SECRET)).length > 0; waited++) {
        assert.ok(waited < 200, "it did not go on");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.equal((await api.history({ channel: "chat:a" })).messages.length, 2);
    } finally {
      await service.stop();
    }
    const after = await SqliteEngine.open({ path });
    const left = await after.values.get({ name: "erasures" });
    assert.equal(new TextDecoder().decode(left!.data), "[]");
    await after.close();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("document delete: who has it open is told, and nobody can bring it back", () =>
  withService(async ({ connect }, api) => {
    const channel = "doc:plan";
    const ann = await connect("websocket", "ann"), bob = await connect("websocket", "bob");
    const data = new TextEncoder().encode("an operation");
    const op = { channel, data: data.toBase64(), checksum: crc32(data) };
    for (const one of [ann, bob]) await one.ask("doc_open", { channel });
    await ann.ask("doc_op", op);
    assert.deepEqual(await api.document_delete({ channel }), { deleted: true });
    assert.equal((await bob.next("unsubscribed")).payload.reason, "unrecoverable_position");
    for (const [type, payload] of [["doc_op", op], ["doc_open", { channel }]] as const) {
      const refused = await bob.request(type, payload);
      assert.deepEqual([refused.type, refused.payload.name], ["error", "unknown_channel"]);
    }
    assert.equal((await api.document({ channel })).offset, 0);
    assert.deepEqual(await api.document_delete({ channel }), { deleted: false });
    for (const one of [ann, bob]) await one.close();
  }));

Deno.test("files: they are listed by user and by channel, in pages", () =>
  withService(async ({ connect }, api) => {
    const ann = await connect("websocket", "ann");
    const ids = [];
    for (const [index, channel] of ["chat:a", "chat:b", "chat:a"].entries()) {
      ids.push(await upload(ann, channel, `file ${index}`));
    }
    ids.sort();
    const first = await api.files({ user: "ann", limit: 2 });
    assert.deepEqual([first.files.map(({ fileId }) => fileId), first.more], [ids.slice(0, 2), true]);
    const rest = await api.files({ user: "ann", after: ids[1]! });
    assert.deepEqual([rest.files.map(({ fileId }) => fileId), rest.more], [ids.slice(2), false]);
    assert.equal((await api.files({ channel: "chat:a" })).files.length, 2);
    assert.deepEqual((await api.files({ user: "bob" })).files, []);
    await ann.close();
  }));

async function cli(args: string[], env: Record<string, string> = {}) {
  let out = "", err = "";
  const code = await run(args, {
    env,
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    input: () => Promise.resolve(""),
  });
  return { code, out, err };
}

Deno.test("cli: user export prints all lines and a last one, user erase leaves nothing to export", () =>
  withService(async ({ url }, api) => {
    for (let n = 0; n < 5; n++) await api.publish({ channel: "chat:a", from: "ann", text: `${SECRET} ${n}` });
    const remote = ["--url", url, "--key", KEY];
    const before = await cli(["user", "export", ...remote, "ann"]);
    assert.equal(before.code, 0, before.err);
    const lines = before.out.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.at(-1), { kind: "end", user: "ann", lines: 5 });
    assert.deepEqual(
      lines.slice(0, 5).map(({ payload }) => payload.text),
      [0, 1, 2, 3, 4].map((n) => `${SECRET} ${n}`),
    );
    assert.equal((await cli(["user", "erase", ...remote, "ann"])).code, 2);
    const erased = await cli(["user", "erase", ...remote, "ann", "--yes"]);
    assert.deepEqual([erased.code, erased.out], [0, "erased: 5 messages, 0 documents, 0 files\n"]);
    assert.ok(!(await cli(["user", "export", ...remote, "ann"])).out.includes(SECRET));
    // The key may come from the environment, and a wrong one is told.
    const wrong = await cli(["user", "export", "--url", url, "ann"], { SKEIN_API_KEY: `${KEY}-not` });
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /key not accepted/);
    assert.equal((await cli(["user", "export", "--url", "ftp://a", "--key", KEY, "ann"])).code, 2);
    assert.match(
      (await cli(["user", "export", "--url", "http://127.0.0.1:1", "--key", KEY, "ann"])).err,
      /no answer/,
    );
  }));

Deno.test("documents: one that nobody changed for its maxAge is forgotten, others and channels stay", async () => {
  const namespaces = { doc: { maxAge: "1h" } } as const;
  const service = await startTestService({ engine: { kind: "memory" }, namespaces, api: { keys: [KEY] } });
  try {
    const engine = new MemoryEngine();
    const hub = new Hub({ engine, namespace: () => ({ ...DEFAULT_NAMESPACE, maxAge: 3_600_000 }) });
    let wall = 1_000_000_000_000;
    const documents = new DocumentLife({ engine, hub, now: () => 0, wall: () => wall });
    const put = (channel: string, timestamp: number) =>
      engine.log.publish(channel, { type: "doc_op", id: channel, from: "ann", timestamp, payload: {} }, {
        retention: { size: 10, age: 1e15 },
      });
    put("doc:old", wall - 3_600_001);
    put("doc:new", wall - 3_000_000);
    put("chat:old", wall - 1e9);
    const failures: unknown[] = [];
    await documents.expire((error) => failures.push(error));
    assert.deepEqual(engine.log.list(), ["chat:old", "doc:new"]);
    wall += 3_600_000;
    await documents.expire((error) => failures.push(error));
    assert.deepEqual([engine.log.list(), failures], [["chat:old"], []]);
    // A forgotten document may be made anew.
    put("doc:old", wall);
    assert.deepEqual(engine.log.list(), ["chat:old", "doc:old"]);
    assert.equal(service.config.namespaces.doc?.maxAge, 3_600_000);
  } finally {
    await service.stop();
  }
});

Deno.test("deleting: an owner deletes files and documents, others need the right admin", () =>
  withService(async ({ connect }, api) => {
    const ann = await connect("websocket", "ann"), bob = await connect("websocket", "bob");
    const admin = await connect("websocket", "eve", { rights: ["admin"] });
    const files = [await upload(ann, "chat:a", "one"), await upload(ann, "chat:a", "two")];
    const documents = ["doc:one", "doc:two"];
    const data = new TextEncoder().encode("an operation");
    for (const channel of documents) {
      for (const one of [ann, bob]) {
        await one.ask("doc_op", { channel, data: data.toBase64(), checksum: crc32(data) });
      }
    }
    const refusal = async (type: string, payload: Record<string, unknown>) =>
      (await bob.request(type, payload)).payload.name;
    assert.equal(await refusal("file_delete", { fileId: files[0] }), "permission_denied");
    assert.equal(await refusal("doc_delete", { channel: "doc:one" }), "permission_denied");
    assert.equal(await refusal("doc_delete", { channel: "chat:a" }), "not_a_document");
    assert.equal((await api.files({})).files.length, 2);
    for (const [index, who] of [ann, admin].entries()) {
      const fileId = files[index], channel = documents[index];
      assert.deepEqual((await who.ask("file_delete", { fileId })).payload, { fileId, deleted: true });
      assert.deepEqual((await who.ask("file_delete", { fileId })).payload, { fileId, deleted: false });
      assert.deepEqual((await who.ask("doc_delete", { channel })).payload, { channel, deleted: true });
      assert.deepEqual((await who.ask("doc_delete", { channel })).payload, { channel, deleted: false });
    }
    assert.equal(await refusal("file_link", { fileId: files[0] }), "unknown_file");
    assert.deepEqual((await api.files({})).files, []);
    for (const one of [ann, bob, admin]) await one.close();
  }));
