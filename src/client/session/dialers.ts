/**
 * One dialer for each path: whether it can be used here, and how its transports are made.
 *
 * @module
 */

import type { Endpoints } from "../discovery.ts";
import type { ResolvedOptions } from "../options.ts";
import type { Path } from "../policy/paths.ts";
import type { ClientTransport, ClientTransportKind } from "../transport/contract.ts";
import { canDialWebTransport } from "../../quic/client.ts";
import { QuicTransport } from "../transport/quic.ts";
import { WebSocketTransport } from "../transport/websocket.ts";

/** Makes the transports of one path. */
export interface Dialer {
  readonly path: Path;
  /** Milliseconds a transport has to connect. */
  readonly timeout: number;
  /** Why it is never dialled: it is switched off, or this runtime does not have it. Undefined when it may be dialled. */
  readonly impossible: string | undefined;
  /** What it dials; undefined when the service has told of no such endpoint. */
  kindAt(endpoints: Endpoints): ClientTransportKind | undefined;
  /** A transport that has still to be connected. */
  make(endpoints: Endpoints): ClientTransport | Promise<ClientTransport>;
  /** Gives up what its transports share; resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** All paths, best first. */
export function dialersOf(options: ResolvedOptions): Dialer[] {
  return [new QuicDialer(options), new WebSocketDialer(options)];
}

interface Native {
  readonly module: typeof import("../native.ts");
  readonly endpoint: import("../native.ts").QuicEndpoint;
}

/** WebTransport, or raw QUIC where that is asked for. */
class QuicDialer implements Dialer {
  readonly path = "quic";
  readonly timeout: number;
  readonly impossible: string | undefined;
  readonly #options: ResolvedOptions;
  #native: Promise<Native> | undefined;

  constructor(options: ResolvedOptions) {
    const { enableQuic, transports, url, quicUrl, rawQuic, quicTimeout } = options;
    this.#options = options;
    this.timeout = quicTimeout;
    const isRaw = quicUrl === undefined ? rawQuic : quicUrl.protocol === "quic:";
    if (!enableQuic) this.impossible = "QUIC is switched off";
    else if (transports.quic !== undefined) this.impossible = undefined;
    else if ((url ?? quicUrl) === undefined) this.impossible = "there is no `quicUrl`";
    else if (!isRaw && !canDialWebTransport()) this.impossible = "this runtime has no WebTransport";
  }

  kindAt({ quic }: Endpoints): ClientTransportKind | undefined {
    if (this.#options.transports.quic !== undefined) return "webtransport";
    if (quic?.protocol === "quic:") return "quic";
    return quic !== undefined && canDialWebTransport() ? "webtransport" : undefined;
  }

  async make({ quic, certificateHashes }: Endpoints): Promise<ClientTransport> {
    const { transports, quicTimeout } = this.#options;
    if (transports.quic !== undefined) return transports.quic();
    const options = { certificateHashes, timeout: quicTimeout };
    if (quic!.protocol !== "quic:") return new QuicTransport(quic!, options);
    this.#native ??= import("../native.ts").then((module) => ({
      module,
      endpoint: new module.QuicEndpoint(),
    }));
    const { module, endpoint } = await this.#native;
    return new module.NativeQuicTransport(quic!, options, endpoint);
  }

  async close(): Promise<void> {
    const native = await this.#native?.catch(() => undefined);
    if (native === undefined) return;
    // The close of a connection leaves in the next turn, before the socket goes.
    await new Promise((resolve) => setTimeout(resolve, 0));
    native.endpoint.close();
  }
}

/** WebSocket. */
class WebSocketDialer implements Dialer {
  readonly path = "websocket";
  readonly timeout: number;
  readonly impossible: string | undefined;
  readonly #options: ResolvedOptions;

  constructor(options: ResolvedOptions) {
    const { enableWebSocket, transports, url, websocketUrl, websocketTimeout, WebSocket } = options;
    this.#options = options;
    this.timeout = websocketTimeout;
    if (!enableWebSocket) this.impossible = "WebSocket is switched off";
    else if (transports.websocket !== undefined) this.impossible = undefined;
    else if ((url ?? websocketUrl) === undefined) this.impossible = "there is no `websocketUrl`";
    else if ((WebSocket ?? globalThis.WebSocket) === undefined) {
      this.impossible = "this runtime has no WebSocket, and the option `WebSocket` gives none";
    }
  }

  kindAt({ websocket }: Endpoints): ClientTransportKind | undefined {
    return (this.#options.transports.websocket ?? websocket) === undefined ? undefined : "websocket";
  }

  make({ websocket }: Endpoints): ClientTransport {
    const { transports, WebSocket } = this.#options;
    return transports.websocket?.() ?? new WebSocketTransport(websocket!, WebSocket);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
