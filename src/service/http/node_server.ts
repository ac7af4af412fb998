/**
 * The listener on node:http, which is Skein's own choice: it has deadlines for heads and first bytes, holds back whoever
 * does not read, and hands out the socket of an upgrade, so that WebSockets are ours from their first byte.
 *
 * @module
 */

import { getRequestListener, type HttpBindings, RequestError } from "@hono/node-server";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { StreamServerWebSocket } from "../../transport/mod.ts";
import { handshake, WebSocketConnection } from "../../websocket/mod.ts";
import { AcceptWatch } from "./accept_watch.ts";
import { plainAddress } from "./addresses.ts";
import type { Pooled } from "./connection_pool.ts";
import { SENT } from "./context.ts";
import { sendText, writeAnswer } from "./node_answer.ts";
import type { RequestInfo, WebSocketUpgrade, WebSocketUpgradeOptions } from "./deps.ts";
import type { HttpOptions, HttpServer, TlsMaterial } from "./server.ts";

/** Bytes of a request's head. */
const MAX_HEAD = 16 * 1024;
/** Milliseconds from a request's head to the end of its body: a model may speak for long. Who is silent has less (`STALL`). */
const REQUEST_TIMEOUT = 900_000;
/** Milliseconds an idle connection is kept for its next request. */
const KEEP_ALIVE = 20_000;
/** Milliseconds in which something has to move on a connection while a request is answered: who does not read is cut. */
const STALL = 30_000;
/** Milliseconds between two looks at deadlines. */
const LOOK = 1000;
/** Requests of one connection that may be under way: browsers send one after the other. */
const MAX_PIPELINED = 8;

interface HttpConnection {
  readonly socket: Socket;
  readonly pooled: Pooled | undefined;
  /** Answers under way, the first one first. */
  readonly responses: Set<ServerResponse>;
}

/** Starts a listener. Rejects with what the runtime says when the port is taken or the certificate is no good. */
export async function startNodeServer(options: HttpOptions): Promise<HttpServer> {
  const server = new NodeHttpServer(options);
  await server.listen();
  return server;
}

