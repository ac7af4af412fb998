/** What a relay server of its own limits: allocations, permissions and credentials that end soon, a server that forgets. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { systemClock } from "../../src/async/clock.ts";
import { deadline, delay } from "../../src/async/deadline.ts";
import { type MeetingServers, type PeerConnection, PeerIdentity, PeerNode } from "../../src/peer/mod.ts";
import { RelayAllocator } from "../../src/peer/relay_allocator.ts";
import { allocate } from "../../src/peer/turn/allocation.ts";
import { openCarrier } from "../../src/peer/turn/carrier.ts";
import { parseServerUrl } from "../../src/peer/turn/url.ts";
import { FakeClock } from "../support/clock.ts";
import { testWith } from "../support/needs.ts";
import { SignallingHub } from "./support.ts";

const SECRET = "turn-test-secret";

/** coturn on this machine, and what it has logged. */
class Turn implements AsyncDisposable {
  readonly port: number;
  readonly #limits: readonly string[];
  readonly #directory: string;
  #child: Deno.ChildProcess | undefined;
  #reading: Promise<void> | undefined;
  log = "";

  private constructor(port: number, limits: readonly string[]) {
    this.port = port;
    this.#limits = limits;
    this.#directory = Deno.makeTempDirSync({ prefix: "skein-turn-" });
  }

  /** @param limits Options of coturn that limit lifetimes. */
  static async start(...limits: readonly string[]): Promise<Turn> {
    const probe = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const { port } = probe.addr as Deno.NetAddr;
    probe.close();
    const turn = new Turn(port, limits);
    await turn.run();
    return turn;
  }

  async run(): Promise<void> {
    this.log = "";
    const child = this.#child = new Deno.Command("turnserver", {
      args: [
        "-n",
        `--listening-port=${this.port}`,
        "--listening-ip=127.0.0.1",
        "--relay-ip=127.0.0.1",
        "--allow-loopback-peers",
        "--realm=test.example",
        "--use-auth-secret",
        `--static-auth-secret=${SECRET}`,
        "--no-tls",
        "--no-dtls",
        "--no-cli",
        "--verbose",
        `--userdb=${this.#directory}/turn.db`,
        `--pidfile=${this.#directory}/turn.pid`,
        "--log-file=stdout",
        ...this.#limits,
      ],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#reading = (async () => {
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) this.log += text;
    })();
    await this.until(/UDP listener opened/g, 1);
  }

  /** How often a line was logged. */
  count(line: RegExp): number {
    return this.log.match(line)?.length ?? 0;
  }

  /** Waits until a line was logged so often, and does something in between. */
  async until(
    line: RegExp,
    times: number,
    meanwhile: () => Promise<unknown> = () => delay(20),
  ): Promise<void> {
    const wait = async (): Promise<void> => {
      while (this.count(line) < times) await meanwhile();
    };
    await deadline(wait(), 60_000, () => new Error(`${line} ${this.count(line)} times in:\n${this.log}`));
  }

  /** Ends it without a word to anybody. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    await this.#reading;
  }

  /** Credentials for it. */
  credentials(lifetime = 3_600_000): MeetingServers {
    const username = `${Math.ceil((Date.now() + lifetime) / 1000)}:test`;
    const credential = createHmac("sha1", SECRET).update(username).digest("base64");
    const url = `turn:127.0.0.1:${this.port}`;
    return { stun: [], turn: [{ url, username, credential }], expiresIn: lifetime };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.#directory, { recursive: true });
  }
}

const NEW = /: new, realm/g;
const REFRESHED = /refreshed, realm=\S+, username=\S+, lifetime=[1-9]/g;
const GIVEN_BACK = /refreshed, realm=\S+, username=\S+, lifetime=0/g;

