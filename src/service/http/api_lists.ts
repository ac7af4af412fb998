/**
 * The listings of the server API: channels and users on all nodes, in the order of their names.
 *
 * @module
 */

import type { Hub } from "../../hub/mod.ts";
import { matches, type Payload } from "../../protocol/mod.ts";
import type { ServerApi } from "./api_contract.ts";

/** Most names of a page: with the longest names it fits an answer of one node to another. */
const PAGE = 1000;

/** What a node is asked for. */
interface Ask extends Payload {
  readonly after?: string | undefined;
  readonly limit: number;
  readonly pattern?: string | undefined;
}

type Counted = readonly [name: string, count: number];

/** A part of a listing. */
interface Part {
  readonly counts: readonly Counted[];
  readonly more: boolean;
}

/** Makes the methods, and answers other nodes that are asked for their part. */
export function createListMethods(hub: Hub): Required<Pick<ServerApi, "channels" | "users">> {
  const channels = (ask: Ask) => firstOf(channelCounts(hub, ask.pattern ?? "*"), ask);
  const users = (ask: Ask) => firstOf(userCounts(hub), ask);
  hub.nodes.handle("api_channels", (ask) => ({ ...channels(ask as Ask) }));
  hub.nodes.handle("api_users", (ask) => ({ ...users(ask as Ask) }));

  async function everywhere(type: string, own: (ask: Ask) => Part, ask: Ask): Promise<Part> {
    const others = await hub.nodes.askOthers(type, ask) as unknown as Part[];
    return merged([own(ask), ...others], ask.limit);
  }

  return {
    async channels({ pattern, after, limit = PAGE }) {
      const { counts, more } = await everywhere("api_channels", channels, { pattern, after, limit });
      return { channels: counts.map(([channel, subscribers]) => ({ channel, subscribers })), more };
    },
    async users({ after, limit = PAGE }) {
      const { counts, more } = await everywhere("api_users", users, { after, limit });
      return { users: counts.map(([userId, sessions]) => ({ userId, sessions })), more };
    },
  };
}

function* channelCounts(hub: Hub, pattern: string): Generator<Counted> {
  for (const { channel, subscribers } of hub.channels()) {
    if (matches(pattern, channel)) yield [channel, subscribers];
  }
}

function* userCounts(hub: Hub): Generator<Counted> {
  for (const { userId, sessions } of hub.users()) yield [userId, sessions];
}

function firstOf(counts: Iterable<Counted>, { after, limit }: Ask): Part {
  const found = [...counts].filter(([name]) => after === undefined || name > after).sort(byName);
  return { counts: found.slice(0, limit), more: found.length > limit };
}

/** Names that are among the first of all nodes are among the first of each node that has them. */
function merged(parts: readonly Part[], limit: number): Part {
  const sums = new Map<string, number>();
  for (const { counts } of parts) {
    for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count);
  }
  const all = [...sums].sort(byName);
  return { counts: all.slice(0, limit), more: all.length > limit || parts.some(({ more }) => more) };
}

function byName([a]: Counted, [b]: Counted): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
