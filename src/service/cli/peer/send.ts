/**
 * `skein peer send`
 *
 * @module
 */

import { delay } from "../../../async/deadline.ts";
import { isPeerId } from "../../../peer/mod.ts";
import type { Connection } from "../../../quic/mod.ts";
import { type Command, EXIT, type Io, valueOf } from "../command.ts";
import { type Arguments, type Option, UsageError } from "../arguments.ts";
import { parseDuration } from "../../config/units.ts";
import {
  describeBytes,
  describePath,
  describeProgress,
  describeRate,
  describeTime,
  onOtherKind,
  shortId,
  StatusLine,
} from "./display.ts";
import { CommandError, Interrupted, orAborted, reported } from "./errors.ts";
import { FAST, LOCAL, peerIdOf, SERVICE_OPTIONS } from "./options.ts";
import { inspect, type OutgoingFile, sendFile, TransferError } from "./outgoing.ts";
import { reach } from "./reach.ts";
import { openSession, type PeerSession } from "./session.ts";

/** Milliseconds a peer has to come back in the middle of a file. */
const COME_BACK = 60_000;
/** Milliseconds between two connections when one that was there broke at once. */
const PAUSE = 500;

const WAIT: Option = {
  name: "wait",
  value: "TIME",
  text:
    'How long to wait for a peer that is away, such as "10m". Default: not at first, 1m in the middle of a file.',
};

/** Sends a file. */
export const peerSend: Command = {
  usage: "[options] PEER FILE",
  text:
    "Sends FILE to PEER, where `skein peer receive` runs. Directly where the NATs allow it, else by a TURN server; the\n" +
    "service never sees it. After an interruption it goes on where it was, also when the command is given again. Ends\n" +
    "with 0 when the other side has the file and its SHA-256 is right.",
  options: [WAIT, FAST, LOCAL, ...SERVICE_OPTIONS],
  settings: false,
  rest: 2,
  isArgument: isPeerId,
  run: (args, io) => reported(io, () => send(args, io)),
};

async function send(args: Arguments, io: Io): Promise<number> {
  const [peerText, path] = args.rest;
  const peer = peerIdOf(peerText, "send");
  if (path === undefined) throw new UsageError("send: needs the FILE to send");
  const wait = valueOf(args, "wait");
  const patience = wait === undefined ? undefined : parseDuration(wait);
  if (wait !== undefined && patience === undefined) {
    throw new UsageError(`--wait: "${wait}" is not a duration such as "10m"`);
  }
  // What is wrong with the file is said before anything else is done.
  const { isFile } = await Deno.stat(path).catch(() => ({ isFile: false }));
  if (!isFile) throw new CommandError(`${path}: there is no such file`);
  await using session = await openSession(args, io, {
    to: peer,
    accept: () => false,
    // `reach` says how long: with --wait it may be longer than usual.
    patience: Infinity,
  });
  const status = new StatusLine((text) => io.err(text), Deno.stderr.isTerminal());
  try {
    const file = await inspect(
      path,
      (read, size) => status.show(`Reading ${path}: ${describeBytes(read)} of ${describeBytes(size)}`),
      session.signal,
    );
    const start = performance.now();
    const fastLane = args.options.has(FAST.name);
    const sent = await new Delivery({ session, peer, file, status, patience, fastLane }).run();
    status.clear();
    const took = performance.now() - start;
    io.out(
      `Sent ${file.name}: ${describeBytes(file.size)} in ${describeTime(took)} ` +
        `(${describeRate(sent.moved, sent.ms)}), ${sent.path}\n` +
        `SHA-256 ${file.sha256}, checked by the receiver` +
        `${sent.name === file.name ? "" : `, which keeps it as "${sent.name}"`}\n`,
    );
    return EXIT.ok;
  } finally {
    status.clear();
  }
}

interface Sent {
  readonly name: string;
  /** Bytes of the last connection, and the milliseconds they took. */
  readonly moved: number;
  readonly ms: number;
  readonly path: string;
}

