/** Properties of the whole service, over real sockets. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { deflateRawSync } from "node:zlib";
import { SignJWT } from "jose";
import { PeerIdentity } from "../../src/peer/mod.ts";
import { clientRow, crc32 } from "../../src/protocol/mod.ts";
import { KINDS, type Received, type TestClient } from "../support/client.ts";
import { downloadFile, startUpload, uploadFile } from "../files/support.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { clientTypes } from "../support/message_types.ts";

const UNLIMITED = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 };
const OPEN = {
  session: {
    perIp: { connections: 10_000, rate: 100_000, burst: 100_000 },
    rates: { connection: UNLIMITED, user: UNLIMITED },
  },
};
const SECRET = "a secret of at least thirty-two bytes, for tests";

async function withService(run: (service: TestService) => Promise<void>, input = {}): Promise<void> {
  const service = await startTestService({ ...OPEN, ...input });
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

function sign(claims: Record<string, unknown>, secret = SECRET): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(secret));
}

const kind = fc.constantFrom(...KINDS);

/** Validates: any user on any transport in either form is told once who and where it is. */
Deno.test("Feature: quic-transport, Property 1: handshake (ends with who and where the client is)", () =>
  withService(async (service) => {
    await fc.assert(
      fc.asyncProperty(
        kind,
        fc.constantFrom("json" as const, "msgpack" as const),
        fc.stringMatching(/^[a-z0-9._-]{1,40}$/),
        async (kind, form, user) => {
          const token = await service.token(user);
          await using client = await service.dial(kind, { form });
          const answer = await client.authenticate(token);
          assert.equal(answer.payload.userId, user);
          assert.equal(answer.payload.transport, kind);
          assert.equal(answer.payload.resumed, false);
          const again = await client.request("auth_request", { token });
          assert.equal(again.payload.name, "bad_request");
          assert.equal((await client.ask("ping", {})).type, "pong");
        },
      ),
      { numRuns: 100 },
    );
  }));

/**
 * Validates: whatever a token holds, it is accepted on all transports with the same rights, or refused on all with the
 * same code.
 */
Deno.test("Feature: quic-transport, Property 2: same token, same result on both transports", () =>
  withService(async (service) => {
    const token = fc.record({
      secret: fc.constantFrom(SECRET, SECRET, SECRET, "another secret, which the service does not know of"),
      sub: fc.option(fc.stringMatching(/^[a-z ]{0,12}$/), { nil: undefined }),
      exp: fc.constantFrom(-3600, 3600, 3600, 3600),
      nbf: fc.constantFrom(undefined, undefined, -10, 3600),
      aud: fc.constantFrom("skein", "skein", "other"),
      rights: fc.constantFrom(undefined, ["broadcast"], ["nonsense"]),
      channels: fc.constantFrom(undefined, ["chat:*"], []),
    });
    await fc.assert(
      fc.asyncProperty(token, async ({ secret, exp, nbf, ...claims }) => {
        const now = Math.floor(Date.now() / 1000);
        const text = await sign({
          ...JSON.parse(JSON.stringify(claims)),
          exp: now + exp,
          ...(nbf === undefined ? {} : { nbf: now + nbf }),
        }, secret);
        const results = await Promise.all(KINDS.map(async (kind) => {
          await using client = await service.dial(kind);
          const answer = await Promise.race([
            client.request("auth_request", { token: text }).catch(() => undefined),
            client.next("close"),
          ]);
          if (answer?.type !== "auth_response") {
            return { accepted: false, code: answer?.payload.code };
          }
          const publish = await client.request("chat_message", { channel: "chat:a", text: "x" });
          const broadcast = await client.request("broadcast", { text: "x" });
          return {
            accepted: true,
            user: answer.payload.userId,
            publish: publish.type,
            broadcast: broadcast.type,
          };
        }));
        assert.deepEqual(results[1], results[0]);
        assert.deepEqual(results[2], results[0]);
      }),
      { numRuns: 100 },
    );
  }, { auth: { keys: [{ alg: "HS256", secret: SECRET }], audience: "skein" } }));

/**
 * Validates: a message on a lane of its class is taken and answered on that lane; on a lane of another class it is
 * refused.
 */
