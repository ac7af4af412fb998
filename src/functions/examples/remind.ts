/**
 * Reminders: `/remind in 10m Tea is ready` says so in the channel ten minutes later, also when the service was started
 * anew meanwhile; `/remind list` says which wait.
 *
 * @module
 */

import { type Context, defineFunction } from "./skein.ts";

interface Reminder {
  /** Milliseconds since the epoch. */
  due: number;
  channel: string;
  user: string;
  text: string;
}

const KEY = "reminders";
const MOST = 200;
const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export default defineFunction({
  commands: {
    in: {
      description: "Reminds you in this channel",
      args: {
        time: { description: "30s, 10m, 2h or 1d" },
        text: { rest: true, description: "What of" },
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
    const due = Date.now() + Number(count) * UNITS[unit]!;
    const reminder = { due, channel: event.channel, user: event.from, text };
    const added = await change(
      context,
      (reminders) => reminders.length < MOST ? [...reminders, reminder] : undefined,
    );
    return added ? `I will remind you in ${time}.` : "Too many reminders wait.";
  },
});

/** Says what is due. What cannot be said now is tried again with the next call. */
async function remind(context: Context): Promise<void> {
  for (const reminder of await all(context)) {
    if (reminder.due > Date.now()) continue;
    const { channel, user, text, due } = reminder;
    // The id makes it one message, also when this call ends before the reminder is taken away.
    await context.publish(channel, `@${user} ${text}`, { id: `remind-${user}-${due}` });
    await change(
      context,
      (reminders) =>
        reminders.filter((other) => other.due !== due || other.user !== user || other.text !== text),
    );
  }
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
