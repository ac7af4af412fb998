/**
 * The TCP listener for the app, with TLS or without.
 *
 * @module
 */

import { DenoHttpServer } from "./deno_server.ts";
import { startNodeServer } from "./node_server.ts";
import type { HttpOptions, HttpServer } from "./server.ts";

/** Starts to listen. Rejects with the error of the runtime when the port is in use or the certificate cannot be used. */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  return options.websocket === "deno" ? new DenoHttpServer(options) : await startNodeServer(options);
}
