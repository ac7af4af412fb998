/**
 * The part of the protocol that the SDK carries. It has no reader of MessagePack, because the SDK speaks JSON except
 * for messages with bytes in them, and no schemas: they are built when their module is loaded, so a bundler would keep
 * all of them.
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
export type { PriorityName } from "./priority.ts";
export { encodeMixed as encodeBare, MixedEncoded as Encoded } from "./mixed.ts";
export * from "./varint.ts";
