/** What the table of message types says, held to a running session. */

import assert from "node:assert/strict";
import {
  clientRow,
  type ClientType,
  Encoded,
  LANES,
  type Latest,
  type Message,
  type Payload,
  serverRow,
} from "../../src/protocol/mod.ts";
import type { ClientConnection } from "../../src/session/connection.ts";
import { DenoServerWebSocket, WebSocketMessageConnection } from "../../src/transport/mod.ts";
import { clientTypes, serverTypes } from "../support/message_types.ts";
import { authenticated, memoryNode, settle } from "./support.ts";

/** A node whose handlers write down what they are called with. */
function listeningNode(settings = {}) {
  const handled: string[] = [];
  const handlers = Object.fromEntries(clientTypes.map((type) => [type, () => void handled.push(type)]));
  return { ...memoryNode({ handlers, settings }), handled };
}

/** A client on a WebSocket that takes nothing while `full`. */
class FullSocket {
  readonly node: ReturnType<typeof listeningNode>;
  readonly connection: ClientConnection;
  readonly received: Message[] = [];
  readonly #socket: WebSocket & { bufferedAmount: number };

  private constructor(settings: object) {
    this.node = listeningNode(settings);
    this.#socket = {
      bufferedAmount: 0,
      readyState: WebSocket.OPEN,
      send: (text: string) => void this.received.push(JSON.parse(text)),
      close: () => this.#socket.onclose!({ code: 1000, reason: "" } as CloseEvent),
    } as unknown as WebSocket & { bufferedAmount: number };
    const link = new WebSocketMessageConnection(new DenoServerWebSocket(this.#socket), "peer:1", {
      maxFrame: 65_536,
    });
    this.connection = this.node.sessions.accept(link);
  }

  /** An authenticated client whose socket is full from now on. */
  static async open(settings = {}): Promise<FullSocket> {
    const client = new FullSocket(settings);
    const message = { type: "auth_request", id: "a", timestamp: 0, payload: { token: "ok:ann" } };
    client.#socket.onmessage!({ data: JSON.stringify(message) } as MessageEvent);
    while (client.received.length === 0) await settle();
    client.received.length = 0;
    client.#socket.bufferedAmount = Number.MAX_SAFE_INTEGER;
    return client;
  }

  send(type: string, id: string, payload: Payload): void {
    this.connection.send(new Encoded({ type, id, timestamp: 0, payload }), 0);
  }

  /** The ids of what arrives once there is room. */
  async drain(): Promise<string[]> {
    this.#socket.bufferedAmount = 0;
    while (this.connection.outbox.length > 0) await settle();
    return this.received.map(({ id }) => id);
  }

  close(): void {
    this.connection.connection.abort();
  }
}

/** A payload with every field by which a message may be told from another; `n` tells it from all others. */
function payloadOf(n: number, same: readonly string[]): Payload {
  const payload: Payload = { n, offset: n + 1, prev: n };
  for (const field of FIELDS) {
    payload[field] = same.includes(field) ? `${field}:x` : `${field}:${n}`;
  }
  return payload;
}

function latestOf(type: string): Latest | undefined {
  const delivery = serverRow(type)?.delivery;
  return typeof delivery === "object" ? delivery : undefined;
}

const FIELDS = new Set(["channel", ...serverTypes.flatMap((type) => latestOf(type)?.latest ?? [])]);

const FIVE = ["0", "1", "2", "3", "4"];

Deno.test("message types: of five under a full WebSocket all arrive, or the newest where only that counts", async () => {
  for (const type of [...serverTypes, "peer_candidate"]) {
    const client = await FullSocket.open();
    const latest = latestOf(type);
    const same = latest?.latest ?? [...FIELDS];
    for (const id of FIVE) client.send(type, id, payloadOf(Number(id), same));
    assert.deepEqual(await client.drain(), latest === undefined ? FIVE : ["4"], type);
    client.close();
  }
});

Deno.test("message types: a newer message replaces none that differs in a field of its row", async () => {
  for (const type of serverTypes) {
    for (const field of latestOf(type)?.latest ?? []) {
      const client = await FullSocket.open();
      const same = latestOf(type)!.latest.filter((other) => other !== field);
      for (const id of FIVE) client.send(type, id, payloadOf(Number(id), same));
      assert.deepEqual(await client.drain(), FIVE, `${type} of another ${field}`);
      client.close();
    }
  }
});

