/**
 * HTTP: the app and its listener.
 *
 * @module
 */

export { createApp, createInternalApp } from "./app.ts";
export { type ClientDocument, clientDocument } from "./client_info.ts";
export type {
  ClientInfo,
  ConnectionState,
  DevTokenRequest,
  FetchHandler,
  HttpDeps,
  HttpSettings,
  RequestInfo,
} from "./deps.ts";
export type { FileAccess, FileCredentials } from "./files.ts";
export { originAllowed } from "./origin.ts";
export { startHttp } from "./serve.ts";
export type { HttpOptions, HttpServer, TlsMaterial } from "./server.ts";
export type {
  ApiBroadcast,
  ApiConnections,
  ApiDisconnect,
  ApiHistory,
  ApiPublish,
  ApiSubscription,
  ServerApi,
} from "./server_api.ts";
