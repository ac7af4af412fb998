/** Documents through a whole service: real sockets, three transports, SQLite, restarts. */

import { openDocument } from "../../src/client/documents.ts";
import assert from "node:assert/strict";
import * as Y from "yjs";
import { DocumentKey, SkeinYjsProvider } from "../../src/client/yjs.ts";
import { crc32 } from "../../src/protocol/mod.ts";
import { pause, until } from "../client/crowd.ts";
import { seeded } from "../client/support.ts";
import { page } from "../protocol/page.ts";
import { type CarrierKind, KINDS } from "../support/client.ts";
import { startTestService } from "../support/service.ts";
import type { WireMessage } from "../support/wire.ts";
import { token, TRANSPORTS, withService } from "./live.ts";
import { bytes, op, textOf } from "./support.ts";

const DOC = "doc:plan";

Deno.test("document service: a document is the same on every transport and in both forms, before and after a restart", () =>
  withService(async (place) => {
    let offset = 0;
    for (const kind of KINDS) {
      for (const form of ["json", "msgpack"] as const) {
        await using client = await place.service.dial(kind, { form });
        await client.authenticate(await token("ann"));
        await client.openLane(300);
        const ask = async (type: string, payload: Record<string, unknown>) =>
          (await client.ask(type, { channel: DOC, ...payload }, { lane: 300 })).payload;
        const opened = await ask("doc_open", {});
        assert.equal(opened.offset, offset);
        for (let i = 1; i <= offset; i++) {
          const { payload, lane } = await client.next("doc_op");
          assert.deepEqual([payload.offset, textOf(payload.data)], [i, `operation ${i}`]);
          assert.equal(lane, kind === "websocket" ? 0 : 300);
        }
        const { data, checksum } = op(DOC, `operation ${offset + 1}`);
        // Bytes are base64 text in JSON; in MessagePack they may be either.
        const nack = await client.request(
          "doc_op",
          { channel: DOC, data: data.toBase64(), checksum: (checksum ^ 1) >>> 0 },
          { lane: 300, id: `o${offset}` },
        );
        assert.deepEqual([nack.type, nack.payload.reason], ["doc_nack", "checksum"]);
        const ack = await client.ask("doc_op", { channel: DOC, data: data.toBase64(), checksum }, {
          lane: 300,
          id: `o${offset}`,
        });
        assert.equal(ack.payload.offset, ++offset);
        const delivered = await client.next("doc_op");
        assert.equal(delivered.payload.data instanceof Uint8Array, form === "msgpack");
        assert.equal(textOf(delivered.payload.data), `operation ${offset}`);
      }
      await place.restart();
    }
    await using client = await place.service.dial("quic");
    await client.authenticate(await token("ann"));
    const { epoch } = (await client.ask("doc_open", { channel: DOC })).payload;
    const data = bytes("the whole");
    const snapshot = {
      channel: DOC,
      epoch,
      offset,
      part: 0,
      parts: 1,
      data: data.toBase64(),
      checksum: crc32(data),
    };
    assert.equal((await client.ask("doc_snapshot", snapshot)).payload.kept, true);
    await place.restart();
    await using later = await place.service.dial("websocket");
    await later.authenticate(await token("ann"));
    const opened = (await later.ask("doc_open", { channel: DOC })).payload;
    assert.deepEqual([opened.epoch, opened.start, opened.snapshot.parts], [epoch, offset, 1]);
    assert.equal(textOf((await later.next("doc_snapshot")).payload.data), "the whole");
  }));

Deno.test("document service: parts of a snapshot are cut anew for another connection, and are whole by themselves", async () => {
  const limit = (maxMessage: number) => ({ session: { maxMessage } });
  const service = await startTestService(limit(65_536));
  try {
    const whole = "0123456789".repeat(2000);
    const open = async (kind: CarrierKind) => {
      const client = await service.connect(kind, "ann");
      await client.openLane(300);
      const { payload } = await client.ask("doc_open", { channel: DOC }, { lane: 300 });
      const count = payload.snapshot?.parts ?? 0;
      const parts: WireMessage["payload"][] = [];
      while (parts.length < count) parts.push((await client.next("doc_snapshot")).payload);
      return { client, payload, parts };
    };
    const { client: writer, payload: { epoch } } = await open("websocket");
    await writer.ask("doc_op", { channel: DOC, data: bytes("a").toBase64(), checksum: crc32(bytes("a")) });
    const snapshot = { channel: DOC, epoch, offset: 1, part: 0, parts: 1 };
    const data = { data: bytes(whole).toBase64(), checksum: crc32(bytes(whole)) };
    assert.equal((await writer.ask("doc_snapshot", { ...snapshot, ...data })).payload.kept, true);
    await writer.close();
    const counts: number[] = [];
    for (const maxMessage of [65_536, 8192, 4096]) {
      await service.reconfigure(limit(maxMessage));
      for (const kind of KINDS) {
        const { client, parts } = await open(kind);
        assert.ok(parts.every(({ part, parts: all }, i) => part === i && all === parts.length));
        assert.equal(parts.map(({ data }) => textOf(data)).join(""), whole);
        for (const { data, checksum } of parts) assert.equal(crc32(Uint8Array.fromBase64(data)), checksum);
        if (kind === "websocket") counts.push(parts.length);
        await client.close();
      }
    }
    assert.deepEqual(new Set(counts).size, 3, `parts: ${counts}`);
    assert.match(
      page,
      /sent again, on another connection too, they may be cut anew: `parts` and the bytes\s+of each part may differ/,
    );
  } finally {
    await service.stop();
  }
});