Deno.test("message types: a message replaces those of its group alone", async () => {
  const types = serverTypes.filter((type) => latestOf(type) !== undefined);
  assert.ok(types.length > 0);
  for (const first of types) {
    for (const second of types) {
      const client = await FullSocket.open();
      const payload = payloadOf(0, []);
      client.send(first, "first", payload);
      client.send(second, "second", payload);
      const isReplaced = latestOf(first)!.group === latestOf(second)!.group;
      const expected = isReplaced ? ["second"] : ["first", "second"];
      assert.deepEqual(await client.drain(), expected, `${second} after ${first}`);
      client.close();
    }
  }
});

Deno.test("message types: what does not fit is dropped, stops its channel or ends the connection, as the row says", async () => {
  for (const type of serverTypes) {
    const { delivery } = serverRow(type);
    const client = await FullSocket.open({ maxOutbox: 10_000 });
    const same = delivery === "kept" ? ["channel"] : [];
    for (let n = 0; n < 60; n++) {
      client.send(type, `${n}`, { ...payloadOf(n, same), fill: "x".repeat(500) });
    }
    const isStopped = client.node.membership.calls.includes("stop channel:x");
    const isEnded = client.node.observer.of("error").includes("slow_consumer");
    const isDropped = client.node.observer.of("dropped").some((detail) =>
      (detail as string[])[0] === "ephemeral"
    );
    assert.deepEqual({ isStopped, isEnded, isDropped }, {
      isStopped: delivery === "kept",
      isEnded: delivery === "reply" || delivery === "notice",
      isDropped: delivery === "ephemeral" || typeof delivery === "object",
    }, type);
    client.close();
  }
});

Deno.test("message types: only types that travel as datagrams are sent as one", async () => {
  const node = listeningNode();
  const peer = await authenticated(node);
  const [client] = node.sessions.connections;
  const datagrams = new Map<string, boolean>();
  peer.peer.onMessage = ({ type }, _lane, datagram) => void datagrams.set(type, datagram);
  serverTypes.forEach((type, n) => {
    client!.send(new Encoded({ type, id: "m", timestamp: 0, payload: payloadOf(n, []) }), 0);
  });
  await settle();
  for (const type of serverTypes) {
    assert.equal(datagrams.get(type), serverRow(type).datagram === true, type);
  }
});

/** What `type` gets when it arrives in this way: whether its handler was called, and the name of the error. */
async function arrive(
  type: ClientType,
  way: { lane?: number; datagram?: boolean; early?: boolean },
): Promise<{ handled: boolean; error: unknown }> {
  const node = listeningNode();
  const peer = await authenticated(node);
  const [client] = node.sessions.connections;
  const payload = { channel: "chat:a", token: "ok:ann" };
  const text = JSON.stringify({ type, id: "m", timestamp: 0, payload });
  await client!.frame(text, { lane: 0, datagram: false, early: false, overflow: false, ...way });
  await settle();
  const answer = peer.messages.find(({ re }) => re === "m");
  const handled = node.handled.includes(type) || answer?.type === "auth_response";
  return { handled, error: answer?.type === "error" ? answer.payload.name : undefined };
}

// The session takes the one once, before anything else, and reads what is in the other.
const laterTypes = clientTypes.filter((type) => type !== "auth_request" && type !== "deflated");

Deno.test("message types: a datagram of a type that does not travel as one is ignored", async () => {
  for (const type of laterTypes) {
    const handled = clientRow(type).datagram === true;
    assert.deepEqual(await arrive(type, { datagram: true }), { handled, error: undefined }, type);
  }
});

Deno.test("message types: early data of a type that is not idempotent gets too_early", async () => {
  for (const type of laterTypes) {
    const handled = clientRow(type).idempotent === true;
    const error = handled ? undefined : "too_early";
    assert.deepEqual(await arrive(type, { early: true }), { handled, error }, type);
  }
});

Deno.test("message types: a lane of another class than the row's gets wrong_lane", async () => {
  for (const type of laterTypes) {
    const { lane } = clientRow(type);
    const own = lane === "channel" ? "conversation" : lane;
    for (const [name, [first]] of Object.entries(LANES)) {
      const handled = name === own || name === "control";
      const error = handled ? undefined : "wrong_lane";
      assert.deepEqual(await arrive(type, { lane: first }), { handled, error }, `${type} on a ${name} lane`);
    }
  }
});