/** Two peers that know nothing of each other but relayed addresses, and messages between them. */
async function relayedPeers(turn: Turn, lifetime?: number) {
  const hub = new SignallingHub();
  const servers = { servers: () => Promise.resolve(turn.credentials(lifetime)) };
  const open = async () => {
    const { identity } = await PeerIdentity.generate();
    return await PeerNode.open({
      identity,
      interfaces: () => [],
      signalling: { ...hub.of(identity.id), ...servers },
      onIncoming: (connection) => void echo(connection).catch(() => {}),
    });
  };
  const [ann, bob] = [await open(), await open()];
  const connection = ann.connect(bob.id);
  const kinds = new Set<string | undefined>(), states: string[] = [];
  const quic = await connection.ready();
  connection.on({ path: (path) => kinds.add(path?.kind), state: (state) => states.push(state) });
  kinds.add(connection.path?.kind);
  const stream = await quic.openBidirectionalStream();
  let said = 0;
  /** A message and its answer, on the one stream that there is. */
  const trip = async (): Promise<void> => {
    const text = `message ${said++}`;
    await stream.write(new TextEncoder().encode(text));
    const late = (): Error => new Error(`no answer to ${text}; ${states}; ${turn.log.slice(-2_000)}`);
    const answer = await deadline(stream.readExact(text.length), 30_000, late);
    assert.equal(new TextDecoder().decode(answer), text);
    await delay(20);
  };
  return {
    trip,
    kinds,
    states,
    async [Symbol.asyncDispose]() {
      await Promise.all([ann.close(), bob.close()]);
      // They give their allocations back, and wait for no answer.
      await turn.until(GIVEN_BACK, turn.count(NEW)).catch(() => {});
      await delay(300);
    },
  };
}

async function echo(connection: PeerConnection): Promise<void> {
  for await (const stream of (await connection.ready()).incomingBidirectionalStreams) {
    void stream.readable.pipeTo(stream.writable).catch(() => {});
  }
}

testWith(
  ["coturn"],
  "turn server: allocations that it ends soon are refreshed, and messages go on",
  async () => {
    await using turn = await Turn.start("--max-allocate-lifetime=4");
    await using peers = await relayedPeers(turn);
    // Of both sides together: each has lived for longer than one lifetime, at least.
    await turn.until(REFRESHED, 8, peers.trip);
    await peers.trip();
    assert.equal(turn.count(NEW), 2);
    assert.deepEqual([[...peers.kinds], peers.states], [["relayed"], []]);
  },
);

testWith(["coturn"], "turn server: permissions that have ended are asked for again", async () => {
  await using turn = await Turn.start("--permission-lifetime=2", "--channel-lifetime=2");
  await using peers = await relayedPeers(turn);
  const binds = /CHANNEL_BIND processed, success/g;
  await peers.trip();
  await turn.until(binds, turn.count(binds) + 8, peers.trip);
  await peers.trip();
  assert.deepEqual(peers.states, []);
});

testWith(["coturn"], "turn server: one that has forgotten the allocations makes others", async () => {
  await using turn = await Turn.start("--max-allocate-lifetime=4");
  await using peers = await relayedPeers(turn);
  await peers.trip();
  await turn.kill();
  await turn.run();
  await turn.until(/REFRESH processed, error 437/g, 1);
  await turn.until(NEW, 2);
  for (let i = 0; i < 10; i++) await peers.trip();
  assert.deepEqual(peers.states, []);
});

testWith(
  ["coturn"],
  "turn server: credentials that end are followed by others, and messages go on",
  async () => {
    await using turn = await Turn.start();
    await using peers = await relayedPeers(turn, 6_000);
    // Each side gives the first one back ten seconds after it has another one.
    await turn.until(GIVEN_BACK, 4, peers.trip);
    await peers.trip();
    assert.ok(turn.count(NEW) >= 6);
    assert.deepEqual(peers.states, []);
  },
);

testWith(["coturn"], "turn server: an allocation that nobody uses is given back to it", async () => {
  await using turn = await Turn.start();
  const clock = new FakeClock();
  const relays = new RelayAllocator({
    clock,
    servers: () => Promise.resolve(turn.credentials()),
    onOpen() {},
    onClose() {},
    allocate: async ({ url, username, credential }) => {
      const carrier = await openCarrier(parseServerUrl(url));
      return await allocate({ carrier, username, credential, clock: systemClock });
    },
  });
  const release = relays.use();
  const { address: { hostname, port }, closed } = await relays.open();
  const bind = () => Deno.listenDatagram({ transport: "udp", hostname, port });
  assert.throws(bind, Deno.errors.AddrInUse);
  release();
  await clock.advance(300_000);
  await closed;
  await turn.until(GIVEN_BACK, 1);
  // The server has let go of the port.
  const wait = async (): Promise<void> => {
    for (;; await delay(50)) {
      try {
        return bind().close();
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      }
    }
  };
  await deadline(wait(), 20_000, () => new Error(`port ${port} is still taken`));
  await relays.close();
});
