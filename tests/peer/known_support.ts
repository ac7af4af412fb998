/**
 * Programs that edit a document (`known_process.ts`), and what the service has kept of it.
 *
 * @module
 */

import assert from "node:assert/strict";
import * as Y from "yjs";
import { delay } from "../../src/async/deadline.ts";
import { openDocument } from "../../src/client/documents.ts";
import { SkeinClient } from "../../src/client/mod.ts";
import type { Place } from "../crash/server.ts";
import { Program, skein } from "./cli_support.ts";

interface Seen {
  readonly text: string;
  readonly peers: number;
  readonly synced: boolean;
  readonly known: number;
}

/** The program of `known_process.ts`. */
export class Editor implements AsyncDisposable {
  readonly #program: Program;

  constructor(place: Place, name: string) {
    const folder = `${place.directory}/${name}`;
    Deno.mkdirSync(folder, { recursive: true });
    const script = new URL("known_process.ts", import.meta.url).pathname;
    const command = skein().slice(0, -1).concat(
      script,
      `http://127.0.0.1:${place.port}`,
      place.token,
      folder,
    );
    this.#program = new Program(
      new Deno.Command(command[0]!, {
        args: command.slice(1),
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      })
        .spawn(),
    );
  }

  async say(line: string): Promise<Seen> {
    const before = this.#program.out.length;
    await this.#program.type(`${line}\n`);
    for (;;) {
      const lines = this.#program.out.slice(before).split("\n");
      const answer = lines.slice(0, -1).find((text) => text.startsWith('{"text"'));
      if (answer !== undefined) return JSON.parse(answer) as Seen;
      await delay(5);
    }
  }

  async until(what: string, fits: (seen: Seen) => boolean): Promise<void> {
    const start = performance.now();
    for (;;) {
      const seen = await this.say("look");
      if (fits(seen)) return;
      if (performance.now() - start > 60_000) {
        throw new Error(`not seen: ${what}: ${JSON.stringify(seen)}\n${this.#program.err}`);
      }
      await delay(100);
    }
  }

  async stop(): Promise<void> {
    await this.#program.type("stop\n");
    assert.equal(await this.#program.end(), 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

/** What a third client reads of the document: its text, and how often each change was kept. */
export async function readAll(place: Place): Promise<{ text: string; changes: Map<string, number> }> {
  const client = new SkeinClient({ url: `http://127.0.0.1:${place.port}`, token: place.token });
  const document = openDocument(client, "doc:plan"), doc = new Y.Doc();
  const changes = new Map<string, number>();
  document.on("operation", ({ data }) => {
    Y.applyUpdate(doc, data);
    for (const { id, length } of Y.decodeUpdate(data).structs) {
      for (let i = 0; i < length; i++) {
        const change = `${id.client} ${id.clock + i}`;
        changes.set(change, (changes.get(change) ?? 0) + 1);
      }
    }
  });
  try {
    await document.ready;
    return { text: doc.getText("t").toString(), changes };
  } finally {
    await client.close();
  }
}
