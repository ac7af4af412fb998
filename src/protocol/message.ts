/**
 * The one envelope every message travels in, on every transport.
 *
 * @module
 */

/** A payload: a JSON object. Binary fields are bytes in MessagePack and base64 text in JSON. */
export type Payload = Record<string, unknown>;

/** A message as it stands on the wire. */
export interface Message<P extends Payload = Payload> {
  /** In snake_case: `chat_message`, `ping`, ... */
  type: string;
  /** Made by the sender, unique for that sender; a UUIDv7 by convention, 1 to 64 printable ASCII characters. */
  id: string;
  /** Milliseconds since the Unix epoch at the sender. */
  timestamp: number;
  /** In a reply: the `id` of the message it answers. */
  re?: string;
  /** Its fields depend on the type: `ClientPayloads`, `ServerPayloads`. */
  payload: P;
}

/** How messages are written on a connection: the form that its client used first. */
export type Form = "json" | "msgpack";
