/**
 * The protocol without the schemas of payloads: what a client on a page carries. Schemas are built when their module is
 * loaded, so a bundler keeps all of them; a client names the ones it reads.
 *
 * @module
 */

export * from "./channel.ts";
export * from "./codec.ts";
export * from "./crc32.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./id.ts";
export * from "./json.ts";
export * from "./lanes.ts";
export * from "./message.ts";
export * from "./varint.ts";
