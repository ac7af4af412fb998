/**
 * The Skein protocol: messages, their codecs and frames, lanes, channels, error and close codes. Pure: no
 * sockets, no timers. `PROTOCOL.md` beside this file is normative.
 *
 * @module
 */

export * from "./channel.ts";
export * from "./client_types.ts";
export * from "./codec.ts";
export * from "./crc32.ts";
export * from "./errors.ts";
export * from "./failure.ts";
export * from "./frame.ts";
export * from "./id.ts";
export * from "./json.ts";
export * from "./lanes.ts";
export * from "./message.ts";
export * from "./ping.ts";
export * from "./pongs.ts";
export * from "./principal.ts";
export * from "./priority.ts";
export * from "./schemas/mod.ts";
export * from "./server_types.ts";
export * from "./size.ts";
export * from "./varint.ts";
