/**
 * `skein peer connect`
 *
 * @module
 */

import { type PeerConnection, PeerError, type PeerId } from "../../../client/peer.ts";
import { delay } from "../../../async/deadline.ts";
import { deferred } from "../../../async/deferred.ts";
import { isPeerId } from "../../../peer/mod.ts";
import type { Arguments } from "../arguments.ts";
import { type Command, EXIT, type Io } from "../command.ts";
import { describePath, describeTime, onOtherKind, printable, shortId, StatusLine } from "./display.ts";
import { CommandError, Interrupted, reported } from "./errors.ts";
import { FAST, LOCAL, peerIdOf, SERVICE_OPTIONS } from "./options.ts";
import { openSession, type PeerSession, whileConnected } from "./session.ts";
import { hear, Speaker } from "./talk.ts";

/** Milliseconds before a peer that has left is called again. */
const CALL_AGAIN = 2_000;
/** How often the round trip is shown where nobody types, in ms. */
const SHOW_EVERY = 1_000;

/** Connects, and stays. */
export const peerConnect: Command = {
  usage: "[options] PEER",
  text:
    "Connects to PEER, where the same command runs with this peer's id, and says how: what you type there is printed here,\n" +
    "and the other way round. An empty line shows the path and the round trip. Ctrl-C ends it, and so does an hour without the peer.",
  options: [FAST, LOCAL, ...SERVICE_OPTIONS],
  settings: false,
  rest: 1,
  isArgument: isPeerId,
  run: (args, io) => reported(io, () => connect(args, io)),
};

async function connect(args: Arguments, io: Io): Promise<number> {
  const id = peerIdOf(args.rest[0], "connect");
  const call = new Call(id, io, args.options.has(FAST.name));
  await using session = await openSession(args, io, {
    to: id,
    accept: (peer) => peer === id,
    onIncoming: (connection) => call.follow(connection),
  });
  if (session.peer.id === id) throw new CommandError("this is the id of this device: connect to another one");
  call.status.line(`This peer is ${session.peer.id}\nCalling ${id} ...`);
  try {
    call.begin(session);
    await whileConnected(session, call.failed.promise);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  } finally {
    call.end();
  }
  return EXIT.ok;
}

/** A conversation with one peer, over the connections there are. */
class Call {
  readonly status: StatusLine;
  /** Rejects when no other attempt helps. */
  readonly failed = deferred<never>();
  readonly #peer: PeerId;
  readonly #io: Io;
  readonly #fastLane: boolean;
  readonly #speaker = new Speaker();
  #session: PeerSession | undefined;
  #connection: PeerConnection | undefined;
  #since = performance.now();
  #said = "";
  #showing: ReturnType<typeof setInterval> | undefined;

  constructor(peer: PeerId, io: Io, fastLane: boolean) {
    this.#fastLane = fastLane;
    this.#peer = peer;
    this.#io = io;
    this.status = new StatusLine((text) => io.err(text), Deno.stderr.isTerminal());
    this.failed.promise.catch(() => {});
  }

  begin(session: PeerSession): void {
    this.#session = session;
    this.#call();
    void this.#type();
    // A line that is written again and again would get between the letters of somebody who types.
    if (!Deno.stdin.isTerminal()) this.#showing = setInterval(() => this.#show(), SHOW_EVERY);
  }

  end(): void {
    clearInterval(this.#showing);
    this.status.clear();
  }

  follow(connection: PeerConnection): void {
    if (this.#connection === connection) return;
    this.#connection = connection;
    connection.on({
      state: (state, error) => this.#changed(connection, state, error),
      path: onOtherKind(connection, (path) => {
        if (connection.state === "connected") this.#say(`Path: ${describePath(path)}`);
      }),
      connection: (quic) => this.#talk(quic),
    });
    if (connection.current === undefined) return;
    this.#changed(connection, connection.state);
    this.#talk(connection.current);
  }

  #call(): void {
    if (this.#connection?.isClosed === false || this.#session === undefined) return;
    this.#since = performance.now();
    this.follow(this.#session.peer.connect(this.#peer, { fastLane: this.#fastLane }));
  }

  #changed(connection: PeerConnection, state: PeerConnection["state"], error?: PeerError): void {
    const name = shortId(this.#peer);
    if (state === "connected") {
      const took = describeTime(performance.now() - this.#since);
      return this.#say(`Connected in ${took}: ${describePath(connection.path)}. Type to talk.`);
    }
    if (state === "failed") this.#say(`${name} is not there: ${error?.message ?? ""}. Still calling.`);
    if (state === "reconnecting" && error !== undefined) {
      this.#since = performance.now();
      this.#say("The connection is lost. Calling again.");
    }
    if (state !== "disconnected") return;
    if (error !== undefined && error.code !== "closed") {
      return this.failed.reject(new CommandError(`${name}: ${error.message}`));
    }
    if (this.#session?.signal.aborted !== false) return;
    this.#say(`${name} has left. Waiting for it.`);
    const { signal } = this.#session;
    delay(CALL_AGAIN, { signal }).then(() => this.#call(), () => {});
  }

  #talk(quic: Parameters<Speaker["use"]>[0]): void {
    this.#speaker.use(quic);
    void hear(quic, (line) => {
      this.status.clear();
      this.#io.out(`${printable(line)}\n`);
    });
  }

  /** The same is not said twice in a row: a peer that stays away is called many times. */
  #say(text: string): void {
    if (text !== this.#said) this.status.line(text);
    this.#said = text;
  }

  #show(): void {
    const { state, path } = this.#connection ?? {};
    if (state === "connected") this.status.show(`${shortId(this.#peer)}  ${describePath(path)}`);
    else this.status.clear();
  }

  async #type(): Promise<void> {
    let rest = "";
    try {
      for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) this.#typed(line);
      }
      if (rest !== "") this.#typed(rest);
    } catch { /* Nobody can type any more; what the peer says is still shown. */ }
  }

  #typed(line: string): void {
    const { state, path } = this.#connection ?? {};
    if (line === "") {
      this.status.line(state === "connected" ? describePath(path) : `not connected (${state})`);
    } else if (!this.#speaker.say(line)) {
      this.status.line("Too much waits for the peer: the line is not sent.");
    }
  }
}