interface DeliveryOptions {
  readonly session: PeerSession;
  readonly peer: string;
  readonly file: OutgoingFile;
  readonly status: StatusLine;
  /** Milliseconds to wait for a peer that is away; undefined: the default. */
  readonly patience: number | undefined;
  readonly fastLane: boolean;
}

/** One file to one peer, over as many connections as it takes. */
class Delivery {
  readonly #options: DeliveryOptions;
  readonly #session: PeerSession;
  readonly #peer: string;
  readonly #file: OutgoingFile;
  readonly #status: StatusLine;
  #received = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#session = options.session;
    this.#peer = options.peer;
    this.#file = options.file;
    this.#status = options.status;
  }

  async run(): Promise<Sent> {
    let damaged = false;
    for (let connections = 0;; connections++) {
      const quic = await this.#connect(connections === 0);
      try {
        return await this.#send(quic);
      } catch (error) {
        if (error instanceof Interrupted) throw this.#interrupted();
        if (!(error instanceof TransferError)) {
          this.#status.line(`Interrupted at ${describeBytes(this.#received)}: waiting for the peer.`);
        } else if (error.code === "corrupted" && !damaged) {
          damaged = true;
          this.#status.line("The bytes were damaged or the file has changed: once more from the start.");
          const { path } = this.#file;
          if ((await inspect(path, () => {}, this.#session.signal)).sha256 !== this.#file.sha256) {
            throw new CommandError(`${path} has changed while it was sent; send it again`);
          }
        } else throw new CommandError(`${shortId(this.#peer)} does not take it: ${error.message}`);
        // Closed from here, a connection whose peer has died is made anew at once, not after QUIC's own timeout.
        await quic.close(0, "interrupted");
        await delay(PAUSE, { signal: this.#session.signal });
      }
    }
  }

  async #connect(first: boolean): Promise<Connection> {
    const { peer, url, signal } = this.#session;
    this.#status.show(`Looking for a path to ${shortId(this.#peer)} ...`);
    const { fastLane } = this.#options;
    const patience = this.#options.patience ?? (first ? undefined : COME_BACK);
    const start = performance.now();
    try {
      const quic = await reach(peer, this.#peer, { url, signal, patience, fastLane });
      const { path } = peer.connect(this.#peer);
      const took = first ? ` in ${describeTime(performance.now() - start)}` : " again";
      this.#status.line(`Connected${took}: ${describePath(path)}`);
      return quic;
    } catch (error) {
      if (error instanceof Interrupted && !first) throw this.#interrupted();
      if (!(error instanceof CommandError) || first) throw error;
      throw new CommandError(
        `interrupted at ${describeBytes(this.#received)} of ${
          describeBytes(this.#file.size)
        }, and ${error.message}; ` +
          "the same command goes on from there",
      );
    }
  }

  async #send(quic: Connection): Promise<Sent> {
    const { peer, signal } = this.#session;
    const { name, size } = this.#file;
    const connection = peer.connect(this.#peer);
    const stop = connection.on({
      path: onOtherKind(connection, (path) => this.#status.line(`Path: ${describePath(path)}`)),
    });
    let offset = 0, start = performance.now();
    const show = (): void =>
      this.#status.show(describeProgress({
        name,
        size,
        received: this.#received,
        moved: this.#received - offset,
        ms: performance.now() - start,
        path: connection.path,
      }));
    try {
      const sending = sendFile(quic, this.#file, {
        began: (at) => {
          if (at > 0) this.#status.line(`The receiver has ${describeBytes(at)} already.`);
          this.#received = offset = at;
          start = performance.now();
          show();
        },
        received: (bytes) => {
          this.#received = bytes;
          show();
        },
      });
      const kept = await orAborted(sending, signal);
      const path = (connection.path?.kind ?? "no path") + (connection.path?.fastLane ? ", fast lane" : "");
      return { name: kept, moved: size - offset, ms: performance.now() - start, path };
    } finally {
      stop();
    }
  }

  #interrupted(): CommandError {
    return new CommandError(
      `interrupted at ${describeBytes(this.#received)} of ${describeBytes(this.#file.size)}; ` +
        "the same command goes on from there",
    );
  }
}
