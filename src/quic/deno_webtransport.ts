/**
 * WebTransport sessions by `Deno.upgradeWebTransport`, the alternative to our own HTTP/3 layer. In Deno 2.9 it loses
 * stream ends, shows neither headers nor Origin and admits everybody; the conformance suite lists what it fails.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import { boundAddress, plainAddress } from "./address.ts";
import { WebTransportConnection } from "./webtransport_connection.ts";
import { varintLength } from "./h3/varint.ts";

/**
 * Takes the session of an `h3` connection. Rejects when the peer does not ask for one within `timeout` milliseconds,
 * and closes the connection then.
 */
export async function takeNativeSession(
  conn: Deno.QuicConn,
  timeout: number,
): Promise<WebTransportConnection> {
  guardDatagrams(conn);
  const upgraded = Deno.upgradeWebTransport(conn);
  upgraded.catch(() => {});
  const closed = conn.closed.then(() => Promise.reject(new Error("closed before its session")));
  const late = () => new DOMException(`no session within ${timeout} ms`, "TimeoutError");
  const transport = await deadline(Promise.race([upgraded, closed]), timeout, late);
  // It rejects when the connection times out, also when nobody else waits for it.
  transport.closed.catch(() => {});
  await transport.ready;
  return new WebTransportConnection(transport, {
    url: new URL(transport.url),
    addresses: { local: () => boundAddress(conn), remote: () => plainAddress(conn.remoteAddr) },
  });
}

/**
 * Hides empty datagrams from Deno's session: it enqueues each datagram in a byte stream, which throws on an empty one,
 * and nobody catches that, so a peer could end the process.
 */
function guardDatagrams(conn: Deno.QuicConn): void {
  const read = conn.readDatagram.bind(conn);
  Object.defineProperty(conn, "readDatagram", {
    value: async (): Promise<Uint8Array<ArrayBuffer>> => {
      for (;;) {
        const bytes = await read();
        if (bytes.length > 0 && bytes.length > varintLength(bytes[0]!)) return bytes;
      }
    },
  });
}
