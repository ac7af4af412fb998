/** Settings that are changed while the service runs, and what new connections on any transport see of them. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { createTokenSigner } from "../../src/auth/mod.ts";
import { connect, type Connection } from "../../src/quic/mod.ts";
import { makeCertificate } from "../support/certificate.ts";
import { type CarrierKind, type DialOptions, KINDS, type TestClient } from "../support/client.ts";
import type { ConfigInput } from "../support/config.ts";
import type { TestService } from "../support/service.ts";
import { OPEN, until, withService } from "./support.ts";

/** What a change is tried with: connections of one kind to the service as it is configured now. */
interface Trial {
  readonly service: TestService;
  readonly kind: CarrierKind;
  /** Where QUIC was served before the change. */
  readonly quicPort: number;
  /** Connects, without a token. */
  dial(options?: Partial<DialOptions>): Promise<TestClient>;
  /** Connects as a user. */
  connect(claims?: Record<string, unknown>): Promise<TestClient>;
}

/** A setting with a value, and how a new connection shows that it is in force. */
interface Change {
  readonly config: ConfigInput;
  check(trial: Trial): Promise<void>;
}

const session = (over: NonNullable<ConfigInput["session"]>): ConfigInput => ({
  session: { ...OPEN.session, ...over },
});
const SECRETS = ["the first secret of thirty-two bytes", "the other secret of thirty-two bytes"] as const;
const certificates = await Promise.all([makeCertificate(), makeCertificate()]);

/** What the answer to a token says. */
async function told(trial: Trial): Promise<Record<string, unknown> & { limits: Record<string, unknown> }> {
  const client = await trial.connect();
  return client.messages.find(({ type }) => type === "auth_response")!.payload as never;
}

/** Dials WebTransport with header fields. */
function webTransport({ service }: Trial, headers: Record<string, string>): Promise<Connection> {
  const { port } = service.service.addresses.quic!;
  return connect(`https://127.0.0.1:${port}/connection/webtransport`, {
    serverCertificateHashes: [service.certificateHash],
    headers,
  });
}

/** The name of the error that answers a message, if one does. */
async function refusal(
  client: TestClient,
  type: string,
  payload: Record<string, unknown>,
): Promise<string | undefined> {
  const answer = await client.request(type, payload);
  return answer.type === "error" ? answer.payload.name : undefined;
}

