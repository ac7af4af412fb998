/**
 * One message as handlers see it.
 *
 * @module
 */

import { Encoded, type Form, type Message, type Payload, type ServerType, uuidv7 } from "../protocol/mod.ts";
import type { Context } from "../router/types.ts";
import type { Arrival } from "../transport/contract.ts";
import type { ClientConnection } from "./connection.ts";

/** The context of one message: who sent it, how it came, and how to answer. */
export class MessageContext implements Context {
  /** Whether the handler holds the sender back itself. */
  paced = false;

  constructor(
    readonly client: ClientConnection,
    readonly message: Message,
    readonly lane: number,
    readonly arrival: Arrival,
    readonly form: Form,
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
    const { client } = this;
    if (this.arrival.datagram) {
      const message = { type, id: uuidv7(), timestamp: Date.now(), re: this.message.id, payload };
      client.connection.sendDatagram(new Encoded(message));
      return;
    }
    client.push(type, payload, this.lane, this.message.id);
  }
}
