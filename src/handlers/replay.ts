/**
 * `replay`: sends the messages between two offsets again, at the pace they came in, faster or slower.
 *
 * @module
 */

import { type Clock, systemClock } from "../async/clock.ts";
import type { StoredRecord } from "../engine/contract.ts";
import { type Hub, refuseSubscribe, shownPayload } from "../hub/mod.ts";
import {
  Encoded,
  MAX_REPLAY_WAIT,
  parsePayload,
  type Payload,
  ProtocolError,
  uuidv7,
} from "../protocol/mod.ts";
import type { Client, Route, StateKey } from "../router/types.ts";
import { refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";

/** Replays of one connection at once. */
const MAX_REPLAYS = 4;
/** Messages read from the engine at once, and about how many bytes of them. */
const PAGE = 100, PAGE_BYTES = 256 * 1024;

/** Why a replay ends. A client that is `gone` from the channel is not told. */
type Reason = "done" | "stopped" | "gone" | "unrecoverable_position" | "not_available";

/** What a replay is of. */
interface Request {
  readonly channel: string;
  readonly client: Client;
  readonly lane: number;
  readonly to: number;
  readonly speed: number;
}

/** A replay under way. */
class Replay {
  readonly id = uuidv7();
  readonly request: Request;
  /** Offset of the last message that was sent. */
  at: number;
  #ended: "stopped" | "gone" | undefined;
  #wake: (() => void) | undefined;

  constructor(request: Request, from: number) {
    this.request = request;
    this.at = from;
  }

  /** Set once somebody has ended it. */
  get ended(): "stopped" | "gone" | undefined {
    return this.#ended;
  }

  /** Ends it; a wait is over at once. */
  end(reason: "stopped" | "gone"): void {
    this.#ended ??= reason;
    this.#wake?.();
  }

  /** Waits `ms` milliseconds, or until it is ended. */
  wait(ms: number, clock: Clock): Promise<void> {
    if (this.#ended !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = clock.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Sends a message about it, or one of the messages that it repeats. */
  say(type: string, payload: Payload, of?: StoredRecord): void {
    const { client, channel, lane } = this.request;
    client.send(
      new Encoded({
        type,
        id: of?.id ?? uuidv7(),
        timestamp: of?.timestamp ?? Date.now(),
        payload: { channel, replay: this.id, ...payload },
      }),
      lane,
    );
  }
}

/** Routes of replays. A client may ask for the messages of channels that it is subscribed to. */
export function replayRoutes({ hub, clock = systemClock }: HandlerParts): Route[] {
  const running: StateKey<Map<string, Replay>> = {
    create: () => new Map(),
    release: (replays) => {
      for (const replay of replays.values()) replay.end("gone");
    },
  };
  hub.events.listen("replays", (event) => {
    if (event.kind !== "unsubscribe") return;
    for (const replay of event.client.state(running).values()) {
      if (replay.request.channel === event.channel) replay.end("gone");
    }
  });
  return [
    {
      type: "replay",
      handler: async (context) => {
        const { channel, epoch, from, to, speed } = parsePayload("replay", context.message.payload);
        const { client, lane } = context;
        refuse(refuseSubscribe(client.principal, channel, hub.namespace));
        if (!hub.isOn(client, channel)) throw new ProtocolError("not_subscribed");
        const end = await hub.position(channel);
        if (end.epoch !== epoch) throw new ProtocolError("wrong_epoch");
        if (from >= end.offset) {
          throw new ProtocolError("unknown_offset", "the channel does not reach that far");
        }
        if (!(await hub.history(channel, { since: from, limit: 1 })).complete) {
          throw new ProtocolError("unrecoverable_position");
        }
        // Checked again: the client may have left while the engine was asked.
        if (!hub.isOn(client, channel)) throw new ProtocolError("not_subscribed");
        const own = client.state(running);
        if (own.size >= MAX_REPLAYS) {
          throw new ProtocolError("limit_exceeded", `${MAX_REPLAYS} replays at once`);
        }
        const replay = new Replay({ channel, client, lane, to: Math.min(to, end.offset), speed }, from);
        own.set(replay.id, replay);
        context.reply("replay_started", { channel, replay: replay.id, from, to: replay.request.to });
        // Not waited for: the message is answered already.
        void run(hub, replay, epoch, clock).catch((): Reason => "not_available").then((reason) => {
          own.delete(replay.id);
          if (reason !== "gone") replay.say("replay_ended", { offset: replay.at, reason });
        });
      },
    },
    {
      type: "replay_stop",
      handler: (context) => {
        const { channel, replay } = parsePayload("replay_stop", context.message.payload);
        const known = context.client.state(running).get(replay);
        if (known?.request.channel !== channel) throw new ProtocolError("unknown_replay");
        known.end("stopped");
      },
    },
  ];
}

/** Sends the messages and returns why it ended. */
async function run(hub: Hub, replay: Replay, epoch: string, clock: Clock): Promise<Reason> {
  const { channel, to, speed } = replay.request;
  let last: number | undefined;
  let due = clock.now();
  for (;;) {
    const page = await hub.history(channel, { since: replay.at, limit: PAGE, bytes: PAGE_BYTES });
    if (page.epoch !== epoch || !page.complete) return "unrecoverable_position";
    for (const record of page.records) {
      if (record.offset > to) return "done";
      due = Math.max(due + waitFor(last, record.timestamp, speed), clock.now() - MAX_REPLAY_WAIT);
      last = record.timestamp;
      await until(replay, due, clock);
      if (replay.ended !== undefined) return replay.ended;
      replay.say("replay_message", messageOf(record, replay.request.client), record);
      replay.at = record.offset;
      if (record.offset === to) return "done";
    }
    if (page.records.length === 0) return "done";
  }
}

/** Milliseconds to wait before the message of `timestamp`. */
function waitFor(last: number | undefined, timestamp: number, speed: number): number {
  return last === undefined ? 0 : Math.min(MAX_REPLAY_WAIT, Math.max(0, timestamp - last) / speed);
}

/** Waits until `due` and until the client has room, or until the replay is ended. */
async function until(replay: Replay, due: number, clock: Clock): Promise<void> {
  while (replay.ended === undefined) {
    await replay.request.client.ready();
    const left = due - clock.now();
    if (left <= 0) return;
    await replay.wait(left, clock);
  }
}

function messageOf({ type, from, payload, offset, prev }: StoredRecord, { limits }: Client): Payload {
  return { kind: type, from, ...shownPayload(payload, limits), offset, prev };
}