/** A setting for each kind that the design names, with a value made of a number. */
const CHANGES: Record<string, (n: number) => Change> = {
  "session.maxMessage": (n) => {
    const maxMessage = 1024 + n % 60_000;
    return {
      config: session({ maxMessage }),
      async check(trial) {
        assert.equal((await told(trial)).limits.maxMessage, maxMessage);
        const client = await trial.connect();
        await client.send("chat_message", { channel: "chat:a", text: "x".repeat(maxMessage) });
        assert.equal((await client.ended()).code, 3507);
      },
    };
  },
  "session.maxChannels": (n) => {
    const maxChannels = 1 + n % 4;
    return {
      config: session({ maxChannels }),
      async check(trial) {
        assert.equal((await told(trial)).limits.maxChannels, maxChannels);
        const client = await trial.connect();
        const refused: unknown[] = [];
        for (let at = 0; at <= maxChannels; at++) {
          refused.push(await refusal(client, "subscribe", { channel: `chat:${at}` }));
        }
        assert.deepEqual(refused, [...Array(maxChannels).fill(undefined), "limit_exceeded"]);
      },
    };
  },
  "session.rates.connection": (n) => {
    const messagesPerSecond = 1 + n % 1000;
    const rate = { messagesPerSecond, messageBurst: 7, bytesPerSecond: 0, byteBurst: 0 };
    return {
      config: session({ rates: { ...OPEN.session.rates, connection: rate } }),
      async check(trial) {
        assert.deepEqual((await told(trial)).limits.rates, { ...rate, messageBurst: 0 });
      },
    };
  },
  "session.heartbeat": (n) => {
    const interval = 1000 + n % 5000, timeout = interval + 1 + n % 9000;
    return {
      config: session({ heartbeat: { interval: `${interval}ms`, timeout: `${timeout}ms` } }),
      async check(trial) {
        assert.deepEqual((await told(trial)).heartbeat, { interval, timeout });
      },
    };
  },
  "session.authTimeout": () => ({
    config: session({ authTimeout: "100ms" }),
    async check(trial) {
      assert.equal((await (await trial.dial()).ended()).code, 3506);
    },
  }),
  "session.preAuth.maxBytes": (n) => {
    const maxBytes = 512 + n % 4096;
    return {
      config: session({ preAuth: { maxBytes } }),
      async check(trial) {
        const client = await trial.dial();
        await client.send("ping", { text: "x".repeat(maxBytes) });
        const { code } = await client.ended();
        assert.ok(code === 3501 || code === 3507, `${code}`);
      },
    };
  },
  "session.perIp.connections": () => ({
    // The one that is connected before, and one more.
    config: session({ perIp: { ...OPEN.session.perIp, connections: 2 } }),
    async check(trial) {
      const one = await trial.connect();
      const refused = async (): Promise<number> =>
        (await trial.service.stats()).transports[trial.kind].errors.connection_limit ?? 0;
      const before = await refused();
      // Raw QUIC shakes hands before it is refused; a refused WebTransport of Deno's would leave streams behind.
      const other = trial.kind === "webtransport"
        ? await webTransport(trial, {}).catch(() => undefined)
        : await trial.dial({ timeout: 2000 }).catch(() => undefined);
      await until("another one is refused", async () => await refused() === before + 1);
      await other?.closed;
      assert.equal((await one.ask("ping", {})).type, "pong");
    },
  }),
  "session.resumeWindow": (n) => ({
    // What becomes of this session is told in lines of that level; others wait to be over, too.
    config: { ...session({ resumeWindow: n % 2 === 0 ? "0s" : "1m" }), log: { level: "debug" } },
    async check(trial) {
      const before = await trial.connect();
      const { sessionId } = before.messages.find(({ type }) => type === "auth_response")!.payload;
      const has = (event: string) =>
        trial.service.lines.some((line) => line.event === event && line.session === sessionId);
      await before.close(trial.kind === "websocket" ? 4000 : 0);
      await until("it has left", () => Promise.resolve(has("session disconnect")));
      if (n % 2 === 0) await until("it is over", () => Promise.resolve(has("session end")));
      const client = await trial.dial();
      const answer = await client.authenticate(await trial.service.token("ann"), { sessionId, channels: {} });
      assert.equal(answer.payload.resumed, n % 2 === 1);
    },
  }),
  "quic.maxStreams": (n) => {
    const maxStreams = 2 + n % 200;
    return {
      config: { quic: { maxStreams } },
      async check(trial) {
        assert.equal((await told(trial)).limits.maxStreams, maxStreams);
      },
    };
  },
  "auth.keys": (n) => {
    const secret = SECRETS[n % 2]!, other = SECRETS[1 - n % 2]!;
    const sign = (secret: string) =>
      createTokenSigner({ key: { alg: "HS256", secret } }).sign({ sub: "ann" });
    return {
      config: { auth: { keys: [{ alg: "HS256", secret }] } },
      async check(trial) {
        await (await trial.dial()).authenticate(await sign(secret));
        const refused = await trial.dial();
        await refused.send("auth_request", { token: await sign(other) });
        assert.equal((await refused.ended()).code, 3500);
      },
    };
  },
  "auth.issuer": (n) => {
    const issuer = `issuer-${n}`, key = { alg: "HS256", secret: SECRETS[0] } as const;
    return {
      config: { auth: { keys: [key], issuer: [issuer] } },
      async check(trial) {
        await (await trial.dial()).authenticate(
          await createTokenSigner({ key, issuer }).sign({ sub: "ann" }),
        );
        const refused = await trial.dial();
        await refused.send("auth_request", { token: await createTokenSigner({ key }).sign({ sub: "ann" }) });
        assert.equal((await refused.ended()).code, 3500);
      },
    };
  },
  "auth.defaultChannels": (n) => {
    const allowed = `chat:${n}`;
    return {
      config: { auth: { defaultChannels: [allowed] } },
      async check(trial) {
        const client = await trial.connect();
        assert.equal(await refusal(client, "subscribe", { channel: allowed }), undefined);
        assert.equal(await refusal(client, "subscribe", { channel: `chat:${n + 1}` }), "permission_denied");
      },
    };
  },
  "namespaces.default.historySize": (n) => {
    const historySize = n % 4, channel = `chat:history-${crypto.randomUUID()}`;
    return {
      config: { namespaces: { default: { historySize } } },
      async check(trial) {
        const client = await trial.connect();
        for (let i = 0; i < 5; i++) await client.ask("chat_message", { channel, text: `${i}` });
        const { payload } = await client.ask("history", { channel });
        assert.deepEqual(
          payload.messages.map(({ text }: { text: string }) => text),
          ["0", "1", "2", "3", "4"].slice(5 - historySize),
        );
      },
    };
  },
  "namespaces.chat.publish": (n) => ({
    config: { namespaces: { chat: { publish: n % 2 === 0 ? "none" : "all" } } },
    async check(trial) {
      const client = await trial.connect({ channels: [] });
      const answer = await refusal(client, "chat_message", { channel: "chat:a", text: "x" });
      assert.equal(answer, n % 2 === 0 ? "permission_denied" : undefined);
    },
  }),
  "quic.cert": (n) => {
    const [own, other] = n % 2 === 0 ? certificates : certificates.toReversed();
    return {
      config: { quic: { cert: own!.cert, key: own!.key } },
      async check(trial) {
        const { certificateHashes } = await (await fetch(`${trial.service.url}/client.json`)).json();
        assert.deepEqual(certificateHashes, [own!.hash.toBase64()]);
        if (trial.kind === "websocket") return;
        const client = await trial.dial({ certificateHash: own!.hash });
        await client.authenticate(await trial.service.token("ann"));
        await assert.rejects(trial.dial({ certificateHash: other!.hash }));
      },
    };
  },
  "quic.enabled": (n) => ({
    config: { quic: { enabled: n % 2 === 0 } },
    async check(trial) {
      if (n % 2 === 0 || trial.kind === "websocket") await trial.connect();
      else await assert.rejects(trial.dial({ quicPort: trial.quicPort, timeout: 200 }));
    },
  }),
  "quic.port": () => {
    const probe = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const { port } = probe.addr as Deno.NetAddr;
    probe.close();
    return {
      config: { quic: { port } },
      async check(trial) {
        assert.equal(trial.service.service.addresses.quic!.port, port);
        await trial.connect();
      },
    };
  },
  "http.allowedOrigins": (n) => {
    const origin = `https://page-${n}.example`;
    return {
      config: { http: { allowedOrigins: [origin] } },
      async check(trial) {
        const dial = (origin: string) => webTransport(trial, { origin });
        await assert.rejects(dial("https://other.example"), { code: "refused" });
        await (await dial(origin)).close();
      },
    };
  },
  "files.enabled": (n) => ({
    config: { files: { enabled: n % 2 === 0 } },
    async check(trial) {
      const client = await trial.connect();
      const start = { channel: "chat:a", name: "a", type: "text/plain", size: 3, sha256: "0".repeat(64) };
      const answer = await refusal(client, "file_upload_start", start);
      assert.equal(answer === "not_available", n % 2 === 1, answer);
    },
  }),
  "log.level": (n) => ({
    config: { log: { level: n % 2 === 0 ? "error" : "info" } },
    async check(trial) {
      const before = trial.service.lines.length;
      await trial.connect();
      const lines = trial.service.lines.slice(before);
      assert.equal(lines.some(({ event }) => event === "session open"), n % 2 === 1);
    },
  }),
};