class NodeHttpServer implements HttpServer {
  readonly #options: HttpOptions;
  readonly #server: Server | TlsServer;
  /** By the peer's address and port: over TLS a request has another socket than its connection. */
  readonly #connections = new Map<string, HttpConnection>();
  readonly #watch = new AcceptWatch({
    where: () => this.address,
    restart: async () => {
      await this.releasePort();
      await this.#bind();
    },
  });
  readonly #webSockets = new Set<WebSocketConnection>();
  #address: { readonly hostname: string; readonly port: number } | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: HttpOptions) {
    this.#options = options;
    const limits = {
      headersTimeout: options.headTimeout ?? 10_000,
      requestTimeout: REQUEST_TIMEOUT,
      keepAliveTimeout: KEEP_ALIVE,
      connectionsCheckingInterval: LOOK,
      maxHeaderSize: MAX_HEAD,
      noDelay: true,
    };
    const server = this.#server = options.tls === undefined
      ? createServer(limits)
      : createTlsServer({ ...limits, ...material(options.tls), handshakeTimeout: limits.headersTimeout });
    server.setTimeout(STALL);
    const answer = getRequestListener(
      async (request, bindings) => {
        const { incoming, outgoing } = bindings as HttpBindings;
        const { socket, httpVersion } = incoming;
        const answer = await options.handler(request, {
          remoteAddr: addressOf(socket),
          httpVersion,
          sendText: (fields, text) => sendText(outgoing, fields, text),
        });
        return answer === SENT ? answer : await writeAnswer(answer, incoming, outgoing);
      },
      { overrideGlobalObjects: false, errorHandler: (error) => this.#failed(error) },
    );
    server.on("connection", (socket: Socket) => this.#connected(socket));
    server.on("request", (request, response) => {
      if (this.#began(request.socket, response)) void answer(request, response);
    });
    server.on("clientError", (error: Error & { code?: string }, socket: Socket) => {
      const status = error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "408 Request Timeout"
        : error.code === "HPE_HEADER_OVERFLOW"
        ? "431 Request Header Fields Too Large"
        : "400 Bad Request";
      if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      socket.destroySoon();
    });
    server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket as Socket, head));
    server.on("error", (error) => {
      // listen() rejects with what keeps the server from listening.
      if (server.listening) this.#options.onError?.(error);
    });
  }

  get address(): { readonly hostname: string; readonly port: number } {
    return this.#address ?? { hostname: this.#options.hostname, port: this.#options.port };
  }

  releasePort(): Promise<void> {
    this.#server.close();
    return Promise.resolve();
  }

  takePortBack(): Promise<void> {
    return this.#bind();
  }

  async checkAccepting(): Promise<boolean> {
    return this.#closed === undefined && this.#server.listening ? await this.#watch.check() : false;
  }

  async listen(): Promise<void> {
    await this.#bind();
    this.#options.onListen?.(this.address);
  }

  async #bind(): Promise<void> {
    const { hostname, backlog = 511 } = this.#options;
    const port = this.#address?.port ?? this.#options.port;
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      const refused = (error: Error & { code?: string }): void =>
        reject(
          error.code === "EADDRINUSE" ? new Deno.errors.AddrInUse(error.message, { cause: error }) : error,
        );
      server.once("error", refused);
      server.listen({ host: hostname, port, backlog }, () => {
        server.off("error", refused);
        resolve();
      });
    });
    const { address, port: bound } = server.address() as AddressInfo;
    this.#address = { hostname: address, port: bound };
  }

  #connected(socket: Socket): void {
    this.#watch.accepted();
    const { hostname, port } = addressOf(socket);
    const { admitConnection } = this.#options;
    const pooled = admitConnection?.(hostname, () => socket.destroy());
    if (admitConnection !== undefined && pooled === undefined) return void socket.destroy();
    const key = `${hostname} ${port}`;
    const connection: HttpConnection = { socket, pooled, responses: new Set() };
    this.#connections.set(key, connection);
    socket.once("close", () => {
      pooled?.leave();
      if (this.#connections.get(key) === connection) this.#connections.delete(key);
      // Only the first answer is told by the runtime. Those that wait for their turn would hold their bodies on.
      for (const response of connection.responses) response.destroy().emit("close");
    });
  }

  #connectionOf(socket: Socket): HttpConnection | undefined {
    const { hostname, port } = addressOf(socket);
    return this.#connections.get(`${hostname} ${port}`);
  }

  /** A request begins, unless its connection has too many under way: then it is cut. */
  #began(socket: Socket, response: ServerResponse): boolean {
    const connection = this.#connectionOf(socket);
    if (connection === undefined) return true;
    const { responses, pooled } = connection;
    if (responses.size === MAX_PIPELINED) {
      socket.destroy();
      return false;
    }
    responses.add(response);
    pooled?.become("answering");
    response.once("close", () => {
      responses.delete(response);
      if (responses.size === 0) pooled?.become("waiting");
    });
    return true;
  }

  setCertificate(tls: TlsMaterial): Promise<void> {
    if (this.#options.tls === undefined) {
      return Promise.reject(new TypeError("a listener without TLS has no certificate"));
    }
    if (this.#closed !== undefined) return Promise.reject(new TypeError("the listener is closed"));
    return Promise.resolve().then(() => (this.#server as TlsServer).setSecureContext(material(tls)));
  }

  close(grace = 1000): Promise<void> {
    return this.#closed ??= this.#end(grace);
  }

  async #end(grace: number): Promise<void> {
    const server = this.#server;
    // It would bind the port again.
    await this.#watch.close();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    for (const connection of this.#webSockets) connection.end(1001, "going away", grace);
    const timer = setTimeout(() => {
      for (const { socket } of this.#connections.values()) socket.destroy();
    }, grace);
    await closed;
    clearTimeout(timer);
  }

  #failed(error: unknown): Response {
    // The request's own fault: a Host that is none, an URL that cannot be read.
    if (error instanceof RequestError) return new Response("bad request\n", { status: 400 });
    this.#options.onError?.(error);
    return new Response("internal error\n", { status: 500 });
  }

  /** Asks the handler, as for any request; it answers, or takes the WebSocket. */
  async #upgrade(request: IncomingMessage, socket: Socket, head: Uint8Array): Promise<void> {
    socket.on("error", () => socket.destroy());
    let taken = false;
    const info: RequestInfo = {
      remoteAddr: addressOf(socket),
      httpVersion: request.httpVersion,
      upgradeWebSocket: (options) => {
        taken = true;
        return this.#take(request, socket, head, options);
      },
    };
    let response: Response;
    try {
      response = await this.#options.handler(toRequest(request, this.#options.tls !== undefined), info);
    } catch (error) {
      response = this.#failed(error);
    }
    if (taken) return;
    try {
      await refuse(socket, response);
    } catch {
      socket.destroy();
    }
  }

  #take(
    request: IncomingMessage,
    socket: Socket,
    head: Uint8Array,
    { maxMessage, deflateFrom }: WebSocketUpgradeOptions,
  ): WebSocketUpgrade | undefined {
    const answer = handshake({ method: request.method ?? "", headers: request.headers }, {
      deflate: deflateFrom !== undefined,
    });
    if (!answer.ok || socket.destroyed) {
      socket.destroy();
      return undefined;
    }
    socket.write(answer.head);
    const connection = new WebSocketConnection(socket, head, {
      maxMessage,
      deflateFrom: answer.deflate ? deflateFrom : undefined,
    });
    const pooled = this.#connectionOf(socket)?.pooled;
    pooled?.become("stranger");
    this.#webSockets.add(connection);
    socket.once("close", () => this.#webSockets.delete(connection));
    // Never sent: the 101 has left already, and a Response cannot be one.
    return {
      socket: new StreamServerWebSocket(connection),
      response: new Response(null, { status: 204 }),
      authenticated: pooled && (() => pooled.become("member")),
    };
  }
}

