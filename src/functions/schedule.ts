/**
 * When schedules are due.
 *
 * @module
 */

import type { Schedule } from "./author/skein.ts";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MINUTE = 60_000;
const DAY = 86_400_000;

/** Milliseconds of a time such as `10m`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const found = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text);
  return found === null ? undefined : Math.round(Number(found[1]) * UNITS[found[2]!]!);
}

/** When a schedule is due next after a time. Both in milliseconds since the epoch; undefined: never again. */
export type Next = (after: number) => number | undefined;

/** How a schedule is followed; undefined when it is wrong. */
export function parseSchedule(schedule: Schedule): Next | undefined {
  if ("every" in schedule) {
    const every = parseDuration(schedule.every);
    if (every === undefined || every < 1000 || every > 366 * DAY) return undefined;
    // Counted from the epoch, so that all nodes agree without asking.
    return (after) => (Math.floor(after / every) + 1) * every;
  }
  return parseCron(schedule.cron, schedule.timezone ?? "UTC");
}

interface Field {
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: readonly Field[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: MONTHS },
  // 7 is Sunday too.
  { min: 0, max: 7, names: DAYS },
];
const NAMED: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
};

function parseCron(text: string, timezone: string): Next | undefined {
  const fields = (NAMED[text] ?? text).trim().split(/\s+/);
  if (fields.length !== FIELDS.length) return undefined;
  const sets = fields.map((field, at) => parseField(field, FIELDS[at]!));
  if (sets.some((set) => set === undefined)) return undefined;
  const [minutes, hours, days, months, weekdays] = sets as Set<number>[];
  if (weekdays!.has(7)) weekdays!.add(0);
  const clock = wallClock(timezone);
  if (clock === undefined) return undefined;
  // crontab(5): when both are restricted, a day that fits either is meant.
  const either = !fields[2]!.startsWith("*") && !fields[4]!.startsWith("*");
  const fits = ({ month, day, weekday }: Wall): boolean => {
    if (!months!.has(month)) return false;
    const byDay = days!.has(day), byWeekday = weekdays!.has(weekday);
    return either ? byDay || byWeekday : byDay && byWeekday;
  };
  return (after) => {
    let at = (Math.floor(after / MINUTE) + 1) * MINUTE;
    // Eight years: 29 February may be that far away, around a year like 2100.
    for (const end = after + 8 * 366 * DAY; at < end;) {
      const wall = clock(at);
      const toNextHour = 60 - wall.minute;
      // Not to midnight: a clock that is put forward in between would be beyond it.
      if (!fits(wall)) at += (wall.hour < 22 ? (22 - wall.hour) * 60 - wall.minute : toNextHour) * MINUTE;
      else if (!hours!.has(wall.hour)) at += toNextHour * MINUTE;
      else if (!minutes!.has(wall.minute)) at += MINUTE;
      else return at;
    }
    return undefined;
  };
}

function parseField(text: string, { min, max, names }: Field): Set<number> | undefined {
  const set = new Set<number>();
  for (const part of text.toLowerCase().split(",")) {
    const found = /^(\*|[a-z]{3}|\d{1,2})(?:-([a-z]{3}|\d{1,2}))?(?:\/(\d{1,2}))?$/.exec(part);
    if (found === null) return undefined;
    const [, first, last, step] = found;
    const value = (word: string): number => {
      const named = names.indexOf(word);
      return /^\d/.test(word) ? Number(word) : named < 0 ? NaN : named + min;
    };
    if (first === "*" && last !== undefined) return undefined;
    const from = first === "*" ? min : value(first!);
    const to = first === "*" ? max : last !== undefined ? value(last) : step !== undefined ? max : from;
    const by = step === undefined ? 1 : Number(step);
    if (!(from >= min && to <= max && from <= to && by >= 1)) return undefined;
    for (let n = from; n <= to; n += by) set.add(n);
  }
  return set;
}

/** The time on a wall. */
interface Wall {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  readonly weekday: number;
}

/** What a clock in a time zone shows; undefined: there is no such zone. */
function wallClock(timezone: string): ((at: number) => Wall) | undefined {
  if (timezone === "UTC") {
    return (at) => {
      const date = new Date(at);
      return {
        minute: date.getUTCMinutes(),
        hour: date.getUTCHours(),
        day: date.getUTCDate(),
        month: date.getUTCMonth() + 1,
        weekday: date.getUTCDay(),
      };
    };
  }
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: timezone,
      hourCycle: "h23",
      minute: "numeric",
      hour: "numeric",
      day: "numeric",
      month: "numeric",
      weekday: "short",
    });
  } catch {
    return undefined;
  }
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
    return {
      minute: Number(parts.minute),
      hour: Number(parts.hour),
      day: Number(parts.day),
      month: Number(parts.month),
      weekday: DAYS.indexOf(parts.weekday!.toLowerCase()),
    };
  };
}
