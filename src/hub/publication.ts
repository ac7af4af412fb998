/**
 * What is asked of the hub to publish a message, and what hooks see of it.
 *
 * @module
 */

import type { Edit, Position, StreamEnd } from "../engine/contract.ts";
import {
  type Form,
  type KeptType,
  type Payload,
  ProtocolError,
  SERVER_TYPES,
  serverRow,
  type ServerType,
} from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";

/** The types of messages that channels keep. */
export const KEPT_TYPES = (Object.keys(SERVER_TYPES) as ServerType[])
  .filter((type): type is KeptType => serverRow(type).keptIn !== undefined);

/**
 * Where publications come from: a message of a client, the server API, the announcement of an uploaded file, an
 * application's function, the service of its own accord.
 */
export const ORIGINS = ["client", "api", "file", "function", "service"] as const;

/** Where a publication comes from. */
export type Origin = typeof ORIGINS[number];

interface Request {
  readonly channel: string;
  /** @default what the channel takes: `direct_message` in an inbox, `broadcast`, else `chat_message` */
  readonly type?: KeptType | undefined;
  /** The sender's message id. */
  readonly id: string;
  /** Without `channel`, `from`, `offset` and `prev`. */
  readonly payload: Payload;
  /** A change of an earlier message of the channel, committed with this one. @default none */
  readonly edit?: Edit | undefined;
  /** The id was made for this call, so that nobody can send it again: it need not be remembered. @default false */
  readonly isNewId?: boolean | undefined;
}

/** The place of a message in the order in which its client sent it. */
export interface SendPlace {
  /** Asked before the commit of a message that was held. Throws ProtocolError when one before it was refused meanwhile. */
  confirm(): void;
  /** The message is refused, and those behind it are to be. May be called again. */
  refuse(): void;
}

/** A message of a client or about a client's file: the rights of its token hold, and it is from its user. */
export interface ClientRequest extends Request {
  readonly origin: "client" | "file";
  readonly client: Client;
  /** The payload came in a message of this form, within the limit of the connection. @default it is measured anew */
  readonly form?: Form | undefined;
  /** @default it may overtake what is refused */
  readonly place?: SendPlace | undefined;
  readonly from?: undefined;
  readonly depth?: undefined;
}

/** A message of a back end, a function or the service itself, which may publish to every channel. */
export interface ServerRequest extends Request {
  readonly origin: "api" | "function" | "service";
  /** The user id it is said to be from. */
  readonly from: string;
  /** How many functions answered each other's messages until this one. @default 0 */
  readonly depth?: number;
  readonly client?: undefined;
  readonly form?: undefined;
  readonly place?: undefined;
}

/** A message to be published. */
export type PublishRequest = ClientRequest | ServerRequest;

/** A piece of a streamed message on its way to the engine, as hooks see it. */
export interface PiecePublication {
  /** Who sent it: a client, a back end by the server API, or a function. */
  readonly origin: "client" | "api" | "function";
  readonly channel: string;
  /** The offset of the message. */
  readonly target: number;
  /** The sender's user id. */
  readonly from: string;
  /** The type and payload of the message without the piece. */
  readonly type: KeptType;
  readonly said: Payload;
  /**
   * What is added to its text, or to its list. Put other content of the same kind and length here to change it: the sender
   * counts on from the length.
   */
  content: string | readonly unknown[];
  /** Nothing follows. */
  readonly end: "ended" | "failed" | undefined;
}

/** What a streamed message says once a piece is added. */
export function grownOf(
  { said, content }: Pick<PiecePublication, "said" | "content">,
): { text: string } | { data: unknown[] } {
  return typeof content === "string"
    ? { text: `${said.text}${content}` }
    : { data: [...said.data as unknown[], ...content] };
}

/**
 * The piece that makes a streamed message into `whole`, which stands in place of what `grownOf` gives: its sender counts on
 * from the length, and its readers have what was said before. Throws ProtocolError `permission_denied` when that is not so.
 */
export function pieceWithin(
  { said, content }: Pick<PiecePublication, "said" | "content">,
  { text, data }: Payload,
): PiecePublication["content"] {
  const [before, after] = typeof content === "string" ? [said.text, text] : [said.data, data];
  if (typeof before === "string" && typeof after === "string") {
    const isKept = after.startsWith(before) && after.length === before.length + content.length;
    if (isKept) return after.slice(before.length);
  } else if (
    Array.isArray(before) && Array.isArray(after) && after.length === before.length + content.length
  ) {
    const { length } = before;
    if (JSON.stringify(after.slice(0, length)) === JSON.stringify(before)) return after.slice(length);
  }
  throw new ProtocolError(
    "permission_denied",
    "what was said already is not to stay, or another length is wanted",
  );
}

/** A streamed message that is over, as hooks are told of it: its payload is whole. */
export interface EndedPublication extends Publication {
  /** `interrupted`: nothing came for too long; then `origin` is `service`. */
  readonly final: StreamEnd;
}

/** A message on its way to the engine, as hooks see it. */
export interface Publication {
  readonly origin: Origin;
  readonly channel: string;
  readonly type: KeptType;
  /** The sender's message id. */
  readonly id: string;
  /** The sender's user id. */
  readonly from: string;
  /** The sender's connection; undefined for origins without one. */
  readonly client: Client | undefined;
  /** Put another object here to change what is said; it is measured again. */
  payload: Payload;
  /** Its content has to say what `payload` says. */
  edit: Edit | undefined;
  readonly isNewId?: boolean | undefined;
  /** How many functions answered each other's messages until this one. */
  readonly depth: number;
  /** Set by a hook when the message is kept already: it is acknowledged as a duplicate, and nothing is committed. */
  kept: Position | undefined;
}