/** Throws when certificate and key do not belong together: the runtime would tell only those who connect. */
function material({ cert, key }: TlsMaterial) {
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    throw new TypeError("the key does not belong to the certificate");
  }
  // HTTP/2 is not offered: a WebSocket needs HTTP/1.1, and pages here have few files.
  return { cert, key, ALPNProtocols: ["http/1.1"] };
}

function addressOf(socket: Socket): RequestInfo["remoteAddr"] {
  // A socket for both families gives IPv4 addresses as ::ffff:a.b.c.d.
  const hostname = plainAddress(socket.remoteAddress ?? "");
  return { hostname, port: socket.remotePort ?? 0, transport: "tcp" };
}

function toRequest({ method, url, headers, rawHeaders }: IncomingMessage, tls: boolean): Request {
  const lines: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) lines.push([rawHeaders[i]!, rawHeaders[i + 1]!]);
  const base = `${tls ? "https" : "http"}://${headers.host ?? "localhost"}`;
  return new Request(new URL(url ?? "/", base), { method: method ?? "GET", headers: lines });
}

/** Answers an upgrade that was not taken. */
async function refuse(socket: Socket, response: Response): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  const lines = [`HTTP/1.1 ${response.status} ${response.statusText || "Refused"}`];
  for (const [name, value] of response.headers) {
    if (name !== "connection" && name !== "content-length") lines.push(`${name}: ${value}`);
  }
  lines.push(`content-length: ${body.length}`, "connection: close");
  socket.write(lines.join("\r\n") + "\r\n\r\n");
  socket.end(body);
}
