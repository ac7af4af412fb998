/**
 * Polls in a channel: `/poll start "Lunch?" tea coffee`, `/poll vote 1`, `/poll show`, `/poll close`. One poll a channel,
 * and one vote each, kept in the store of the service.
 *
 * @module
 */

import { type CommandEvent, type Context, defineFunction } from "./skein.ts";

interface Poll {
  question: string;
  options: string[];
  /** The option of each user. */
  votes: Record<string, number>;
  by: string;
}

/** Times that a change is tried again because somebody else was faster. */
const TRIES = 20;
const NONE = "There is no poll here. Begin one: /poll start QUESTION OPTION OPTION";

export default defineFunction({
  commands: {
    start: {
      description: "Begins a poll in this channel",
      args: {
        question: { description: "What is asked, in quotes" },
        options: { list: true, description: "Two answers or more" },
      },
    },
    vote: {
      description: "Votes, or changes your vote",
      args: { option: { type: "integer", description: "Its number" } },
    },
    show: { description: "Shows how it stands" },
    close: { description: "Ends the poll and says the result to everybody" },
  },

  async handler(event, context) {
    if (event.kind !== "command") return;
    if (event.channel === undefined) return "A poll needs a channel.";
    switch (event.command) {
      case "start":
        return await start(event, context);
      case "vote":
        return await vote(event, context);
      case "show":
        return await show(event, context);
      default:
        return await close(event, context);
    }
  },
});

async function start({ channel, from, args }: CommandEvent, context: Context): Promise<string | void> {
  const { question, options } = args as unknown as { question: string; options: string[] };
  if (options.length < 2) return "A poll needs two options or more.";
  const poll: Poll = { question, options, votes: {}, by: from };
  if (!await context.kv.set(`poll/${channel}`, { ...poll }, { revision: 0 })) {
    return "There is a poll here already: /poll show, /poll close";
  }
  const lines = options.map((option, at) => `${at + 1}. ${option}`);
  await context.reply(`${from} asks: ${question}\n${lines.join("\n")}\nVote with /poll vote NUMBER`, {
    public: true,
  });
}

async function vote({ channel, from, args }: CommandEvent, { kv }: Context): Promise<string> {
  const { option } = args as { option: number };
  for (let tries = 0; tries < TRIES; tries++) {
    const found = await kv.entry(`poll/${channel}`);
    if (found === undefined) return NONE;
    const poll = found.value as unknown as Poll;
    if (poll.options[option - 1] === undefined) return `There are ${poll.options.length} options.`;
    const votes = { ...poll.votes, [from]: option - 1 };
    // Somebody else may have voted since.
    if (await kv.set(`poll/${channel}`, { ...poll, votes }, { revision: found.revision })) {
      return `You voted for ${poll.options[option - 1]}.`;
    }
  }
  return "Too many vote at once: please vote again.";
}

async function show({ channel }: CommandEvent, { kv }: Context): Promise<string> {
  const poll = await kv.get(`poll/${channel}`) as unknown as Poll | undefined;
  return poll === undefined ? NONE : standing(poll);
}

async function close({ channel, from }: CommandEvent, { kv, reply }: Context): Promise<string | void> {
  const poll = await kv.get(`poll/${channel}`) as unknown as Poll | undefined;
  if (poll === undefined) return NONE;
  if (poll.by !== from) return `Only ${poll.by} can close this poll.`;
  await kv.delete(`poll/${channel}`);
  await reply(`The poll is closed. ${standing(poll)}`, { public: true });
}

function standing({ question, options, votes }: Poll): string {
  const counts = options.map((_, at) => Object.values(votes).filter((vote) => vote === at).length);
  return [question, ...options.map((option, at) => `${at + 1}. ${option}: ${counts[at]}`)].join("\n");
}
