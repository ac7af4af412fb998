/**
 * URLs of STUN and TURN servers (RFC 7064, RFC 7065).
 *
 * @module
 */

/** How a TURN client reaches its server. */
export type TurnTransport = "udp" | "tcp" | "tls";

/** A server, as its URL says. */
export interface ServerUrl {
  readonly scheme: "stun" | "turn";
  /** A DNS name or IP address, without brackets. */
  readonly hostname: string;
  readonly port: number;
  readonly transport: TurnTransport;
}

const URL_FORM =
  /^(stuns?|turns?):(?:\[([0-9a-fA-F:.]+)\]|([^:?[\]/@]+))(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/;
/** Ports where the URL names none. */
const PORT = { plain: 3478, tls: 5349 };

/** Reads a URL. Throws TypeError. TLS over UDP (DTLS) and `stuns:` are not supported. */
export function parseServerUrl(url: string): ServerUrl {
  const match = URL_FORM.exec(url);
  const [, scheme, v6, name, port, transport = "udp"] = match ?? [];
  if (scheme === undefined || scheme === "stuns") {
    throw new TypeError(
      `not a STUN or TURN URL: ${url} (stun:host:port, turn:host:port?transport=udp|tcp, turns:host:port)`,
    );
  }
  const tls = scheme === "turns";
  const number = port === undefined ? (tls ? PORT.tls : PORT.plain) : Number(port);
  if (number < 1 || number > 65535) throw new TypeError(`not a port: ${port}`);
  return {
    scheme: scheme === "stun" ? "stun" : "turn",
    hostname: v6 ?? name!,
    port: number,
    transport: tls ? "tls" : transport as "udp" | "tcp",
  };
}
