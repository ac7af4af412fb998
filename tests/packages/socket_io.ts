/**
 * socket.io: a messaging server to compare ours with. A package of the tests is named here and not in `deno.json`, because every task downloads what that names. See `ws.ts` for the way it is imported.
 *
 * @module
 */

/** What the bench uses of a connection. */
export interface SocketIoConnection {
  emit(event: string, text: string): boolean;
  on(event: string, listener: (text: string) => void): void;
}

/** A server on an HTTP server. */
export interface SocketIoServer {
  on(event: "connection", listener: (connection: SocketIoConnection) => void): void;
}

const NAME = "npm:socket.io@4.8.3";

/** The package's class. */
export const { Server } = await import(NAME) as {
  Server: new (
    http: unknown,
    options: { transports: string[]; perMessageDeflate: boolean },
  ) => SocketIoServer;
};