Deno.test("Feature: quic-transport, Property 9: lanes by type (the service refuses a message on a lane of another class)", () =>
  withService(async (service) => {
    await using client = await service.connect("quic", "ann");
    const lanes = { control: 0, conversation: 7, file: 100, bot: 200, document: 300 };
    for (const lane of Object.values(lanes)) if (lane !== 0) await client.openLane(lane);
    const about = fc.constantFrom(
      { type: "chat_message", channel: "chat:a", cls: "conversation" as const },
      { type: "chat_message", channel: "doc:a", cls: "document" as const },
      { type: "subscribe", channel: "chat:b", cls: "conversation" as const },
      { type: "history", channel: "doc:a", cls: "document" as const },
      { type: "bot_command", channel: undefined, cls: "bot" as const },
    );
    await fc.assert(
      fc.asyncProperty(
        about,
        fc.constantFrom(...Object.entries(lanes)),
        async ({ type, channel, cls }, [name, lane]) => {
          const payload = type === "bot_command"
            ? { bot: "none", command: "x" }
            : type === "chat_message"
            ? { channel, text: "x" }
            : { channel };
          const answer = await client.request(type, payload, { lane });
          assert.equal(answer.lane, lane);
          assert.equal(answer.payload.name === "wrong_lane", name !== "control" && name !== cls);
        },
      ),
      { numRuns: 100 },
    );
  }));

/** What there is to say about a document. */
async function documents(
  client: TestClient,
  other: TestClient,
  channel: string,
  text: string,
  seen: Map<string, string>,
): Promise<void> {
  const ask = async (type: string, payload: Record<string, unknown>) => {
    const answer = await client.ask(type, { channel, ...payload });
    seen.set(type, answer.type);
    return answer.payload;
  };
  const data = new TextEncoder().encode(text);
  const op = { data: data.toBase64(), checksum: crc32(data) };
  const { epoch } = await ask("doc_open", {});
  await other.ask("doc_open", { channel });
  const { offset } = await ask("doc_op", op);
  const isOp = ({ type, payload }: Received) => type === "doc_op" && payload.channel === channel;
  const bytesOf = ({ payload }: Received) =>
    payload.data instanceof Uint8Array ? payload.data : Uint8Array.fromBase64(payload.data);
  for (const each of [client, other]) assert.deepEqual(bytesOf(await each.next(isOp)), new Uint8Array(data));
  await client.send("doc_nack", { channel, epoch, offset });
  seen.set("doc_nack", (await client.next(isOp)).type);
  assert.equal((await ask("doc_snapshot", { epoch, offset, part: 0, parts: 1, ...op })).kept, true);
  await client.send("doc_awareness", { channel, data: op.data });
  const awareness = await other.next("doc_awareness");
  assert.deepEqual(bytesOf(awareness), new Uint8Array(data));
  seen.set("doc_awareness", awareness.type);
  for (const type of ["doc_close", "doc_delete"]) await ask(type, {});
}

/** A file goes up, is announced, comes down; another one is given up. */
/** A peer that talks to itself: the service passes on what it says, to the session that announced it. */
async function peers(client: TestClient, sessionId: string, seen: Map<string, string>): Promise<void> {
  const { identity } = await PeerIdentity.generate();
  const announcement = { peer: identity.id, signature: await identity.announce(sessionId) };
  seen.set("peer_announce", (await client.ask("peer_announce", announcement)).type);
  const text = (length: number) => "A".repeat(length);
  const connection = text(22);
  const introduction = {
    connection,
    fragment: text(12),
    password: text(32),
    certificate: text(43),
    challenge: text(43),
    candidates: [],
    signature: text(86),
  };
  const signals = {
    peer_offer: introduction,
    peer_answer: { ...introduction, answers: text(43) },
    peer_candidate: { connection, candidates: [] },
    peer_close: { connection, reason: "" },
  };
  for (const [type, signal] of Object.entries(signals)) {
    seen.set(type, (await client.ask(type, { ...signal, to: identity.id })).type);
    const { payload } = await client.next((message) => message.type === type);
    assert.equal(payload.from, identity.id);
  }
  seen.set("peer_relay_credentials", (await client.ask("peer_relay_credentials", {})).type);
  await client.send("peer_report", { outcome: "failed", path: "none", duration: 1 });
  seen.set("peer_report", (await client.ask("ping", {})).type);
}

