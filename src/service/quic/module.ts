/**
 * QUIC and WebTransport as a module.
 *
 * @module
 */

import { delay } from "../../async/deadline.ts";
import { CertificateModule } from "../certificates/module.ts";
import type { CertificateSettings } from "../certificates/mod.ts";
import type { Config } from "../config/mod.ts";
import { originAllowed } from "../http/mod.ts";
import { plainAddress } from "../http/addresses.ts";
import type { HttpAppModule } from "../http/app_module.ts";
import { isExempt } from "../http/request_rates.ts";
import type { Logger } from "../log/mod.ts";
import { type Module, started } from "../module.ts";
import type { SessionsModule } from "../sessions/module.ts";
import { QuicListener } from "./listener.ts";

/** What the listener needs of other parts. */
export interface QuicModuleOptions {
  readonly sessions: SessionsModule;
  readonly app: HttpAppModule;
  readonly log: Logger;
}

/** The QUIC listener; follows `quic` and `certificates`. */
export class QuicModule implements Module {
  readonly name = "quic";
  readonly keys = ["quic", "certificates"] as const;
  /** Its certificate, a module that comes before this one. */
  readonly certificate: CertificateModule;
  readonly #options: QuicModuleOptions;
  #listener: QuicListener | undefined;

  constructor(options: QuicModuleOptions) {
    this.#options = options;
    this.certificate = new CertificateModule({
      name: "quic",
      keys: this.keys,
      settings: certificateSettings,
      changed: (certificate) => this.#listener?.setCertificate(certificate),
      log: options.log,
    });
  }

  /** Where it listens; `undefined` while QUIC is off. */
  get address(): { readonly hostname: string; readonly port: number } | undefined {
    return this.#listener?.address;
  }

  start(config: Config): void {
    const { sessions, app } = this.#options;
    this.#listener = new QuicListener({
      sessions: sessions.sessions,
      observer: sessions.observer,
      fetch: app.handler,
      pace: (address, pathname) => isExempt(pathname) ? 0 : app.rates.take(plainAddress(address)),
      originAllowed: (origin, host) => originAllowed(origin, app.settings.allowedOrigins, host),
    });
    this.apply(config);
  }

  apply({ quic }: Config): void {
    started(this.#listener, this.name).apply(quic, quic.enabled ? this.certificate.current : undefined);
  }

  drain(): void {
    this.#listener?.drain();
  }

  async close(): Promise<void> {
    await this.#listener?.close();
    // One turn of the event loop, or the last packets never leave.
    await delay(0);
  }

  status(): Record<string, unknown> {
    return { listeners: { quic: this.address } };
  }
}

function certificateSettings({ quic, certificates }: Config): CertificateSettings | undefined {
  const { enabled, cert, key } = quic;
  if (!enabled) return undefined;
  return cert !== null && key !== null ? { cert, key } : { development: certificates };
}
