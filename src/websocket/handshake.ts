/**
 * The opening handshake of a server (RFC 6455 §4.2), and what it agrees on of permessage-deflate (RFC 7692 §7).
 *
 * @module
 */

import { createHash } from "node:crypto";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** What a handshake needs of a request: header names in lower case. */
export interface UpgradeRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Options of a handshake. */
export interface HandshakeOptions {
  /** Whether compressed messages may be agreed on. @default false */
  readonly deflate?: boolean;
}

/** A handshake's outcome: the response head to send, or the status to refuse with. */
export type Handshake =
  | { readonly ok: true; readonly head: string; readonly deflate: boolean }
  | { readonly ok: false; readonly status: 400 | 405 | 426; readonly reason: string };

/** Checks an upgrade request and makes its answer. */
export function handshake(request: UpgradeRequest, options: HandshakeOptions = {}): Handshake {
  const header = (name: string): string => {
    const value = request.headers[name];
    return typeof value === "string" ? value : value?.join(", ") ?? "";
  };
  if (request.method !== "GET") return refuse(405, "the method is GET");
  if (!tokens(header("upgrade")).includes("websocket")) return refuse(426, "Upgrade: websocket is missing");
  if (!tokens(header("connection")).includes("upgrade")) return refuse(400, "Connection: Upgrade is missing");
  if (header("sec-websocket-version") !== "13") return refuse(426, "Sec-WebSocket-Version is 13");
  const key = header("sec-websocket-key");
  // 16 bytes in base64.
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) return refuse(400, "Sec-WebSocket-Key is 16 bytes in base64");
  const deflate = options.deflate === true && offersDeflate(header("sec-websocket-extensions"));
  const accept = createHash("sha1").update(key + GUID).digest("base64");
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${accept}`,
  ];
  // Without context takeover nothing is kept between messages: a connection that compresses costs no more when idle.
  if (deflate) {
    lines.push(
      "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    );
  }
  return { ok: true, head: lines.join("\r\n") + "\r\n\r\n", deflate };
}

function refuse(status: 400 | 405 | 426, reason: string): Handshake {
  return { ok: false, status, reason };
}

function tokens(value: string): string[] {
  return value.toLowerCase().split(",").map((token) => token.trim());
}

/** Whether one of the offers can be accepted: 15 bits of window both ways, which is all that the runtime's zlib is used for. */
function offersDeflate(extensions: string): boolean {
  return extensions.split(",").some((offer) => {
    const [name, ...parameters] = offer.split(";").map((part) => part.trim().toLowerCase());
    if (name !== "permessage-deflate") return false;
    return parameters.every((parameter) => {
      const [key, value] = parameter.split("=").map((part) => part.trim());
      switch (key) {
        case "client_no_context_takeover":
        case "server_no_context_takeover":
          return value === undefined;
        case "client_max_window_bits":
          return value === undefined || /^"?([89]|1[0-5])"?$/.test(value);
        case "server_max_window_bits":
          return /^"?15"?$/.test(value ?? "");
        default:
          return false;
      }
    });
  });
}