Deno.test(
  "document service: a hundred documents that four clients edit on three transports converge, through restarts and cuts",
  {
    // Deno's WebTransport keeps the pair of streams for settings when a dial is cut behind them.
    sanitizeResources: false,
  },
  () =>
    withService(async (place) => {
      const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
      const random = seeded(seed);
      const pick = (below: number): number => Math.floor(random() * below);
      const names = Array.from({ length: 100 }, (_, i) => `doc:${i}`);
      const clients = TRANSPORTS.map((over, i) => place.client(`user${i}`, over));
      const docs = clients.map((client) =>
        names.map((name) => {
          const doc = new Y.Doc();
          return new SkeinYjsProvider(openDocument(client, name), doc, { awareness: null, compactAfter: 10 });
        })
      );
      const textIn = (provider: SkeinYjsProvider) => provider.doc.getText("t");
      try {
        await until("all are open", () => docs.every((own) => own.every(({ synced }) => synced)), 30_000);
        const kinds = new Set(clients.map(({ manager }) => manager.getTransportType()));
        assert.deepEqual([...kinds].sort(), ["quic", "websocket", "webtransport"]);
        for (let round = 0; round < 6; round++) {
          for (let at = 0; at < names.length; at++) {
            for (let edits = pick(4); edits > 0; edits--) {
              const text = textIn(docs[pick(4)]![at]!);
              const place = pick(text.length + 1);
              if (random() < 0.3) text.delete(place, Math.min(pick(4), text.length - place));
              else text.insert(place, String.fromCharCode(97 + pick(26)).repeat(1 + pick(3)));
            }
          }
          if (round === 1 || round === 3) await place.restart();
          else {
            const client = clients[pick(4)]!;
            await client.disconnect();
            await pause(20);
            client.connect().catch(() => {});
          }
        }
        const isSettled = () =>
          clients.every(({ manager }) => manager.pending === 0) &&
          names.every((_, at) => {
            const first = textIn(docs[0]![at]!).toString();
            return docs.every((own) => own[at]!.synced && textIn(own[at]!).toString() === first);
          });
        await until(`all are the same (seed ${seed})`, isSettled, 60_000);
        // Nothing that is on its way changes that, and a newcomer has the same from the server alone.
        const newcomer = place.client("newcomer");
        try {
          for (const [at, name] of names.entries()) {
            const doc = new Y.Doc();
            const provider = new SkeinYjsProvider(openDocument(newcomer, name), doc, { awareness: null });
            await provider.ready;
            assert.equal(
              doc.getText("t").toString(),
              textIn(docs[0]![at]!).toString(),
              `${name}, seed ${seed}`,
            );
            provider.destroy();
          }
        } finally {
          await newcomer.close();
        }
        assert.ok(isSettled());
      } finally {
        for (const own of docs) for (const provider of own) provider.destroy();
        await Promise.all(clients.map((client) => client.close()));
      }
    }),
);

Deno.test("document service: neither the database nor the log of the service holds the text of an encrypted document", () =>
  withService(async (place) => {
    const key = await DocumentKey.generate();
    const secret = "attack at dawn";
    const clients = [place.client("ann"), place.client("bob", { enableQuic: false })];
    const providers = clients.map((client) =>
      new SkeinYjsProvider(openDocument(client, DOC, { key }), new Y.Doc(), { awareness: null })
    );
    const [ann, bob] = providers as [SkeinYjsProvider, SkeinYjsProvider];
    try {
      await Promise.all(providers.map(({ ready }) => ready));
      ann.doc.getText("t").insert(0, secret);
      await until("it came", () => bob.doc.getText("t").toString() === secret);
      assert.equal(await bob.compact(), true);
      ann.doc.getText("t").insert(0, "again: ");
      await until("it came", () => bob.doc.getText("t").toString() === `again: ${secret}`);
      const lines = JSON.stringify(place.service.lines);
      assert.equal(place.service.lines.filter(({ event }) => event === "session subscribe").length, 2);
      assert.ok(!lines.includes(secret) && !lines.includes(await key.toText()));
      for (const end of ["", "-wal"]) {
        const file = await Deno.readFile(`${place.directory}/skein.db${end}`);
        const text = new TextDecoder("latin1").decode(file);
        for (const part of ["attack", "dawn", "again", bytes("attack").toBase64().slice(0, 7)]) {
          assert.ok(!text.includes(part), `${part} in skein.db${end}`);
        }
      }
    } finally {
      for (const provider of providers) provider.destroy();
      await Promise.all(clients.map((client) => client.close()));
    }
  }));

Deno.test("document service: awareness reaches clients on all transports, as datagrams where there are any", () =>
  withService(async (place) => {
    const clients = TRANSPORTS.slice(0, 3).map((over, i) => place.client(`user${i}`, over));
    const providers = clients.map((client) => new SkeinYjsProvider(openDocument(client, DOC), new Y.Doc()));
    try {
      await Promise.all(providers.map(({ ready }) => ready));
      for (const [i, { awareness }] of providers.entries()) awareness!.setLocalStateField("user", i);
      const users = (provider: SkeinYjsProvider) =>
        [...provider.awareness!.getStates().values()].map(({ user }) => user).sort().join();
      await until("all see all", () => providers.every((provider) => users(provider) === "0,1,2"));
      providers[0]!.destroy();
      await until("who left is gone", () => users(providers[1]!) === "1,2" && users(providers[2]!) === "1,2");
    } finally {
      for (const provider of providers) provider.destroy();
      await Promise.all(clients.map((client) => client.close()));
    }
  }));
