/**
 * A command and its answer as a component shows them, without React in it.
 *
 * @module
 */

import {
  askBot,
  type AskBotOptions,
  type BotAnswer,
  type BotError,
  type BotPart,
  type BotResult,
  sayCommand,
} from "../bots/asking.ts";
import type { SkeinClient } from "../client.ts";
import type { SkeinError } from "../errors.ts";
import { type View, viewOf } from "./view.ts";

/** The last command and what it came to. */
export interface CommandState {
  /** `asked`: nothing has come yet; `answering`: something has; `done` and `failed`: it is over. */
  readonly status: "idle" | "asked" | "answering" | "done" | "failed";
  /** What the answer says by now; it grows while a streamed one comes. Of a failed one what had been said. */
  readonly text: string;
  /** How far the bot says that it is. */
  readonly progress: Omit<Extract<BotPart, { kind: "progress" }>, "kind"> | undefined;
  /** Once it is done. */
  readonly result: BotResult | undefined;
  /** Why there is no answer, or not all of it. */
  readonly error: BotError | SkeinError | undefined;
}

/** What a component does with commands. A command takes the place of the one before, whose answer is not shown any more. */
export interface CommandActions {
  /** Gives a command to a bot. What fails is in the state. */
  readonly run: (command: Omit<AskBotOptions, "clock">) => void;
  /**
   * Says a line in a channel: a command (`/poll start ...`), whose answer is shown, or a message, which is published.
   * Resolves with whether it was a command; rejects as `Channel.publish` does.
   */
  readonly say: (channel: string, text: string) => Promise<boolean>;
  /** Waits for the answer no longer, and shows nothing; the bot is not told. */
  readonly clear: () => void;
}

const IDLE: CommandState = {
  status: "idle",
  text: "",
  progress: undefined,
  result: undefined,
  error: undefined,
};

/** A view of commands that a component gives while it is open, and what gives them. */
export function commandView(
  client: SkeinClient,
): { readonly view: View<CommandState>; readonly actions: CommandActions } {
  let current: BotAnswer | undefined;
  let show: (change: Partial<CommandState>) => void = () => {};
  /** Which call was the last one: a line that turns out to be a command later does not take its place. */
  let turn = 0;
  const drop = (): void => {
    turn++;
    const before = current;
    current = undefined;
    before?.cancel();
  };
  const follow = async (answer: BotAnswer): Promise<void> => {
    const isCurrent = () => current === answer;
    let text = "";
    try {
      for await (const part of answer) {
        if (!isCurrent()) return;
        if (part.kind === "piece") show({ status: "answering", text: text += part.text });
        else show({ status: "answering", progress: progressOf(part) });
      }
      const result = await answer.result;
      if (isCurrent()) show({ status: "done", result, text: result.text ?? text });
    } catch (error) {
      if (isCurrent()) show({ status: "failed", error: error as BotError | SkeinError });
    }
  };
  const begin = (answer: BotAnswer): void => {
    current = answer;
    show({ ...IDLE, status: "asked" });
    void follow(answer);
  };
  const view = viewOf(IDLE, (set) => {
    show = set;
    // A component that comes back on the page begins anew.
    set(IDLE);
    return () => {
      show = () => {};
      drop();
    };
  });
  const actions: CommandActions = {
    run(command) {
      drop();
      begin(askBot(client, command));
    },
    async say(channel, text) {
      const own = ++turn;
      const answer = await sayCommand(client, channel, text);
      if (answer === undefined) return false;
      if (turn !== own) answer.cancel();
      else {
        drop();
        begin(answer);
      }
      return true;
    },
    clear() {
      drop();
      show(IDLE);
    },
  };
  return { view, actions };
}

function progressOf(
  { kind: _, ...progress }: Extract<BotPart, { kind: "progress" }>,
): CommandState["progress"] {
  return progress;
}
