/**
 * An HTTP listener that can move to another address while the service runs.
 *
 * @module
 */

import { Underway } from "../../async/underway.ts";
import { bind } from "../bind.ts";
import type { Logger } from "../log/mod.ts";
import type { FetchHandler } from "./deps.ts";
import { startHttp } from "./serve.ts";
import type { HttpOptions, HttpServer, TlsMaterial } from "./server.ts";

/** The address of a listener. */
export interface HttpAddress {
  readonly hostname: string;
  readonly port: number;
  readonly tls: TlsMaterial | undefined;
  /** @default "skein" */
  readonly websocket?: "skein" | "deno";
  /** Milliseconds. @default 10000 */
  readonly headTimeout?: number;
  /** Connections that the system keeps until they are accepted; a change holds from the next listener on. @default 511 */
  readonly backlog?: number;
}

/** What a listener is made with. */
export interface HttpListenerOptions {
  /** The group of settings with its address, for errors: `http`. */
  readonly group: string;
  readonly handler: FetchHandler;
  readonly admitConnection?: HttpOptions["admitConnection"];
  readonly log: Logger;
}

/** A listener that moves when its address changes. */
export class HttpListener {
  readonly #options: HttpListenerOptions;
  readonly #failed: (error: unknown) => void;
  #server: HttpServer | undefined;
  #wanted: HttpAddress | undefined;
  #closing: Promise<void>[] = [];
  /** Changes of the address, and looks whether it accepts. */
  readonly #underway = new Underway();
  #closed = false;
  #restarts = 0;

  constructor(options: HttpListenerOptions) {
    this.#options = options;
    this.#failed = (error) => options.log.error("http failure", { error });
  }

  /** The bound address; undefined while it does not listen. */
  get address(): { readonly hostname: string; readonly port: number } | undefined {
    return this.#server?.address;
  }

  /**
   * Listens at `wanted`; undefined ends the listener. A new address is bound before the old one is released. The
   * WebSockets of the old one are closed with 1001, so that clients come back and resume. Rejects with BindError when
   * the new address cannot be bound; then the old one goes on.
   */
  apply(wanted: HttpAddress | undefined): Promise<void> {
    return this.#underway.add(this.#apply(wanted));
  }

  async #apply(wanted: HttpAddress | undefined): Promise<void> {
    const before = this.#wanted;
    if (wanted !== undefined && before !== undefined && sameAddress(before, wanted)) {
      if (wanted.tls !== undefined) await this.setCertificate(wanted.tls);
      return;
    }
    // A refused configuration may go back to a port whose listener is still closing.
    await Promise.all(this.#closing);
    const old = this.#server;
    const takeOver = wanted !== undefined && wanted.port === before?.port;
    if (this.#closed) return;
    const server = wanted === undefined ? undefined : await this.#start(wanted, takeOver ? old : undefined);
    // It was closed meanwhile, and the old one with it.
    if (this.#closed) return await server?.close(0);
    this.#server = server;
    this.#wanted = wanted;
    if (old === undefined) return;
    const retired = this.#retire(old);
    // While both listen on the port, either may get a connection: wait until only the new one does.
    if (takeOver) await retired;
  }

  /**
   * Takes another certificate for new connections; does nothing while it listens without TLS. Rejects when the
   * certificate cannot be served; then the old one stays.
   */
  async setCertificate(tls: TlsMaterial): Promise<void> {
    const before = this.#wanted;
    if (before?.tls === undefined || (tls.cert === before.tls.cert && tls.key === before.tls.key)) return;
    this.#wanted = { ...before, tls };
    try {
      await this.#server!.setCertificate(tls);
    } catch (error) {
      this.#wanted = before;
      throw error;
    }
  }

  /** Starts to listen again if no connections are accepted any more. Never rejects. */
  keepAccepting(): Promise<void> {
    return this.#underway.add(this.#keepAccepting());
  }

  async #keepAccepting(): Promise<void> {
    const { group, log } = this.#options;
    try {
      if (await this.#server?.checkAccepting() === true) {
        this.#restarts++;
        log.warn("listener had stopped accepting and was started again", { listener: group });
      }
    } catch (error) {
      log.error("listener does not accept connections", { listener: group, error });
    }
  }

  /** Times it had to be started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Ends it; requests in progress have `grace` milliseconds. Resolves when nothing listens or is about to. */
  async close(grace: number): Promise<void> {
    this.#closed = true;
    const server = this.#server;
    this.#server = undefined;
    this.#wanted = undefined;
    await server?.close(grace);
    await this.#underway.over();
    await Promise.all(this.#closing);
  }

  /** Starts a listener. `before` has its port now and releases it, or takes it back when the new one fails. */
  async #start(wanted: HttpAddress, before: HttpServer | undefined): Promise<HttpServer> {
    const { group, handler, admitConnection, log } = this.#options;
    await before?.releasePort?.();
    try {
      return await bind(
        { group, ...wanted },
        (hostname) =>
          startHttp({
            ...wanted,
            hostname,
            takeOver: before !== undefined,
            handler,
            admitConnection,
            onError: this.#failed,
          }),
        () => log.warn("no IPv6 on this machine, listening on IPv4 alone", { listener: group }),
      );
    } catch (error) {
      if (!this.#closed) await before?.takePortBack?.();
      throw error;
    }
  }

  #retire(server: HttpServer): Promise<void> {
    const done = server.close(1000).catch(this.#failed);
    this.#closing.push(done);
    return done.then(() => void (this.#closing = this.#closing.filter((other) => other !== done)));
  }
}

function sameAddress(a: HttpAddress, b: HttpAddress): boolean {
  return a.hostname === b.hostname && a.port === b.port && (a.tls === undefined) === (b.tls === undefined) &&
    a.websocket === b.websocket &&
    a.headTimeout === b.headTimeout;
}