/** Validates: each kind of setting that may change without a restart holds for the next connection, and earlier ones live on. */
Deno.test("Feature: quic-transport, Property 23: live configuration (every kind of setting)", () =>
  withService(async (service) => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.keys(CHANGES)),
        fc.constantFrom(...KINDS),
        fc.nat(1_000_000),
        async (key, kind, n) => {
          await service.reconfigure(OPEN);
          const quicPort = service.service.addresses.quic!.port;
          await using earlier = await service.connect("websocket", "earlier");
          const change = CHANGES[key]!(n);
          await service.reconfigure({ ...OPEN, ...change.config });
          assert.equal((await service.stats()).lastReload.ok, true);
          const clients: TestClient[] = [];
          const dial = async (options?: Partial<DialOptions>) => {
            const client = await service.dial(kind, options);
            clients.push(client);
            return client;
          };
          try {
            await change.check({
              service,
              kind,
              quicPort,
              dial,
              async connect(claims) {
                const client = await dial();
                await client.authenticate(await service.token("ann", claims));
                return client;
              },
            });
            if (key !== "auth.keys" && key !== "auth.issuer") {
              assert.equal((await earlier.ask("ping", {})).type, "pong");
            }
          } finally {
            for (const client of clients) await client.close();
          }
        },
      ),
      { numRuns: 300, endOnFailure: true },
    );
  }));
