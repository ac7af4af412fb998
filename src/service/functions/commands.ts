/**
 * Commands that functions answer: each function with commands is the bot of its name.
 *
 * @module
 */

import type { Answers, Call, Event, Json, Manifest, Outcome } from "../../functions/mod.ts";
import type { Answering, Command, CommandResponder, Hub } from "../../hub/mod.ts";
import { readContent } from "../../protocol/mod.ts";
import { toProtocolError } from "./failure.ts";
import type { FunctionSet } from "./set.ts";

/** What bots need. */
export interface FunctionBotsOptions {
  readonly hub: Hub;
  readonly set: FunctionSet;
  readonly call: (name: string, call: Call) => Promise<Outcome>;
  /** Told of a name that something else has. */
  readonly taken: (name: string) => void;
}

/** The bots that functions are. */
export class FunctionBots {
  readonly #options: FunctionBotsOptions;
  /** What takes each away again, by name. */
  readonly #added = new Map<string, () => void>();
  #closed = false;

  constructor(options: FunctionBotsOptions) {
    this.#options = options;
  }

  /** Functions have come, changed or gone. */
  update(): void {
    if (this.#closed) return;
    const { hub, set, call, taken } = this.#options;
    const wanted = new Set(
      set.functions.filter(({ manifest }) => manifest!.commands.length > 0).map(({ name }) => name),
    );
    for (const [name, remove] of this.#added) {
      if (wanted.has(name)) continue;
      remove();
      this.#added.delete(name);
    }
    for (const name of wanted) {
      if (this.#added.has(name)) continue;
      try {
        // Profile and commands are asked of the version in force.
        const manifest = (): Manifest | undefined => set.manifest(name);
        this.#added.set(name, hub.commands.directory.add(responderOf(name, manifest, call)));
      } catch {
        taken(name);
      }
    }
  }

  /** Takes all of them away. */
  close(): void {
    this.#closed = true;
    for (const remove of this.#added.values()) remove();
    this.#added.clear();
  }
}

function responderOf(
  name: string,
  manifest: () => Manifest | undefined,
  call: FunctionBotsOptions["call"],
): CommandResponder {
  return {
    name,
    // A call has a limit, the function's own or that of all.
    hasOwnTime: true,
    get description() {
      return manifest()?.description;
    },
    get commands() {
      return manifest()?.commands ?? [];
    },
    async answer(command, answering) {
      let value: unknown;
      try {
        ({ value } = await call(name, { event: eventOf(command), answers: answersOf(answering) }));
      } catch (error) {
        throw toProtocolError(error);
      }
      if (value === undefined || value === null) return;
      answering.reply(contentOfResult(value));
    },
  };
}

function eventOf({ command, args, channel, mayPublish, from, session }: Command): Event {
  return {
    kind: "command",
    command,
    args: args as { readonly [name: string]: Json },
    from,
    session,
    mayPublish,
    ...channel === undefined ? {} : { channel },
  };
}

/** What the handler returned, as content: a text, content, or any other JSON value as data. */
function contentOfResult(value: unknown) {
  if (typeof value === "string") return { text: value };
  const content = readContent(value as Record<string, unknown>);
  return typeof content === "string" ? { data: value } : content;
}

function answersOf(answering: Answering): Answers {
  return {
    async reply(content, isPublic) {
      if (isPublic) await answering.publish(content);
      else answering.reply(content);
    },
    async open(isPublic) {
      if (isPublic) {
        const stream = await answering.stream();
        return {
          append: (text) => stream.append(text),
          end: (failed) => failed ? stream.fail() : stream.end(),
        };
      }
      return {
        append: (text) => answering.append(text),
        end: (failed) => failed ? answering.fail("the answer is not whole") : answering.end(),
      };
    },
    progress: (done, text) => answering.progress(done, text),
  };
}
