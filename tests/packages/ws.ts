/**
 * ws: a WebSocket server to compare ours with. A package of the tests is named here and not in `deno.json`, because every task downloads what that names.
 *
 * It is imported by a name that is not known before it runs, because its types bring those of Node, which are others than Deno's, into every check of types. So no lock holds it, and the version is exact.
 *
 * @module
 */

/** What the bench uses of a connection. */
export interface WsConnection {
  readonly bufferedAmount: number;
  send(text: string): void;
  on(event: "message" | "error", listener: (data: { toString(): string }) => void): void;
}

/** A server on an HTTP server. */
export interface WsServer {
  on(event: "connection", listener: (connection: WsConnection) => void): void;
}

const NAME = "npm:ws@8.21.0";

/** The package's class. */
export const { WebSocketServer } = await import(NAME) as {
  WebSocketServer: new (options: { server: unknown; perMessageDeflate: boolean }) => WsServer;
};
