/** Parts for session tests: settings, a membership that does nothing, and a node in memory. */

import {
  type ClientType,
  type Message,
  type Principal,
  ProtocolError,
  type Right,
  RIGHTS,
  uuidv7,
} from "../../src/protocol/mod.ts";
import type { ClientReport, Membership, Observer, SessionSettings } from "../../src/session/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import type { SessionClaims } from "../../src/session/claims.ts";
import { Sessions } from "../../src/session/mod.ts";
import type { Context } from "../../src/router/types.ts";
import { type Handler, type Route, Router } from "../../src/router/mod.ts";
import { memoryPair, type MemoryPeer } from "../support/memory.ts";
import { FakeClock, settle as turn } from "../support/clock.ts";

const UNLIMITED = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 };

/** Settings with no limits that get in a test's way; `over` replaces whole groups. */
export function testSettings(over: Partial<SessionSettings> = {}): SessionSettings {
  return {
    authTimeout: 10_000,
    resumeWindow: 120_000,
    tokenNotice: 30_000,
    heartbeat: { interval: 7000, timeout: 10_000 },
    preAuth: { maxBytes: 8192, maxStreams: 1, maxConnections: 10_000 },
    maxMessage: 65536,
    maxStreams: 100,
    deflateFrom: null,
    maxOutbox: 1 << 20,
    maxChannels: 128,
    maxConnections: 10_000,
    perIp: { connections: 1000, rate: 0, burst: 0 },
    rates: { connection: UNLIMITED, user: UNLIMITED },
    thresholds: { rtt: 500, loss: 0.05, outbox: 0.5 },
    ...over,
  };
}

/** A principal that may do everything. */
export function principal(userId: string, expiresAt = Infinity): Principal {
  return { userId, expiresAt, subscribe: ["*"], publish: ["*"], rights: new Set<Right>(RIGHTS) };
}

/** An observer that keeps what it is told. */
export class Recorder implements Observer {
  readonly events: { event: string; kind?: string; detail?: unknown; fields?: Record<string, unknown> }[] =
    [];
  log = (_level: string, event: string, fields: Record<string, unknown>) =>
    void this.events.push({ event, fields });
  logLimited = this.log;
  opened = (kind: string) => void this.events.push({ event: "opened", kind });
  closed = (kind: string, code: number, by: string) =>
    void this.events.push({ event: "closed", kind, detail: [code, by] });
  authenticated = (kind: string, result: string) =>
    void this.events.push({ event: "authenticated", kind, detail: result });
  error = (kind: string, code: string) => void this.events.push({ event: "error", kind, detail: code });
  dropped = (kind: string, grade: string, count: number) =>
    void this.events.push({ event: "dropped", kind, detail: [grade, count] });
  migrated = (kind: string) => void this.events.push({ event: "migrated", kind });
  resumed = (kind: string, outcome: string) =>
    void this.events.push({ event: "resumed", kind, detail: outcome });
  handled = (kind: string, ms: number) => void this.events.push({ event: "handled", kind, detail: ms });
  rtt = (kind: string, ms: number) => void this.events.push({ event: "rtt", kind, detail: ms });
  report = (kind: string, report: ClientReport) =>
    void this.events.push({ event: "report", kind, detail: report });
  reconnected = (kind: string) => void this.events.push({ event: "reconnected", kind });

  /** The details of every event of a name. */
  of(event: string): unknown[] {
    return this.events.filter((entry) => entry.event === event).map((entry) => entry.detail ?? entry.fields);
  }
}

/** A membership that only writes down what it was asked. */
export class FakeMembership implements Membership {
  readonly calls: string[] = [];
  /** What others say about connections. */
  admit: NonNullable<Membership["admit"]> = (principal) => principal;
  attach = (client: { sessionId: string }) => {
    this.calls.push(`attach ${client.sessionId}`);
    return Promise.resolve({
      channels: {},
      refused: {},
      start: () => void this.calls.push(`start ${client.sessionId}`),
    });
  };
  detach = (client: { sessionId: string }) => void this.calls.push(`detach ${client.sessionId}`);
  leave = (client: { sessionId: string }) => void this.calls.push(`leave ${client.sessionId}`);
  handOver = (client: { sessionId: string }, node: string) =>
    void this.calls.push(`hand over ${client.sessionId} to ${node}`);
  stopChannel = (_client: unknown, channel: string) => void this.calls.push(`stop ${channel}`);
  refresh = () => [];
}