/** A device leaves key packages at the service, claims one of them, and takes the rest back. */
async function keyPackages(client: TestClient, userId: string, seen: Map<string, string>): Promise<void> {
  const device = "A".repeat(43);
  const asked = {
    key_packages_publish: { device, packages: ["AAEA"] },
    key_packages_claim: { userId },
    key_packages_remove: { device },
  };
  for (const [type, payload] of Object.entries(asked)) {
    seen.set(type, (await client.ask(type, payload)).type);
  }
}

/** A compressed message is answered as the message in it. */
async function compressed(
  client: TestClient,
  form: "json" | "msgpack",
  seen: Map<string, string>,
): Promise<void> {
  const inner = new TextEncoder().encode(
    JSON.stringify({ type: "ping", id: crypto.randomUUID(), timestamp: Date.now(), payload: {} }),
  );
  const data = new Uint8Array(deflateRawSync(inner));
  await client.send("deflated", { data: form === "json" ? data.toBase64() : data, size: inner.length });
  seen.set("deflated", (await client.next("pong")).type);
}

async function files(
  client: TestClient,
  room: string,
  form: "json" | "msgpack",
  text: string,
  seen: Map<string, string>,
): Promise<void> {
  const bytes = new TextEncoder().encode(`${text} ${crypto.randomUUID()}`);
  const { answers, uploaded } = await uploadFile(client, { bytes, channel: room, form });
  seen.set("file_upload_start", answers[0]!);
  seen.set("file_chunk", (await client.next("file_chunk_ack")).type);
  seen.set("file_upload_complete", answers[1]!);
  await client.next((message) =>
    message.type === "chat_message" && message.payload.data?.file?.fileId === uploaded!.fileId
  );
  seen.set("file_link", (await client.ask("file_link", { fileId: uploaded!.fileId })).type);
  assert.deepEqual(await downloadFile(client, uploaded!.fileId), bytes);
  seen.set("file_download", (await client.ask("file_download", { fileId: uploaded!.fileId })).type);
  await client.send("file_download_cancel", { download: crypto.randomUUID() });
  seen.set("file_download_cancel", (await client.ask("ping", {})).type);
  seen.set("file_delete", (await client.ask("file_delete", { fileId: uploaded!.fileId })).type);
  const { payload } = await startUpload(client, { bytes: new Uint8Array([...bytes, 1]), channel: room });
  seen.set(
    "file_upload_cancel",
    (await client.ask("file_upload_cancel", { uploadId: payload.uploadId })).type,
  );
}

/**
 * Validates: one conversation with every message type has the same answers and deliveries on every transport and in
 * both forms.
 */
