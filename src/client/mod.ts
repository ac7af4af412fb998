/**
 * The Skein SDK: one session over QUIC or WebSocket, whichever works, that never drops a message. Runs in browsers and
 * in Deno; with a `WebSocket` and no QUIC also in Node.
 *
 * ```ts
 * import { SkeinClient } from "@skein/client";
 *
 * const client = new SkeinClient({ url: "https://chat.example", getToken });
 * await client.channel("chat:general").subscribe(({ from, text }) => console.log(from, text));
 * await client.channel("chat:general").publish("hello");
 * ```
 *
 * @module
 */

export {
  Channel,
  type ChannelEvents,
  type HistoryQuery,
  type PublishOptions,
  type Saying,
} from "./channel.ts";
export { type DirectOptions, SkeinClient, type SkeinClientOptions, type SkeinEvents } from "./client.ts";
export { type Clock, type Random, systemClock } from "./clock.ts";
export type { Listener } from "./emitter.ts";
export type { Environment, EnvironmentEvent } from "./environment.ts";
export { type ClientErrorName, SkeinError } from "./errors.ts";
export type { ClientEvents, ClientStatus } from "./events.ts";
export { Download, type DownloadOptions, type DownloadProgress } from "./files/download.ts";
export { Upload, type UploadOptions, type UploadProgress } from "./files/upload.ts";
export type { ClientOptions, ClientParts } from "./options.ts";
export { indexedDbOutbox } from "./outbox/indexeddb.ts";
export type { OutboxOptions, OverflowPolicy, Receipt } from "./outbox/outbox.ts";
export type { OutboxStorage, StoredMessage } from "./outbox/storage.ts";
export type { BreakerOptions } from "./policy/breaker.ts";
export type { ClientMetrics } from "./policy/meter.ts";
export type { PreferenceOptions, PreferenceStorage } from "./policy/preference.ts";
export type { ProbingOptions } from "./policy/probing.ts";
export type { QualityOptions } from "./policy/quality.ts";
export type { RpcOptions } from "./rpc.ts";
export type { Placed, Position } from "./session/inbox.ts";
export type { ChannelHandler, ChannelHandlerPort } from "./session/channel_handlers.ts";
export type { Publishing } from "./session/publishing.ts";
export type { Delivered, Discontinuity } from "./session/subscription.ts";
export type { AnswerOf, Following, Question } from "./session/requests.ts";
export type { GetToken } from "./session/tokens.ts";
export type { ClientState, ClientStore } from "./store.ts";
export { type StreamContent, type StreamOptions, StreamWriter } from "./streams/writer.ts";
export type {
  ClientTransport,
  ClientTransportKind,
  TransportEnd,
  TransportFactory,
  TransportTraffic,
} from "./transport/contract.ts";
export { LanesTransport } from "./transport/lanes.ts";
export { type QuicDialOptions, QuicTransport } from "./transport/quic.ts";
export { type WebSocketConstructor, type WebSocketLike, WebSocketTransport } from "./transport/websocket.ts";
export { TransportManager } from "./transport_manager.ts";
