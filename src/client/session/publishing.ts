/**
 * What is published, and what becomes of it.
 *
 * @module
 */

import type { AcknowledgedType, Payload } from "../../protocol/core.ts";
import type { SkeinError } from "../errors.ts";
import type { Receipt } from "../outbox/outbox.ts";

/** What a publisher tells. */
export interface PublisherEvents {
  acknowledged(receipt: Receipt): void;
  /** A message will never be sent: refused by the server, too large, or dropped for newer ones. */
  rejected(id: string, error: SkeinError): void;
  /** The server asks to send a message of this channel again later. */
  refused(channel: unknown, error: SkeinError): void;
  /** The number of messages that wait has changed. */
  changed(pending: number): void;
  /** Messages have left, and half of the outbox is free. */
  room(): void;
  failed(error: SkeinError): void;
}

/** What is published: its type, its payload, and the id it is known by. */
export interface Publishing {
  readonly type: AcknowledgedType;
  readonly payload: Payload;
  readonly id: string;
}
