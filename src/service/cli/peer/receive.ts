/**
 * `skein peer receive`
 *
 * @module
 */

import { join } from "node:path";
import type { PeerConnection } from "../../../client/peer.ts";
import { settles } from "../../../async/deadline.ts";
import { deferred } from "../../../async/deferred.ts";
import { isPeerId } from "../../../peer/mod.ts";
import type { BidirectionalStream, Connection } from "../../../quic/mod.ts";
import { type Arguments, UsageError } from "../arguments.ts";
import { type Command, EXIT, type Io, valueOf } from "../command.ts";
import {
  describeBytes,
  describePath,
  describeProgress,
  describeRate,
  onOtherKind,
  shortId,
  StatusLine,
} from "./display.ts";
import { CommandError, Interrupted, reported } from "./errors.ts";
import { Inbox, type KeptFile } from "./incoming.ts";
import { LOCAL, peerIdOf, SERVICE_OPTIONS } from "./options.ts";
import { openSession, whileConnected } from "./session.ts";

/** Milliseconds the sender has to read that its file is kept, before `--once` ends. */
const GOODBYE = 3_000;

/** Takes files. */
export const peerReceive: Command = {
  usage: "[options]",
  text:
    "Takes files that others send with `skein peer send`, until Ctrl-C: from every peer that the service lets through (the\n" +
    "user's own devices, and those of users named in both tokens), or from some. Asks nothing; a file never replaces\n" +
    "another one, and never leaves the directory.",
  options: [
    { name: "directory", value: "DIR", text: "Where files go. Default: here." },
    { name: "from", value: "LIST", text: "Ids of peers to take files from, with commas between." },
    { name: "once", text: "End after one file." },
    LOCAL,
    ...SERVICE_OPTIONS,
  ],
  settings: false,
  rest: 0,
  isArgument: isPeerId,
  run: (args, io) => reported(io, () => receive(args, io)),
};

async function receive(args: Arguments, io: Io): Promise<number> {
  const directory = valueOf(args, "directory") ?? ".";
  const from = valueOf(args, "from")?.split(",").map((text) => peerIdOf(text.trim(), "--from"));
  if (args.options.has(LOCAL.name) && from === undefined) {
    throw new UsageError("--local: needs --from LIST, because without the service nobody checks who calls");
  }
  await checkDirectory(directory);
  const desk = new Desk(directory, io);
  await using session = await openSession(args, io, {
    accept: (peer) => from === undefined || from.includes(peer),
    onIncoming: (connection) => desk.welcome(connection),
    onError: (error, { stage, peer }) => {
      if (peer !== undefined && stage !== "relay") desk.status.line(`${shortId(peer)}: ${error.message}`);
    },
  });
  desk.status.line(
    `This peer is ${session.peer.id}\n` +
      `Files go to  ${await Deno.realPath(directory)}\n` +
      `Send with    skein peer send ${session.peer.id} FILE\n` +
      `Waiting${from === undefined ? "" : " for the peers named"}, until Ctrl-C.`,
  );
  try {
    if (args.options.has("once")) await whileConnected(session, desk.first.promise);
    else await whileConnected(session);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  } finally {
    desk.status.clear();
  }
  return EXIT.ok;
}

async function checkDirectory(directory: string): Promise<void> {
  const found = await Deno.stat(directory).catch(() => undefined);
  if (!found?.isDirectory) throw new CommandError(`--directory: ${directory} is no directory; make it first`);
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: directory, prefix: ".skein-" }));
  } catch {
    throw new CommandError(`--directory: ${directory} cannot be written to`);
  }
}

/** Takes files from the peers that call. */
class Desk {
  readonly status: StatusLine;
  /** Resolves when the first file is kept and its sender knows. */
  readonly first = deferred<void>();
  readonly #inbox: Inbox;
  readonly #directory: string;
  readonly #io: Io;

  constructor(directory: string, io: Io) {
    this.#directory = directory;
    this.#io = io;
    this.#inbox = new Inbox(directory);
    this.status = new StatusLine((text) => io.err(text), Deno.stderr.isTerminal());
  }

  welcome(connection: PeerConnection): void {
    const name = shortId(connection.peer);
    this.status.line(`${name} connected: ${describePath(connection.path)}`);
    connection.on({
      connection: (quic) => void this.#serve(connection, quic),
      path: onOtherKind(connection, (path) => this.status.line(`${name}: path ${describePath(path)}`)),
      state: (state) => {
        if (state === "disconnected") this.status.line(`${name} has left`);
        if (state === "reconnecting") this.status.line(`${name}: the connection is lost, waiting for it`);
      },
    });
    if (connection.current !== undefined) void this.#serve(connection, connection.current);
  }

  async #serve(connection: PeerConnection, quic: Connection): Promise<void> {
    void refuse(quic);
    try {
      for await (const stream of quic.incomingBidirectionalStreams) void this.#take(connection, quic, stream);
    } catch { /* The connection broke: its events tell of it. */ }
  }

  async #take(connection: PeerConnection, quic: Connection, stream: BidirectionalStream): Promise<void> {
    const from = shortId(connection.peer);
    let start = performance.now(), offset = 0;
    const show = (name: string, received: number, size: number): void =>
      this.status.show(describeProgress({
        name,
        size,
        received,
        moved: received - offset,
        ms: performance.now() - start,
        path: connection.path,
      }));
    try {
      const kept = await this.#inbox.take(stream, {
        began: (name, at, size) => {
          const more = at === 0 ? "" : `, goes on at ${describeBytes(at)}`;
          this.status.line(`${name} (${describeBytes(size)}) comes from ${from}${more}`);
          start = performance.now();
          offset = at;
          show(name, at, size);
        },
        received: show,
      });
      this.#kept(kept, connection, performance.now() - start);
      await settles(quic.closed, GOODBYE);
      this.first.resolve();
    } catch (error) {
      this.status.clear();
      this.status.line(`The file from ${from} is not whole: ${(error as Error).message}`);
    }
  }

  #kept(kept: KeptFile, connection: PeerConnection, ms: number): void {
    const { name, size, moved, sha256 } = kept;
    this.status.clear();
    this.#io.out(
      `Received ${join(this.#directory, name)}: ${describeBytes(size)} (${describeRate(moved, ms)}), ` +
        `${connection.path?.kind ?? "no path"}, from ${shortId(connection.peer)}, SHA-256 ${sha256}\n`,
    );
  }
}

/** Streams in one direction mean nothing here. */
async function refuse(quic: Connection): Promise<void> {
  try {
    for await (const stream of quic.incomingUnidirectionalStreams) stream.cancel();
  } catch { /* The connection broke. */ }
}
