/**
 * One message as handlers see it.
 *
 * @module
 */

import type { Form, Message, Payload, ServerType } from "../protocol/mod.ts";
import type { Client, Context } from "../router/types.ts";
import type { Arrival } from "../transport/contract.ts";
import type { Outbound } from "./outbound.ts";

/** The context of one message: its sender, how it came, and how to answer. */
export class MessageContext implements Context {
  /** Whether the handler limits the sender itself. */
  paced = false;

  constructor(
    readonly client: Client,
    readonly message: Message,
    readonly lane: number,
    readonly form: Form,
    private readonly arrival: Arrival,
    private readonly outbound: Outbound,
  ) {}

  get datagram(): boolean {
    return this.arrival.datagram;
  }

  get early(): boolean {
    return this.arrival.early;
  }

  selfPaced(): void {
    this.paced = true;
  }

  reply(type: ServerType, payload: Payload): void {
    if (this.arrival.datagram) this.outbound.pushDatagram(type, payload, this.message.id);
    else this.outbound.push(type, payload, this.lane, this.message.id);
  }
}
