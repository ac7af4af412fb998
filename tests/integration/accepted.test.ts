/** What a running service accepts reaches every reader, on each transport and in both forms, also later. */

import assert from "node:assert/strict";
import { SkeinClient } from "../../src/client/mod.ts";
import { KINDS, type TestClient } from "../support/client.ts";
import type { WireForm } from "../support/wire.ts";
import { until, withService } from "./support.ts";

const CHANNEL = "chat:large";
/** Six bytes in JSON, one in MessagePack. */
const CONTROL = "\u0001";

interface Content {
  readonly content: Record<string, unknown>;
  /** The form in which it is no larger than a frame, when it is too large in the other. */
  readonly onlyIn?: WireForm;
}

/** Contents about as large as the service takes. `session.maxMessage` is 64 KiB. */
const CONTENTS: readonly Content[] = [
  { content: { text: CONTROL.repeat(10_700) } },
  { content: { text: CONTROL.repeat(65_000) }, onlyIn: "msgpack" },
  { content: { text: "x".repeat(64_000) } },
  // Nine bytes each in MessagePack, four in JSON.
  { content: { data: Array.from({ length: 7000 }, () => 0.5) } },
  { content: { data: Array.from({ length: 15_000 }, () => 0.5) }, onlyIn: "json" },
];
const FORMS = ["json", "msgpack"] as const;

const only = ({ text, data }: Record<string, unknown>) => text === undefined ? { data } : { text };

Deno.test("accepted: what clients and the API may publish is replayed whole to every reader, what is too large is refused", () =>
  withService(async (service) => {
    const options = { url: service.url, token: await service.token("ann"), enableQuic: false };
    const away = new SkeinClient(options);
    const heard: Record<string, unknown>[] = [], gaps: unknown[] = [];
    away.on("discontinuity", (gap) => gaps.push(gap));
    await away.channel(CHANNEL).subscribe((message) => heard.push(only({ ...message })));
    await away.disconnect();

    const first = await service.connect("websocket", "bob");
    const { epoch } = (await first.ask("subscribe", { channel: CHANNEL })).payload;
    await first.close();
    const kept: Record<string, unknown>[] = [];
    for (const kind of KINDS) {
      for (const form of FORMS) {
        const writer = await service.dial(kind, { form });
        await writer.authenticate(await service.token("bob"));
        for (const { content, onlyIn } of CONTENTS) {
          // A frame that is too large in itself ends the connection.
          if (onlyIn !== undefined && onlyIn !== form) continue;
          const { type, payload } = await writer.request("chat_message", { channel: CHANNEL, ...content });
          const isKept = onlyIn === undefined;
          assert.equal(type === "error" ? payload.name : type, isKept ? "message_ack" : "message_too_large");
          if (isKept) kept.push(content);
        }
        await writer.close();
      }
    }
    const call = async (content: Record<string, unknown>) => {
      const answer = await fetch(`${service.url}/api/publish`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ channel: CHANNEL, ...content }),
      });
      return (await answer.json()).error?.name;
    };
    for (const { content, onlyIn } of CONTENTS) {
      assert.equal(await call(content), onlyIn === undefined ? undefined : "message_too_large");
      if (onlyIn === undefined) kept.push(content);
    }
    assert.equal(await call({ text: "x".repeat(600_000) }), "message_too_large");

    const readers: TestClient[] = [];
    for (const kind of KINDS) {
      for (const form of FORMS) {
        const reader = await service.dial(kind, { form });
        readers.push(reader);
        await reader.authenticate(await service.token("cem"));
        await reader.ask("subscribe", { channel: CHANNEL, since: { epoch, offset: 0 } });
        const deliveries = () => reader.messages.filter(({ type }) => type === "chat_message");
        await until(`all of it over ${kind} in ${form}`, () => deliveries().length >= kept.length);
        assert.deepEqual(deliveries().map(({ payload }) => only(payload)), kept);
        assert.deepEqual(reader.messages.filter(({ type }) => type === "server_notice"), []);
      }
    }
    await away.connect();
    await until("the SDK has all of it", () => heard.length >= kept.length);
    assert.deepEqual(heard, kept);
    assert.deepEqual(gaps, []);
    await away.close();
    for (const reader of readers) await reader.close();
  }));
