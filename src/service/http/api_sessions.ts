/**
 * The methods of the server API that are about sessions, on whichever node of the service those are.
 *
 * @module
 */

import type { ClaimChanges } from "../../auth/mod.ts";
import { attempt } from "../../async/deferred.ts";
import type { Hub } from "../../hub/mod.ts";
import {
  Encoded,
  type Payload,
  type Principal,
  ProtocolError,
  type ServerType,
  uuidv7,
} from "../../protocol/mod.ts";
import type { Client } from "../../router/types.ts";
import type { Sessions } from "../../session/mod.ts";
import type {
  ApiConnection,
  ApiDisconnect,
  ApiRefresh,
  ApiSend,
  ApiSessions,
  ApiSubscription,
} from "../../protocol/api/types.ts";
import { contentOf } from "../../protocol/schemas/fields.ts";
import { type ConnectionList, DEFAULT_CONNECTIONS, listConnections } from "./connection_list.ts";
import type { ServerApi } from "./api_contract.ts";

/** Connections that a node lists in one answer to another: with the longest names they take less than its 1 MiB. */
const PAGE = 500;

/** What one node asks of another: a part of its connections. */
interface ListPage extends Payload {
  readonly limit: number;
  readonly user?: string | undefined;
  /** The connection before the part; they are listed in the order of their ids. @default from the first one on */
  readonly after?: string | undefined;
}

/** What the methods need. */
export interface SessionMethodsParts {
  readonly hub: Hub;
  readonly sessions: Sessions;
  /** The connections of this node, the oldest first. */
  readonly connections: () => Iterable<ApiConnection>;
  /** `principal` with other claims. Throws ProtocolError `bad_payload`. */
  readonly amend: (principal: Principal, claims: ClaimChanges) => Principal;
}

/** What a method did on one node: how many sessions of the user there are, and with how many it did something. */
interface Done extends Payload {
  readonly sessions: number;
  readonly done: number;
}

/** Methods that are carried out wherever the user has sessions. */
type Everywhere = "subscribe" | "unsubscribe" | "disconnect" | "refresh";
/** Methods that are about one session. */
type ForOne = "send" | "connection";

