/**
 * Writers on machines of the lab, and how they get to know each other.
 *
 * @module
 */

import { deadline, delay } from "../../src/async/deadline.ts";
import { spawnPeer } from "./lab.ts";
import type { WriterCommand, WriterEvent } from "./lab_writer.ts";
import type { NatLab, Side } from "./natlab.ts";

/** A writer on a machine of the lab. */
export class LabWriter implements AsyncDisposable {
  id = "";
  onSignal: (event: Extract<WriterEvent, { on: "signal" }>) => void = () => {};
  /** The kinds of paths it has had, by peer. */
  readonly paths = new Map<string, string[]>();
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #events: WriterEvent[] = [];
  readonly #waiting: { on: string; resolve: (event: never) => void }[] = [];

  constructor(nat: NatLab, side: Side) {
    this.#child = spawnPeer(nat, side, "lab_writer.ts");
    this.#input = this.#child.stdin.getWriter();
    void this.#listen();
  }

  tell(command: WriterCommand): void {
    this.#input.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`)).catch(() => {});
  }

  /** The next event of a kind that nobody has taken. */
  next<T extends WriterEvent["on"]>(on: T, ms = 30_000): Promise<Extract<WriterEvent, { on: T }>> {
    const index = this.#events.findIndex((event) => event.on === on);
    const [known] = index < 0 ? [] : this.#events.splice(index, 1);
    const promise = known !== undefined
      ? Promise.resolve(known as Extract<WriterEvent, { on: T }>)
      : new Promise<Extract<WriterEvent, { on: T }>>((resolve) => this.#waiting.push({ on, resolve }));
    return deadline(promise, ms, () => new Error(`no ${on} within ${ms} ms`));
  }

  async read(): Promise<{ text: string; peers: number }> {
    const text = this.next("text");
    this.tell({ do: "read" });
    return await text;
  }

  async #listen(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) if (line.startsWith("{")) this.#heard(JSON.parse(line));
    }
  }

  #heard(event: WriterEvent): void {
    if (event.on === "signal") return this.onSignal(event);
    if (event.on === "path" && event.kind !== undefined) {
      this.paths.set(event.peer, [...this.paths.get(event.peer) ?? [], event.kind]);
    }
    const index = this.#waiting.findIndex(({ on }) => on === event.on);
    if (index >= 0) this.#waiting.splice(index, 1)[0]!.resolve(event as never);
    else if (event.on !== "path") this.#events.push(event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch { /* It has ended. */ }
    await this.#child.status;
  }
}

/** Waits until something holds. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`not within 30 s: ${what}`);
    await delay(100);
  }
}

/** Lets writers share their document with each other. @param signalDelay Milliseconds each signal takes. */
export async function introduce(writers: readonly LabWriter[], signalDelay = 0): Promise<void> {
  for (const writer of writers) writer.id = (await writer.next("open")).id;
  for (const from of writers) {
    from.onSignal = ({ to, signal }) => {
      const pass = (): void =>
        writers.find(({ id }) => id === to)?.tell({ do: "signal", from: from.id, signal });
      if (signalDelay === 0) pass();
      else setTimeout(pass, signalDelay);
    };
  }
  for (const writer of writers) {
    writer.tell({ do: "share", peers: writers.filter((other) => other !== writer).map(({ id }) => id) });
  }
  await until("each has the others as neighbours", async () => {
    const read = await Promise.all(writers.map((writer) => writer.read()));
    return read.every(({ peers }) => peers === writers.length - 1);
  });
}
