/**
 * How a responder of this node answers a command.
 *
 * @module
 */

import type { Growth, MaybePromise, Published } from "../engine/contract.ts";
import { type Content, contentOf, type Payload, ProtocolError, uuidv7 } from "../protocol/mod.ts";
import type { Call } from "./bot_call.ts";
import type { Answering, AnswerStream, CommandResponder } from "./bot_contract.ts";
import type { PublishRequest } from "./publication.ts";

/** Answers are messages of a function that nobody's message called for. */
const DEPTH = 1;

/** Publishes what a bot says, and makes it longer; see `Hub`. */
export interface Door {
  publish(request: PublishRequest): MaybePromise<Published>;
  append(
    channel: string,
    growth: Omit<Growth, "most" | "patience">,
    origin: "function",
    depth: number,
  ): Promise<number>;
}

/** Has a command carried out, and ends it whatever its responder does. Never rejects. */
export async function carryOut(
  responder: CommandResponder,
  call: Call,
  door: Door,
  failed: (error: unknown, stage: string) => void,
): Promise<void> {
  const answering = new CallAnswering(call, door, responder.user ?? responder.name);
  try {
    await responder.answer(call.command, answering);
    if (!call.isOver) answering.done();
  } catch (error) {
    if (call.isOver) return;
    if (!(error instanceof ProtocolError)) failed(error, `bot ${responder.name}`);
    call.fail("refused", error instanceof ProtocolError ? error.message : "the bot has failed");
  }
}

class CallAnswering implements Answering {
  readonly #call: Call;
  readonly #door: Door;
  readonly #user: string;
  #length = 0;
  /** The last message that was said in the channel. */
  #published: number | undefined;

  constructor(call: Call, door: Door, user: string) {
    this.#call = call;
    this.#door = door;
    this.#user = user;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  progress(done?: number, text?: string): void {
    const said = text === undefined ? {} : { text };
    this.#take(done === undefined ? { kind: "progress", ...said } : { kind: "progress", done, ...said });
  }

  append(text: string): void {
    this.#length = this.#take({ kind: "piece", at: this.#length, text });
  }

  end(text = ""): void {
    this.#take({ kind: "piece", at: this.#length, text, final: "ended" });
  }

  reply(content: Content): void {
    this.#take({ kind: "answer", ...contentOf(content) });
  }

  fail(text: string): void {
    if (this.#length > 0) this.#take({ kind: "piece", at: this.#length, text: "", final: "failed" });
    else this.#take({ kind: "failed", text });
  }

  /** The responder has nothing more to say. */
  done(): void {
    if (this.#length > 0) this.end();
    else if (this.#published === undefined) this.#take({ kind: "done" });
    else this.#take({ kind: "channel", channel: this.#call.command.channel!, offset: this.#published });
  }

  async publish(content: Content): Promise<Published> {
    const published = await this.#publish(contentOf(content));
    this.#published = published.offset;
    return published;
  }

  async stream(text = ""): Promise<AnswerStream> {
    const { epoch, offset: target } = await this.#publish({ text, stream: "open" });
    const { channel } = this.#call.command;
    const from = this.#user;
    this.#published = target;
    let at = text.length;
    const grow = async (content: string, end?: "ended" | "failed"): Promise<void> => {
      // The next piece does not wait until this one is committed.
      const begins = at;
      at += content.length;
      await this.#door.append(channel!, { target, epoch, at: begins, content, end, from }, "function", DEPTH);
      if (!this.#call.isOver) this.#take({ kind: "progress" });
    };
    return {
      append: (piece) => grow(piece),
      end: (piece = "") => grow(piece, "ended"),
      fail: () => grow("", "failed"),
    };
  }

  #publish(payload: Payload): Promise<Published> {
    const { channel, mayPublish } = this.#call.command;
    if (this.#call.isOver) throw new ProtocolError("command_over");
    if (channel === undefined) throw new ProtocolError("bad_request", "the command is about no channel");
    if (!mayPublish) {
      throw new ProtocolError("permission_denied", "whoever gave the command may not publish there");
    }
    return Promise.resolve(
      this.#door.publish({
        origin: "function",
        channel,
        type: "chat_message",
        id: uuidv7(),
        from: this.#user,
        payload,
        depth: DEPTH,
        isNewId: true,
      }),
    );
  }

  #take(said: Omit<Parameters<Call["take"]>[0], "id" | "from">): number {
    return this.#call.take({ ...said, id: uuidv7(), from: this.#user });
  }
}