/** Makes the methods, and answers the other nodes that have to carry out their part of one. */
export function createSessionMethods(
  { hub, sessions, connections, amend }: SessionMethodsParts,
): Required<Pick<ServerApi, Everywhere | ForOne | "connections">> {
  const { nodes } = hub;
  const here = {
    async subscribe(params: ApiSubscription): Promise<Done> {
      const clients = clientsOf(hub, params);
      for (const client of clients) {
        const joined = await hub.subscribe(client, params.channel, 0);
        notify(client, "subscribed", { channel: params.channel, ...joined.state });
        joined.start();
      }
      return { sessions: clients.length, done: clients.length };
    },
    unsubscribe(params: ApiSubscription): Done {
      const clients = clientsOf(hub, params);
      let done = 0;
      for (const client of clients) {
        if (!hub.unsubscribe(client, params.channel)) continue;
        notify(client, "unsubscribed", { channel: params.channel });
        done++;
      }
      return { sessions: clients.length, done };
    },
    disconnect({ user, session, reason }: ApiDisconnect): Done {
      const done = sessions.disconnect(user, session, "forced", reason);
      return { sessions: done, done };
    },
    refresh(params: ApiRefresh): Done {
      const clients = clientsOf(hub, params);
      const claims = claimsOf(params);
      for (const { sessionId } of clients) {
        const client = sessions.find(sessionId);
        client?.amend(amend(client.principal, claims));
      }
      return { sessions: clients.length, done: clients.length };
    },
  };
  const one = {
    send({ session, ...said }: ApiSend): Payload | undefined {
      const client = hub.clientOf(session);
      if (client === undefined) return undefined;
      notify(client, "server_message", contentOf(said));
      return { sent: true };
    },
    connection({ session }: { session: string }): Payload | undefined {
      const client = hub.clientOf(session);
      if (client === undefined) return undefined;
      const [connection] = listConnections(only(connections(), client.connectionId), 1).items;
      return connection && { connection, subscriptions: hub.subscriptionsOf(client) };
    },
  };
  for (const method of Object.keys(one) as ForOne[]) {
    nodes.handle(`api_${method}`, (params) => ({ found: one[method](params as never) }));
  }
  const list = ({ after, limit, user }: ListPage): ConnectionList<ApiConnection> =>
    listConnections(since(connections(), after), limit, user);
  for (const method of Object.keys(here) as Everywhere[]) {
    nodes.handle(`api_${method}`, (params) => here[method](params as never));
  }
  nodes.handle("api_connections", (page) => ({ ...list(page as ListPage) }));

  /** Here first: a session that leaves this node meanwhile is found at the one that has claimed it. */
  async function everywhere(method: Everywhere, params: ApiSessions): Promise<Done> {
    const [own] = await Promise.allSettled([attempt<Done>(() => here[method](params as never))]);
    const holders = await nodes.holders({ user: params.user });
    const others = await nodes.askEach(holders, `api_${method}`, { ...params }) as Done[];
    // A failure here leaves what was done on the others.
    if (own.status === "rejected") throw own.reason;
    return [own.value, ...others].reduce((sum, { sessions, done }) => ({
      sessions: sum.sessions + sessions,
      done: sum.done + done,
    }));
  }

  /** Throws ProtocolError `unknown_user` when the user has no session anywhere. */
  async function ofUser(method: Everywhere, params: ApiSessions): Promise<{ sessions: number }> {
    const { sessions, done } = await everywhere(method, params);
    if (sessions === 0) throw new ProtocolError("unknown_user", "the user has no session");
    return { sessions: done };
  }

  /** At the node that has the session; undefined when none has. */
  async function atHolder(
    method: ForOne,
    params: { readonly session: string },
  ): Promise<Payload | undefined> {
    const own = one[method](params as never);
    if (own !== undefined) return own;
    const holder = await nodes.holderOf(params.session);
    if (holder === undefined) return undefined;
    return (await nodes.ask(holder, `api_${method}`, { ...params }))?.found as Payload | undefined;
  }

  return {
    refresh: (params) => ofUser("refresh", params),
    send: async (params) => ({ sent: await atHolder("send", params) !== undefined }),
    async connection(params) {
      const found = await atHolder("connection", params);
      if (found === undefined) throw new ProtocolError("unknown_user", "no connection has the session");
      return found as unknown as { connection: ApiConnection; subscriptions: string[] };
    },
    subscribe: (params) => ofUser("subscribe", params),
    unsubscribe: (params) => ofUser("unsubscribe", params),
    disconnect: async (params) => ({ connections: (await everywhere("disconnect", params)).done }),
    async connections(
      { user, limit = DEFAULT_CONNECTIONS },
    ): Promise<{ items: ApiConnection[]; more: boolean }> {
      const own = list({ user, limit });
      const items = [...own.items];
      let { more } = own;
      const others = user === undefined ? await nodes.others() : await nodes.holders({ user });
      for (const node of others) {
        let after: string | undefined;
        let rest = true;
        while (rest && !more) {
          const page = { user, after, limit: Math.min(PAGE, limit - items.length) };
          const part = await nodes.ask(node, "api_connections", page) as
            | ConnectionList<ApiConnection>
            | undefined;
          // A node that is gone has no connections any more.
          if (part === undefined) break;
          items.push(...part.items);
          after = part.items.at(-1)?.connectionId;
          rest = part.more;
          more = rest && items.length >= limit;
        }
      }
      return { items, more };
    },
  };
}

/** The connections after the one of that id; ids rise. */
function* since(
  connections: Iterable<ApiConnection>,
  after: string | undefined,
): Generator<ApiConnection> {
  for (const connection of connections) {
    if (after === undefined || connection.connectionId > after) yield connection;
  }
}

function* only(connections: Iterable<ApiConnection>, connectionId: string): Generator<ApiConnection> {
  for (const connection of connections) if (connection.connectionId === connectionId) yield connection;
}

/** The claims that a call names. */
function claimsOf({ user: _user, session: _session, expiresIn, ...claims }: ApiRefresh): ClaimChanges {
  if (expiresIn === undefined) return claims;
  return { ...claims, expiresAt: expiresIn === null ? Infinity : Date.now() + expiresIn * 1000 };
}

function clientsOf(hub: Hub, { user, session }: ApiSessions): Client[] {
  return hub.clientsOf(user).filter((client) => session === undefined || client.sessionId === session);
}

function notify(client: Client, type: ServerType, payload: Payload): void {
  client.send(new Encoded({ type, id: uuidv7(), timestamp: Date.now(), payload }), 0);
}
