/**
 * The protocol without the schemas of payloads and without reading MessagePack: what a client on a page carries, which
 * speaks JSON but for messages with bytes in them. Schemas are built when their module is loaded, so a bundler keeps all of them; a client names the ones it reads.
 *
 * @module
 */

export * from "./channel.ts";
export * from "./client_types.ts";
export * from "./crc32.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./id.ts";
export * from "./json.ts";
export { decodeJsonFrame as decodeFrame, decodeText, isId, type JsonEncoded } from "./json_codec.ts";
export * from "./lanes.ts";
export * from "./message.ts";
export { encodeMixed as encodeBare, MixedEncoded as Encoded } from "./mixed.ts";
export * from "./varint.ts";
