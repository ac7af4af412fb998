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

/** Publishes what a bot says, and makes it longer; see `Hub`. */
export interface Door {
  publish(request: PublishRequest): MaybePromise<Published>;
  append(channel: string, growth: Omit<Growth, "most" | "patience">): Promise<number>;
}

/** Has a command carried out, and ends it whatever its responder does. Never rejects. */
export async function carryOut(
  responder: CommandResponder,
  call: Call,
  door: Door,
  failed: (error: unknown, stage: string) => void,
): Promise<void> {
  const answering = new CallAnswering(call, door);
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
  #length = 0;

  constructor(call: Call, door: Door) {
    this.#call = call;
    this.#door = door;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  progress(done?: number, text?: string): void {
    this.#take({
      kind: "progress",
      ...(done === undefined ? {} : { done }),
      ...(text === undefined ? {} : { text }),
    });
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

  done(): void {
    if (this.#length > 0) this.end();
    else this.#take({ kind: "done" });
  }

  async publish(content: Content): Promise<Published> {
    const published = await this.#publish(contentOf(content));
    this.#inChannel(published);
    return published;
  }

  async stream(text = ""): Promise<AnswerStream> {
    const { epoch, offset: target } = await this.#publish({ text, stream: "open" });
    const { channel, bot: from } = this.#call.command;
    let at = text.length;
    const grow = async (content: string, end?: "ended" | "failed"): Promise<void> => {
      // The next piece does not wait until this one is committed.
      const begins = at;
      at += content.length;
      await this.#door.append(channel!, { target, epoch, at: begins, content, end, from });
      if (!this.#call.isOver) this.#take({ kind: "progress" });
    };
    return {
      append: (piece) => grow(piece),
      end: async (piece = "") => {
        await grow(piece, "ended");
        this.#inChannel({ offset: target });
      },
      fail: async () => {
        await grow("", "failed");
        if (!this.#call.isOver) {
          this.#take({ kind: "failed", text: "the answer in the channel is not whole" });
        }
      },
    };
  }

  #publish(payload: Payload): Promise<Published> {
    const { channel, mayPublish, bot } = this.#call.command;
    if (this.#call.isOver) throw new ProtocolError("command_over");
    if (channel === undefined) throw new ProtocolError("bad_request", "the command is about no channel");
    if (!mayPublish) {
      throw new ProtocolError("permission_denied", "whoever gave the command may not publish there");
    }
    return Promise.resolve(
      this.#door.publish({
        origin: "service",
        channel,
        type: "chat_message",
        id: uuidv7(),
        from: bot,
        payload,
      }),
    );
  }

  #inChannel({ offset }: Pick<Published, "offset">): void {
    const { channel } = this.#call.command;
    // It is in the channel, whether or not its asker still waits.
    if (!this.#call.isOver) this.#take({ kind: "channel", channel: channel!, offset });
  }

  #take(said: Omit<Parameters<Call["take"]>[0], "id" | "from">): number {
    return this.#call.take({ ...said, id: uuidv7(), from: this.#call.command.bot });
  }
}
