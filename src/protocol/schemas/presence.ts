/**
 * `presence`, `client_list`, and the pushes `user_online` and `user_offline`.
 *
 * @module
 */

import * as v from "valibot";
import { channelField, infoField, integer, type Schema, type Schemas, shape, userIdField } from "./fields.ts";

/** Asks who is on a channel. */
export interface Presence {
  channel: string;
}

/** Asks who is connected; needs the right `client_list`. */
export type ClientList = Record<never, never>;

/** A user and how many sessions it has there. */
export interface PresentUser {
  userId: string;
  sessions: number;
  /** The `info` claim of its token. */
  info?: Record<string, unknown>;
}

/** The answer to `presence`. */
export interface PresenceResponse {
  channel: string;
  /** As many as fit a message. */
  users: PresentUser[];
  /** How many users there are. */
  total: number;
}

/** The answer to `client_list`. */
export interface ClientListResponse {
  users: PresentUser[];
  /** How many users there are; `users` has as many as fit a message. */
  total: number;
}

/** The first session of a user has come to a channel. */
export interface UserOnline {
  channel: string;
  userId: string;
  info?: Record<string, unknown>;
}

/** The last session of a user has left a channel. */
export interface UserOffline {
  channel: string;
  userId: string;
}

const presentUser = shape({
  userId: userIdField(),
  sessions: integer(1),
  info: v.exactOptional(infoField()),
});

const presence: Schema<Presence> = shape({ channel: channelField() });

const clientList: Schema<ClientList> = shape({});

const presenceResponse: Schema<PresenceResponse> = shape({
  channel: channelField(),
  users: v.array(presentUser, "an array"),
  total: integer(0),
});

const clientListResponse: Schema<ClientListResponse> = shape({
  users: v.array(presentUser, "an array"),
  total: integer(0),
});

const userOnline: Schema<UserOnline> = shape({
  channel: channelField(),
  userId: userIdField(),
  info: v.exactOptional(infoField()),
});

const userOffline: Schema<UserOffline> = shape({ channel: channelField(), userId: userIdField() });

/** What a client sends. */
export interface PresenceClientPayloads {
  presence: Presence;
  client_list: ClientList;
}

/** Its schemas. */
export const PRESENCE_CLIENT: Schemas<PresenceClientPayloads> = {
  presence,
  client_list: clientList,
};

/** What a server sends. */
export interface PresenceServerPayloads {
  presence_response: PresenceResponse;
  client_list_response: ClientListResponse;
  user_online: UserOnline;
  user_offline: UserOffline;
}

/** Its schemas. */
export const PRESENCE_SERVER: Schemas<PresenceServerPayloads> = {
  presence_response: presenceResponse,
  client_list_response: clientListResponse,
  user_online: userOnline,
  user_offline: userOffline,
};
