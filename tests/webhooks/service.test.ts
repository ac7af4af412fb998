/** Webhooks of the running service, at a real endpoint. */

import assert from "node:assert/strict";
import { SkeinClient } from "../../src/client/mod.ts";
import { until } from "../client/crowd.ts";
import { OPEN } from "../integration/support.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { SECRETS, TestEndpoint } from "./support.ts";

type Settings = Record<string, unknown>;

const KEY = "key-of-the-back-end-of-a-test";
/** The service makes tokens itself, and its API has a key. */
const BASE = { ...OPEN, api: { keys: [KEY] } };

/** What a configuration says of one endpoint. */
function configured(url: string, over: Settings): Settings {
  return { name: "back-end", url, allowPrivate: true, secrets: [SECRETS[0]], timeout: "2s", ...over };
}

/** A service with an endpoint. */
class Place implements AsyncDisposable {
  readonly endpoint = new TestEndpoint();
  service!: TestService;
  readonly #clients: SkeinClient[] = [];

  static async open(settings: Settings, more: Settings = {}): Promise<Place> {
    const place = new Place();
    place.service = await startTestService({ ...BASE, ...place.#webhooks(settings), ...more } as never);
    return place;
  }

  #webhooks(settings: Settings): Settings {
    return { webhooks: { endpoints: [configured(this.endpoint.url, settings)] } };
  }

  async reconfigure(settings: Settings): Promise<void> {
    await this.service.reconfigure({ ...BASE, ...this.#webhooks(settings) } as never);
  }

  client(user: string, claims: Settings = {}): SkeinClient {
    const { url, token } = { url: this.service.url, token: () => this.service.token(user, claims) };
    const client = new SkeinClient({ url, getToken: token, reconnectDelay: 50 });
    this.#clients.push(client);
    return client;
  }

  /** Calls the server API. */
  // deno-lint-ignore no-explicit-any
  async api(method: string, params: Settings = {}): Promise<any> {
    const answer = await fetch(`${this.service.url}/api/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": KEY },
      body: JSON.stringify(params),
    });
    const body = await answer.json();
    return body.result ?? body.error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.service.stop();
    await this.endpoint.stop();
  }
}

const json = (value: unknown) => Response.json(value);

Deno.test("webhooks: an endpoint is told of messages, joins, leaves and the end of connections", async () => {
  await using place = await Place.open({
    events: ["message", "join", "leave", "disconnect"],
    channels: ["chat:*"],
  });
  const ann = place.client("ann");
  await ann.channel("chat:a").subscribe(() => {});
  const { offset, epoch } = await ann.channel("chat:a").publish("hello");
  await place.api("publish", { channel: "chat:b", data: { n: 1 }, from: "shop" });
  await ann.channel("chat:a").unsubscribe();
  await ann.channel("chat:c").subscribe(() => {});
  await ann.close();
  const { endpoint } = place;
  await until("all events", () => endpoint.received.length >= 7);
  const [first] = endpoint.of("message").filter(({ data }) => data.channel === "chat:a");
  const { session, connection, id, ...message } = first!.data;
  assert.deepEqual(message, {
    channel: "chat:a",
    type: "chat_message",
    from: "ann",
    origin: "client",
    payload: { text: "hello" },
    transport: message.transport,
    offset,
    epoch,
  });
  assert.ok(session && connection && id);
  assert.ok(Math.abs(Date.parse(first!.timestamp) - Date.now()) < 60_000);
  const [second] = endpoint.of("message").filter(({ data }) => data.channel === "chat:b");
  assert.deepEqual([second!.data.origin, second!.data.from, second!.data.payload], ["api", "shop", {
    data: { n: 1 },
  }]);
  const about = (type: string) =>
    endpoint.of(type).map(({ data }) => `${data.user} ${data.channel ?? ""}`.trim());
  assert.deepEqual(about("join").toSorted(), ["ann chat:a", "ann chat:c"]);
  assert.deepEqual(about("leave").toSorted(), ["ann chat:a", "ann chat:c"]);
  assert.deepEqual(about("disconnect"), ["ann"]);
  assert.equal(endpoint.forged, 0);
});

Deno.test("webhooks: an endpoint is told of files", async () => {
  await using place = await Place.open({ events: ["file"] });
  const ann = place.client("ann");
  await ann.channel("chat:a").subscribe(() => {});
  await ann.channel("chat:a").publish("no file");
  await ann.channel("chat:a").upload(new Blob(["hello"]), { name: "a.txt" }).done;
  await until("the file", () => place.endpoint.received.length > 0);
  const [{ type, data }] = place.endpoint.received as [typeof place.endpoint.received[0]];
  assert.deepEqual([type, data.origin, data.channel, data.from], ["file", "file", "chat:a", "ann"]);
  assert.equal(data.payload.data.file.name, "a.txt");
});

Deno.test("webhooks: an endpoint decides who connects, and adds to the claims", async () => {
  await using place = await Place.open({ events: ["connect"] });
  place.endpoint.answer = ({ data }) =>
    data.user === "mallory"
      ? json({ allow: false, reason: "not you" })
      : json({ claims: { channels: ["vip:*"], info: { level: 3 } } });
  const ann = place.client("ann", { channels: ["chat:*"] });
  await ann.channel("vip:lounge").subscribe(() => {});
  await ann.channel("vip:lounge").publish("here");
  const presence = await place.api("presence", { channel: "vip:lounge" });
  assert.deepEqual(presence.sessions[0].info, { level: 3 });
  const [asked] = place.endpoint.of("connect");
  assert.deepEqual(asked!.data.claims.subscribe, ["chat:*"]);
  const mallory = await place.service.dial("websocket");
  await assert.rejects(mallory.authenticate(await place.service.token("mallory")));
  const { code, reason } = await mallory.closed;
  assert.deepEqual([code, reason], [3508, "not you"]);
});

Deno.test("webhooks: an endpoint decides who subscribes", async () => {
  await using place = await Place.open({ events: ["subscribe"], channels: ["chat:secret*"] });
  place.endpoint.answer = ({ data }) => json({ allow: data.user === "ann", reason: "members only" });
  await place.client("ann").channel("chat:secret").subscribe(() => {});
  const bob = place.client("bob");
  await bob.channel("chat:open").subscribe(() => {});
  await assert.rejects(bob.channel("chat:secret").subscribe(() => {}), /members only/);
  assert.deepEqual(place.endpoint.of("subscribe").map(({ data }) => data.channel), [
    "chat:secret",
    "chat:secret",
  ]);
});

Deno.test("webhooks: an endpoint refuses and changes what is published, edits too", async () => {
  await using place = await Place.open({ events: ["publish"] });
  place.endpoint.answer = ({ data: { payload } }) =>
    payload.text === "spam"
      ? json({ allow: false, reason: "no spam" })
      : payload.text?.includes("damn")
      ? json({ text: payload.text.replace("damn", "****") })
      : new Response(null, { status: 204 });
  const ann = place.client("ann");
  const channel = ann.channel("chat:a");
  const heard: string[] = [];
  await channel.subscribe(({ text }) => void heard.push(text!));
  await channel.publish("fine");
  await assert.rejects(channel.publish("spam"), /no spam/);
  const { offset } = await channel.publish("damn it");
  await channel.edit(offset, "damn this");
  // The back end is not asked about its own messages.
  await place.api("publish", { channel: "chat:a", text: "spam" });
  const { messages } = await place.api("history", { channel: "chat:a" });
  assert.deepEqual(messages.map(({ payload }: { payload: Settings }) => payload.text), [
    "fine",
    "**** this",
    "**** this",
    "spam",
  ]);
  await until("the deliveries", () => heard.includes("spam"));
  assert.ok(heard.includes("**** it"));
});

Deno.test("webhooks: an endpoint answers calls", async () => {
  await using place = await Place.open({ events: ["rpc"], methods: ["orders.*"] });
  place.endpoint.answer = ({ data }) =>
    data.method === "orders.bad"
      ? json({ error: { message: "no such order" } })
      : data.method === "orders.garbage"
      ? new Response("<html>")
      : json({ data: { user: data.user, got: data.data } });
  const ann = place.client("ann");
  assert.deepEqual(await ann.rpc("orders.place", { n: 2 }), { user: "ann", got: { n: 2 } });
  const failure = (method: string) =>
    ann.rpc(method).then(
      () => "answered",
      ({ error, temporary }: { error: string; temporary: boolean }) => [error, temporary],
    );
  assert.deepEqual(await failure("orders.bad"), ["permission_denied", false]);
  assert.deepEqual(await failure("orders.garbage"), ["not_available", true]);
  assert.deepEqual(await failure("other"), ["unknown_method", false]);
});

/** Endpoints that do not decide, in ways that differ. */
const BAD: Record<string, () => Response | Promise<Response>> = {
  "an error": () => new Response("no", { status: 500 }),
  "a redirection": () => Response.redirect("http://127.0.0.1:9/", 307),
  "no JSON": () => new Response("<html>"),
  "JSON of another form": () => json({ allow: "perhaps" }),
  "a content that no message can have": () => json({ text: "a\0b" }),
  "10 MB": () => new Response("x".repeat(10_000_000)),
};

Deno.test("webhooks: without a decision holds what is configured", async () => {
  await using place = await Place.open({ events: ["publish"], onFailure: "refuse" });
  const ann = await place.service.connect("websocket", "ann");
  const say = async () => {
    const { type, payload } = await ann.request("chat_message", { channel: "chat:a", text: "x" });
    return type === "error" ? payload.name : type;
  };
  for (const [name, answer] of Object.entries(BAD)) {
    place.endpoint.answer = answer;
    assert.equal(await say(), "not_available", name);
    // A success in between: the breaker is not what is tested here.
    place.endpoint.answer = () => json({});
    assert.equal(await say(), "message_ack", name);
  }
  await place.reconfigure({ events: ["publish"], onFailure: "allow" });
  for (const [name, answer] of Object.entries(BAD)) {
    place.endpoint.answer = answer;
    assert.equal(await say(), "message_ack", name);
    place.endpoint.answer = () => json({});
    await say();
  }
  await place.endpoint.stop();
  assert.equal(await say(), "message_ack", "nobody listens");
  await place.reconfigure({ events: ["publish"], onFailure: "refuse" });
  assert.equal(await say(), "not_available", "nobody listens");
});

Deno.test("webhooks: an endpoint that hangs is left alone after some attempts", async () => {
  await using place = await Place.open({ events: ["publish"], timeout: "100ms" });
  const hanging = Promise.withResolvers<void>();
  place.endpoint.answer = () => hanging.promise.then(() => json({}));
  const ann = await place.service.connect("websocket", "ann");
  for (let i = 0; i < 12; i++) {
    const { payload } = await ann.request("chat_message", { channel: "chat:a", text: "x" });
    assert.equal(payload.name, "not_available");
  }
  assert.ok(place.endpoint.requests <= 7, `${place.endpoint.requests} requests`);
  assert.equal((await place.api("info")).webhooks["back-end"].breaker, "open");
  const metrics = await (await fetch(`${place.service.url}/metrics`, { headers: { "x-api-key": KEY } }))
    .text();
  assert.match(metrics, /skein_webhook_breaker_open\{endpoint="back-end"\} 1/);
  hanging.resolve();
});

Deno.test("webhooks: an endpoint at a private address is refused unless that is granted", async () => {
  await using place = await Place.open({ events: ["publish"] });
  const { port } = new URL(place.endpoint.url);
  await place.service.reconfigure({
    ...BASE,
    webhooks: {
      endpoints: [configured(`https://localhost:${port}/`, { allowPrivate: false, events: ["publish"] })],
    },
  } as never);
  const ann = await place.service.connect("websocket", "ann");
  const { payload } = await ann.request("chat_message", { channel: "chat:a", text: "x" });
  assert.equal(payload.name, "not_available");
  const line = place.service.lines.find(({ event }) => event === "webhook endpoint fails");
  assert.equal(line?.failure, "private address");
  assert.equal(place.endpoint.requests, 0);
});

Deno.test("webhooks: a key is replaced without a request that is refused", async () => {
  await using place = await Place.open({ events: ["message"] });
  const { endpoint } = place;
  const say = async (text: string, count: number) => {
    await place.api("publish", { channel: "chat:a", text });
    await until(text, () => endpoint.received.length === count);
  };
  await say("with the old key", 1);
  await place.reconfigure({ events: ["message"], secrets: SECRETS });
  await say("with both keys, at a receiver with the old one", 2);
  endpoint.secret = SECRETS[1]!;
  await say("with both keys, at a receiver with the new one", 3);
  await place.reconfigure({ events: ["message"], secrets: [SECRETS[1]] });
  await say("with the new key", 4);
  assert.equal(endpoint.forged, 0);
});

Deno.test("webhooks: an endpoint that dies and comes back is told everything", async () => {
  await using place = await Place.open({
    events: ["message"],
    retry: { minDelay: "20ms", maxDelay: "100ms" },
    batch: { size: 10, delay: "5ms" },
  });
  const { endpoint } = place;
  const texts = Array.from({ length: 300 }, (_, i) => `message ${i}`);
  for (const [i, text] of texts.entries()) {
    if (i === 100) await endpoint.stop();
    if (i === 200) endpoint.start();
    await place.api("publish", { channel: "chat:a", text });
  }
  await until("every message", () => {
    const got = new Set(endpoint.received.map(({ data }) => data.payload.text));
    return texts.every((text) => got.has(text));
  }, 60_000);
  const ids = new Set(endpoint.received.map(({ id }) => id));
  assert.equal(ids.size, texts.length, "one id for each message, however often it came");
});

Deno.test("webhooks: dead letters are listed and sent again by the API", async () => {
  await using place = await Place.open({ events: ["message"], retry: { attempts: 1 } });
  const { endpoint } = place;
  endpoint.answer = ({ data }) => new Response(null, { status: data.payload.text === "bad" ? 422 : 204 });
  for (const text of ["good", "bad", "good again"]) await place.api("publish", { channel: "chat:a", text });
  let letters: { offset: number; id: string; failure: string; data: { payload: unknown } }[] = [];
  for (const end = Date.now() + 15_000; letters.length === 0 && Date.now() < end;) {
    ({ letters } = await place.api("webhook_dead", { endpoint: "back-end" }));
  }
  assert.deepEqual(letters.map(({ failure, data }) => [failure, data.payload]), [["status 422", {
    text: "bad",
  }]]);
  const { endpoints: [state] } = await place.api("webhooks");
  assert.deepEqual([state.name, state.breaker, state.telling, state.dead], ["back-end", "closed", true, 1]);
  endpoint.answer = () => new Response(null, { status: 204 });
  assert.deepEqual(await place.api("webhook_resend", { endpoint: "back-end" }), { resent: 1 });
  await until("the dead letter", () => endpoint.received.some(({ data }) => data.payload.text === "bad"));
  assert.equal(endpoint.received.find(({ data }) => data.payload.text === "bad")!.id, letters[0]!.id);
  assert.deepEqual((await place.api("webhook_dead", { endpoint: "back-end" })).letters, []);
  assert.equal((await place.api("webhook_dead", { endpoint: "other" })).name, "bad_payload");
});

Deno.test("webhooks: an endpoint that is taken out of the configuration is asked no more", async () => {
  await using place = await Place.open({ events: ["connect", "subscribe", "publish", "message", "rpc"] });
  await place.service.reconfigure(BASE as never);
  const ann = place.client("ann");
  await ann.channel("chat:a").subscribe(() => {});
  await ann.channel("chat:a").publish("x");
  await assert.rejects(ann.rpc("echo"), (error: { error: string }) => error.error === "unknown_method");
  assert.equal(place.endpoint.requests, 0);
});

Deno.test("webhooks: no log line holds a payload, a secret or a URL", async () => {
  await using place = await Place.open({ events: ["publish", "message"], retry: { attempts: 1 } });
  place.endpoint.answer = () => new Response("secret answer", { status: 400 });
  const ann = await place.service.connect("websocket", "ann");
  await ann.request("chat_message", { channel: "chat:a", text: "a very private text" });
  await place.api("publish", { channel: "chat:a", text: "another private text" });
  await until("the dead letter", () => place.service.lines.some(({ event }) => event === "webhook given up"));
  const all = JSON.stringify(place.service.lines);
  for (const text of ["private text", "whsec_", "/hooks", "secret answer"]) {
    assert.equal(all.includes(text), false, text);
  }
});

Deno.test("webhooks: the configuration changes under load, and no event is lost", async () => {
  const settings = { events: ["message"], retry: { minDelay: "20ms", maxDelay: "100ms" } };
  await using place = await Place.open(settings);
  const { endpoint } = place;
  let isChanging = true;
  const said: string[] = [];
  const publishing = (async () => {
    while (isChanging) {
      said.push(`message ${said.length}`);
      await place.api("publish", { channel: "chat:a", text: said.at(-1) });
    }
  })();
  for (
    const over of [{ timeout: "1s" }, { concurrency: 2 }, { secrets: SECRETS }, { batch: { size: 5 } }, {}]
  ) {
    await place.reconfigure({ ...settings, ...over });
  }
  isChanging = false;
  await publishing;
  await until("every message", () => {
    const got = new Set(endpoint.received.map(({ data }) => data.payload.text));
    return said.every((text) => got.has(text));
  }, 30_000);
});

Deno.test("webhooks: an endpoint decides again when a connection brings another token", async () => {
  await using place = await Place.open({ events: ["connect"] });
  place.endpoint.answer = ({ data }) => json(data.refresh ? { allow: false, reason: "enough" } : {});
  const ann = await place.service.connect("websocket", "ann");
  await ann.send("auth_refresh", { token: await place.service.token("ann") });
  const { code, reason } = await ann.closed;
  assert.deepEqual([code, reason], [3508, "enough"]);
});