/**
 * A node of sessions with memory connections, whose time is moved by hand. Tokens are `ok:<user>` or
 * `ok:<user>:<milliseconds until it ends>`, followed by `:<bot>` for a bot.
 */
export function memoryNode(
  options: {
    settings?: Partial<SessionSettings>;
    handlers?: Record<string, Handler>;
    clock?: FakeClock;
    /** @default those of a node alone */
    claims?: SessionClaims;
  } = {},
) {
  const observer = new Recorder();
  const clock = options.clock ?? new FakeClock();
  const membership = new FakeMembership();
  const revoked = new Set<string>();
  let settings = testSettings(options.settings);
  const routes: Route[] = Object.entries(options.handlers ?? {}).map(([type, handler]) => ({
    type: type as ClientType,
    handler,
  }));
  const router = new Router(routes);
  const sessions = new Sessions({
    settings: () => settings,
    authenticator: {
      verify(token) {
        const [ok, user, lifetime, bot] = token.split(":");
        if (ok === "down") return Promise.reject(new ProtocolError("not_available"));
        if (ok === "early") {
          return Promise.reject(new ProtocolError("not_available", "not valid yet", { retryAfter: 8000 }));
        }
        if (ok === "old") return Promise.reject(new ProtocolError("token_expired"));
        if (ok !== "ok" || revoked.has(token)) return Promise.reject(new ProtocolError("invalid_token"));
        const bearer = principal(user!, lifetime ? clock.wall() + Number(lifetime) : Infinity);
        return Promise.resolve(bot === undefined ? bearer : { ...bearer, bot });
      },
    },
    membership,
    claims: options.claims ?? new MemoryEngine({ clock }).commands,
    observer,
    node: "test",
    dispatch: (context) => router.dispatch(context),
    clock,
  });
  return {
    clock,
    /** Lets `ms` pass, with a sweep after each second. */
    advance: async (ms: number) => {
      for (let left = ms; left > 0; left -= 1000) {
        await clock.advance(Math.min(left, 1000));
        sessions.sweep();
      }
    },
    observer,
    membership,
    /** Tokens that are refused from now on. */
    revoked,
    sessions,
    configure: (over: Partial<SessionSettings>) =>
      void (settings = testSettings({ ...options.settings, ...over })),
    connect: (address?: string) => connect(sessions, address),
  };
}

/** A client on a memory connection. */
export class TestPeer {
  readonly messages: Message[] = [];
  readonly lanes: number[] = [];
  constructor(readonly peer: MemoryPeer) {
    peer.onMessage = (message, lane) => {
      this.messages.push(message);
      this.lanes.push(lane);
    };
  }

  async send(
    type: string,
    payload: Record<string, unknown> = {},
    lane = 0,
    id = uuidv7(),
  ): Promise<Message | undefined> {
    await this.peer.send({ type, id, timestamp: Date.now(), payload }, lane);
    await settle();
    return this.messages.find((message) => message.re === id);
  }

  /** Everything of a type. */
  of(type: string): Message[] {
    return this.messages.filter((message) => message.type === type);
  }
}

function connect(sessions: Sessions, address?: string): TestPeer {
  const { server, client } = memoryPair(address);
  const admitted = sessions.admit(server.remoteAddress);
  if ("refused" in admitted) throw new Error(admitted.refused);
  const peer = new TestPeer(client);
  sessions.accept(server, admitted);
  return peer;
}

/** Lets everything run that waits for nothing but a few turns. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await turn();
}

/** Handlers of a node that answers pings. */
export const handlers = { ping: (context: Context) => context.reply("pong", {}) };

/** A client whose token was accepted; `extra` goes into its `auth_request`. */
export async function authenticated(
  node: ReturnType<typeof memoryNode>,
  token = "ok:ann",
  extra = {},
): Promise<TestPeer> {
  const peer = node.connect();
  const answer = await peer.send("auth_request", { token, ...extra });
  if (answer?.type !== "auth_response") throw new Error(`not accepted: ${JSON.stringify(answer)}`);
  return peer;
}
