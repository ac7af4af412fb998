/**
 * A client of the SDK that its network sends from node to node.
 *
 * @module
 */

import { type ClientOptions, SkeinClient } from "../../src/client/mod.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { type Cluster, type TestNode, tokenOf } from "./support.ts";

/** A client of the SDK behind forwarders, which send it to one node or another. */
export class Roamer implements AsyncDisposable {
  readonly client: SkeinClient;
  readonly sessions = new Set<string>();
  readonly #cluster: Cluster;
  readonly #tcp: TcpProxy;
  readonly #udp: UdpProxy;

  constructor(cluster: Cluster, user: string, over: Partial<ClientOptions>) {
    this.#cluster = cluster;
    const [{ service, quicPort, certificateHash }] = cluster.nodes as [TestNode];
    const target = { hostname: "127.0.0.1" };
    this.#tcp = new TcpProxy({ target: { ...target, port: service.addresses.http.port } });
    this.#udp = new UdpProxy({ target: { ...target, port: quicPort } });
    this.client = new SkeinClient({
      websocketUrl: `ws://127.0.0.1:${this.#tcp.port}/connection/websocket`,
      quicUrl: `quic://127.0.0.1:${this.#udp.port}`,
      certificateHashes: [certificateHash.toBase64()],
      getToken: () => tokenOf(user),
      reconnectDelay: 10,
      maxReconnectDelay: 50,
      breaker: { failures: 1000 },
      ...over,
    });
    this.client.on("connected", ({ sessionId }) => void this.sessions.add(sessionId));
  }

  /** From now on it is not heard what nodes say, until it is sent to another one. */
  deafen(): void {
    this.#tcp.delayToClient = 60_000;
  }

  /** Sends it to another node, by a network that breaks. */
  move(to: number): void {
    this.#tcp.delayToClient = 0;
    const { service, quicPort } = this.#cluster.nodes[to]!;
    this.#tcp.retarget(service.addresses.http.port);
    this.#udp.retarget(quicPort);
    this.#tcp.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await Promise.all([this.#tcp.close(), this.#udp.close()]);
  }
}
