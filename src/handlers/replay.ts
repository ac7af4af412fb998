/**
 * `replay`: sends the messages between two offsets again, at the pace they came in, faster or slower.
 *
 * @module
 */

import type { StoredRecord } from "../engine/contract.ts";
import { type Hub, refuseSubscribe } from "../hub/mod.ts";
import {
  Encoded,
  MAX_REPLAY_WAIT,
  parsePayload,
  type Payload,
  ProtocolError,
  uuidv7,
} from "../protocol/mod.ts";
import type { Client, Route } from "../router/types.ts";
import { refuse } from "./checks.ts";
import { type Clock, type HandlerParts, systemClock } from "./contract.ts";

/** Replays of one connection at once. */
const MAX_REPLAYS = 4;
/** Messages read from the engine at once, and about how many bytes of them. */
const PAGE = 100, PAGE_BYTES = 256 * 1024;
/** Milliseconds between two looks at whether the client is still there. */
const LOOK = 200;

interface Running {
  readonly id: string;
  readonly channel: string;
  readonly client: Client;
  readonly lane: number;
  readonly to: number;
  readonly speed: number;
  /** The last message that was sent. */
  at: number;
  stopped: boolean;
}

type Reason = "done" | "stopped" | "unrecoverable_position" | "not_available";

/** Routes of replays. A client may ask for the messages of channels that it is subscribed to. */
export function replayRoutes({ hub, clock = systemClock }: HandlerParts): Route[] {
  const running = new WeakMap<Client, Map<string, Running>>();
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
        let own = running.get(client);
        if (own === undefined) running.set(client, own = new Map());
        if (own.size >= MAX_REPLAYS) {
          throw new ProtocolError("limit_exceeded", `${MAX_REPLAYS} replays at once`);
        }
        const replay: Running = {
          id: uuidv7(),
          channel,
          client,
          lane,
          to: Math.min(to, end.offset),
          speed,
          at: from,
          stopped: false,
        };
        own.set(replay.id, replay);
        context.reply("replay_started", { channel, replay: replay.id, from, to: replay.to });
        // Not waited for: the message is answered already.
        void run(hub, replay, epoch, clock).catch((): Reason => "not_available").then((reason) => {
          own.delete(replay.id);
          if (reason === undefined) return;
          say(replay, "replay_ended", { offset: replay.at, reason });
        });
      },
    },
    {
      type: "replay_stop",
      handler: (context) => {
        const { channel, replay } = parsePayload("replay_stop", context.message.payload);
        const known = running.get(context.client)?.get(replay);
        if (known?.channel !== channel) throw new ProtocolError("unknown_replay");
        known.stopped = true;
      },
    },
  ];
}

/** Sends the messages and returns why it ended; undefined when the client has left the channel. */
async function run(
  hub: Hub,
  replay: Running,
  epoch: string,
  clock: Clock,
): Promise<Reason | undefined> {
  let last: number | undefined;
  let due = clock.now();
  for (;;) {
    const page = await hub.history(replay.channel, { since: replay.at, limit: PAGE, bytes: PAGE_BYTES });
    if (page.epoch !== epoch || !page.complete) return "unrecoverable_position";
    for (const record of page.records) {
      if (record.offset > replay.to) return "done";
      due = Math.max(due + waitFor(last, record.timestamp, replay.speed), clock.now() - MAX_REPLAY_WAIT);
      last = record.timestamp;
      const gone = await until(hub, replay, due, clock);
      if (gone) return replay.stopped ? "stopped" : undefined;
      say(replay, "replay_message", messageOf(record), record);
      replay.at = record.offset;
      if (record.offset === replay.to) return "done";
    }
    if (page.records.length === 0) return "done";
  }
}

/** Milliseconds to wait before the message of `timestamp`. */
function waitFor(last: number | undefined, timestamp: number, speed: number): number {
  return last === undefined ? 0 : Math.min(MAX_REPLAY_WAIT, Math.max(0, timestamp - last) / speed);
}

/** Waits until `due`, and until the client has room. True: it was stopped, or the client has left the channel. */
async function until(hub: Hub, replay: Running, due: number, clock: Clock): Promise<boolean> {
  const { client, channel } = replay;
  for (;;) {
    await client.ready?.();
    if (replay.stopped || !hub.isOn(client, channel)) return true;
    const left = due - clock.now();
    if (left <= 0) return false;
    await clock.sleep(Math.min(left, LOOK));
  }
}

function messageOf({ type, from, payload, offset, prev }: StoredRecord): Payload {
  return { kind: type, from, ...payload, offset, prev };
}

function say(
  { client, channel, id, lane }: Running,
  type: string,
  payload: Payload,
  of?: StoredRecord,
): void {
  client.send(
    new Encoded({
      type,
      id: of?.id ?? uuidv7(),
      timestamp: of?.timestamp ?? Date.now(),
      payload: { channel, replay: id, ...payload },
    }),
    lane,
  );
}
