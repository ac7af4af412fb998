/**
 * Reminders: `/remind in 10m Tea is ready` says so in the channel ten minutes later, also when the service was started
 * anew meanwhile; `/remind list` says which wait.
 *
 * @module
 */

import { type Context, defineFunction } from "./skein.ts";

interface Reminder {
  /** Its message has it too: it is said once, also when a call ends before the reminder is taken away. */
  id: string;
  /** Milliseconds since the epoch. */
  due: number;
  channel: string;
  user: string;
  text: string;
}

const KEY = "reminders";
/** Reminders of one user. */
const MOST_OWN = 20;
/** Bytes of all, of the 64 KiB that a value may have. */
const MOST_BYTES = 60_000;
/** What cannot be said for so long is dropped. */
const PATIENCE = 86_400_000;
/** Failures after which the same message may be taken later. */
const PASSING: ReadonlySet<unknown> = new Set([undefined, "internal", "not_available", "rate_limited"]);
const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export default defineFunction({
  commands: {
    in: {
      description: "Reminds you in this channel",
      args: {
        time: { description: "30s, 10m, 2h or 1d" },
        text: { rest: true, max: 500, description: "What of" },
      },
    },
    list: { description: "Says which of your reminders wait" },
  },
  on: { schedule: { look: { every: "1s" } } },

  async handler(event, context) {
    if (event.kind === "schedule") return await remind(context);
    if (event.kind !== "command") return;
    if (event.command === "list") return list(await all(context), event.from);
    const { time, text } = event.args as { time: string; text: string };
    const [, count, unit] = /^(\d{1,4})([smhd])$/.exec(time) ?? [];
    if (unit === undefined) return "When? 30s, 10m, 2h or 1d.";
    if (event.channel === undefined) return "A reminder needs a channel.";
    if (!event.mayPublish) return "You may not write in this channel.";
    const due = Date.now() + Number(count) * UNITS[unit]!;
    const { channel, from: user } = event;
    const reminder = { id: crypto.randomUUID(), due, channel, user, text };
    const added = await change(context, (reminders) => {
      const isFull = reminders.filter((other) => other.user === user).length >= MOST_OWN;
      const made = [...reminders, reminder];
      return isFull || bytesOf(made) > MOST_BYTES ? undefined : made;
    });
    return added ? `I will remind you in ${time}.` : "Too many reminders wait.";
  },
});

/** Says what is due. None waits for another one: a channel that cannot be published to holds up nobody else's. */
async function remind(context: Context): Promise<void> {
  let last = Promise.resolve(true);
  const due = (await all(context)).filter((reminder) => reminder.due <= Date.now());
  await Promise.all(due.map(async (reminder) => {
    if (!await isOver(context, reminder)) return;
    // One after the other: each changes the same value.
    await (last = last.then(() =>
      change(context, (reminders) => reminders.filter(({ id }) => id !== reminder.id))
    ));
  }));
}

/** Says a reminder. False: it cannot be said now, and is tried again with the next call. */
async function isOver(context: Context, { id, due, channel, user, text }: Reminder): Promise<boolean> {
  try {
    await context.publish(channel, `@${user} ${text}`, { id });
    return true;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const isDropped = !PASSING.has(code) || Date.now() - due > PATIENCE;
    if (isDropped) console.warn(`a reminder of ${user} is dropped: ${message}`);
    return isDropped;
  }
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

async function all({ kv }: Context): Promise<Reminder[]> {
  return (await kv.get(KEY) ?? []) as unknown as Reminder[];
}

/** Changes what waits, whoever else does; false: `make` did not want to. */
async function change(
  { kv }: Context,
  make: (reminders: Reminder[]) => Reminder[] | undefined,
): Promise<boolean> {
  while (true) {
    const found = await kv.entry(KEY);
    const made = make((found?.value ?? []) as unknown as Reminder[]);
    if (made === undefined) return false;
    const value = made.map((reminder) => ({ ...reminder }));
    if (await kv.set(KEY, value, { revision: found?.revision ?? 0 })) return true;
  }
}

function list(reminders: readonly Reminder[], user: string): string {
  const own = reminders.filter((reminder) => reminder.user === user);
  if (own.length === 0) return "No reminders wait.";
  return own.map(({ due, text }) => `in ${Math.max(0, Math.round((due - Date.now()) / 1000))} s: ${text}`)
    .join("\n");
}