Deno.test("Feature: quic-transport, Property 17: every message type on every transport", () =>
  withService(async (service) => {
    const script = async (
      kind: (typeof KINDS)[number],
      form: "json" | "msgpack",
      room: string,
      text: string,
    ) => {
      const user = `u-${crypto.randomUUID()}`;
      const token = await service.token(user);
      const botToken = await service.token(`b-${user}`, { bot: `bot-${user}` });
      await using bot = await service.dial(kind, { form });
      await bot.authenticate(botToken);
      await using client = await service.dial(kind, { form });
      const seen = new Map<string, string>();
      const ask = async (type: string, payload: Record<string, unknown>) => {
        const answer = await client.ask(type, payload);
        seen.set(type, answer.type);
        return answer;
      };
      const auth = await ask("auth_request", { token });
      await ask("auth_refresh", { token });
      await ask("ping", {});
      await ask("subscribe", { channel: room });
      const { re, payload: { offset: said } } = await ask("chat_message", { channel: room, text });
      assert.equal((await client.next("chat_message")).payload.text, text);
      const { messages } = (await ask("settle", { channel: room, ids: [re, "another"] })).payload;
      assert.deepEqual(messages, [{ id: re, offset: said }]);
      const { payload: { channel: inbox, epoch: inboxEpoch, offset: direct } } = await ask("direct_message", {
        to: user,
        data: { text },
      });
      assert.deepEqual((await client.next("direct_message")).payload.data, { text });
      await ask("received", { channel: inbox, epoch: inboxEpoch, offsets: [direct] });
      await ask("broadcast", { text });
      await client.next((message) => message.type === "broadcast" && message.payload.from === user);
      await bot.ask("subscribe", { channel: room });
      for (const type of ["typing_start", "typing_stop"]) {
        await client.send(type, { channel: room });
        const typing = await bot.next((message) => message.type === type);
        assert.equal(typing.payload.from, user);
        seen.set(type, typing.type);
      }
      assert.equal(
        (await ask("history", { channel: room, limit: 1, reverse: true })).payload.messages.length,
        1,
      );
      assert.ok(
        (await ask("presence", { channel: room })).payload.users.some(({ userId }: { userId: string }) =>
          userId === user
        ),
      );
      await ask("client_list", {});
      const echo = { name: "echo", args: [{ name: "text", type: "string" }] };
      seen.set("bot_register", (await bot.ask("bot_register", { commands: [echo] })).type);
      const listed = await ask("bot_commands", { bot: `bot-${user}` });
      assert.equal(listed.payload.commands[0].usage, `/bot-${user} echo <text>`);
      const command = await client.send("bot_command", {
        bot: `bot-${user}`,
        command: "echo",
        args: { text },
      });
      const received = await bot.next("bot_command");
      assert.deepEqual(received.payload.args, { text });
      assert.equal(received.id, command);
      seen.set("bot_command", received.type);
      const taken = await bot.request("bot_response", { to: received.payload.session, text }, {
        re: command,
      });
      const response = await client.next("bot_response");
      assert.deepEqual([response.re, response.payload.text], [command, text]);
      seen.set("bot_response", taken.type);
      // Nothing here answers calls.
      const call = await client.request("rpc", { method: "nobody", data: text });
      assert.equal(call.payload.name, "unknown_method");
      seen.set("rpc", call.type);
      const stream = await client.ask("chat_message", { channel: room, text: "", stream: true });
      await client.next("chat_message");
      const target = stream.payload.offset;
      await ask("message_append", { channel: room, target, at: 0, text, final: "ended" });
      const { payload: piece } = await client.next("message_append");
      assert.deepEqual([piece.target, piece.at, piece.text, piece.final], [target, 0, text, "ended"]);
      await client.send("client_report", { rtt: 12 });
      seen.set("client_report", (await ask("ping", {})).type);
      const { epoch, offset } = (await ask("chat_edit", {
        channel: room,
        target: (await client.ask("chat_message", { channel: room, text: "helo" })).payload.offset,
        text,
      })).payload;
      await ask("chat_delete", { channel: room, target: offset - 1 });
      await ask("read_up_to", { channel: room, epoch, offset });
      assert.equal((await ask("unread", { channels: [room] })).payload.channels[room].unread, 0);
      const started = await ask("replay", { channel: room, epoch, from: 0, to: 1, speed: 1000 });
      assert.equal((await client.next("replay_message")).payload.text, text);
      await client.next("replay_ended");
      const stop = await client.request("replay_stop", { channel: room, replay: started.payload.replay });
      assert.equal(stop.payload.name, "unknown_replay");
      seen.set("replay_stop", stop.type);
      await files(client, room, form, text, seen);
      await documents(client, bot, room.replace("chat:", "doc:"), text, seen);
      await peers(client, auth.payload.sessionId, seen);
      await keyPackages(client, auth.payload.userId, seen);
      // On a connection of its own: a test client does not read large answers that come compressed.
      await using compressing = await service.dial(kind, { form });
      await compressing.ask("auth_request", { token, deflate: true });
      await compressed(compressing, form, seen);
      await ask("unsubscribe", { channel: room });
      return Object.fromEntries([...seen].sort());
    };
    let n = 0;
    await fc.assert(
      fc.asyncProperty(
        kind,
        fc.constantFrom("json" as const, "msgpack" as const),
        // What begins with a slash may be a command.
        fc.string({ minLength: 1, maxLength: 200 }).map((text) => text.replace(/^\//, ".")),
        async (kind, form, text) => {
          const here = await script(kind, form, `chat:room-${n++}`, text);
          const there = await script("websocket", "json", `chat:room-${n++}`, text);
          assert.deepEqual(here, there);
          assert.deepEqual(Object.keys(here).sort(), [...clientTypes].sort());
          for (const type of clientTypes) {
            const { answer } = clientRow(type);
            if (answer !== undefined && type !== "rpc") {
              assert.equal(here[type], answer, `the answer to ${type}`);
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  }));
