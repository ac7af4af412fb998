/** What tests of documents share. */

import { crc32, type Message, ProtocolError } from "../../src/protocol/mod.ts";

/** Whether what was thrown is this error of the protocol. */
export function refusal(error: string) {
  return (thrown: unknown) => thrown instanceof ProtocolError && thrown.error === error;
}

/** Bytes of a text. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The text of bytes, or of base64. */
export function textOf(data: unknown): string {
  return new TextDecoder().decode(data instanceof Uint8Array ? data : Uint8Array.fromBase64(String(data)));
}

/** The payload of an operation. */
export function op(channel: string, text: string): { channel: string; data: Uint8Array; checksum: number } {
  const data = bytes(text);
  return { channel, data, checksum: crc32(data) };
}

/** The only answer. */
export function only(messages: readonly Message[]): Message {
  if (messages.length !== 1) throw new Error(`${messages.length} answers: ${JSON.stringify(messages)}`);
  return messages[0]!;
}
