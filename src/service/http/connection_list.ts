/**
 * Lists of connections, for `/stats` and `/api/connections`.
 *
 * @module
 */

import { ProtocolError } from "../../protocol/mod.ts";
import type { ConnectionState } from "./deps.ts";

/** Connections that are listed by default. */
export const DEFAULT_CONNECTIONS = 100;
/** Most connections listed. */
const MOST_CONNECTIONS = 10_000;
/** A part of the connections. */
export interface ConnectionList<C extends ConnectionState = ConnectionState> {
  readonly items: readonly C[];
  /** There are more than `limit`. */
  readonly more: boolean;
}

/** At most `limit` of `connections`, those of `user` when given. */
export function listConnections<C extends ConnectionState>(
  connections: Iterable<C>,
  limit: number,
  user?: string,
): ConnectionList<C> {
  const items: C[] = [];
  for (const connection of connections) {
    if (user !== undefined && connection.userId !== user) continue;
    if (items.length === limit) return { items, more: true };
    items.push(connection);
  }
  return { items, more: false };
}

/** The `limit` of a query. Throws ProtocolError `bad_request` unless it is a whole number from 0 to 10,000. */
export function parseLimit(text: string | undefined): number {
  if (text === undefined) return DEFAULT_CONNECTIONS;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  if (!(limit <= MOST_CONNECTIONS)) {
    throw new ProtocolError("bad_request", `limit: a whole number from 0 to ${MOST_CONNECTIONS}`);
  }
  return limit;
}
