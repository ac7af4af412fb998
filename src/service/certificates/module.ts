/**
 * The certificate of one listener as a module: opened when it is first needed, kept up to date from then on.
 *
 * @module
 */

import type { Config } from "../config/mod.ts";
import type { Logger } from "../log/mod.ts";
import { gauges, type Sample, type Series } from "../metrics/series.ts";
import type { ConfigKey, Module } from "../module.ts";
import { type Certificate, type CertificateSettings, CertificateSource } from "./mod.ts";

/** Which certificate this is. */
export interface CertificateModuleOptions {
  /** The listener that uses it, for log lines and metrics. */
  readonly name: string;
  readonly keys: readonly ConfigKey[];
  /** The certificate that a configuration asks for; `undefined` when it needs none. */
  readonly settings: (config: Config) => CertificateSettings | undefined;
  /**
   * Called when the listener has to take another certificate: its files changed, or it was renewed. Not called for
   * what `apply` changes: the listener follows in the list and reads `current`.
   */
  readonly changed: (certificate: Certificate) => void;
  readonly log: Logger;
}

/** One certificate that a listener uses. */
export class CertificateModule implements Module {
  readonly name: string;
  readonly keys: readonly ConfigKey[];
  readonly series: readonly Series[] = [
    gauges(
      "skein_certificate_expiry_seconds",
      "When the certificate of a listener ends, in seconds since the epoch.",
      ["listener"],
      () => this.#expiry(),
    ),
  ];
  readonly #options: CertificateModuleOptions;
  #source: CertificateSource | undefined;
  #applying = false;

  constructor(options: CertificateModuleOptions) {
    this.#options = options;
    this.name = `certificate of ${options.name}`;
    this.keys = options.keys;
  }

  /** The certificate to serve; `undefined` while none was needed. */
  get current(): Certificate | undefined {
    return this.#source?.current;
  }

  /** Base64 of the hash by which browsers accept it, when they do. */
  get browserHash(): string | undefined {
    const certificate = this.current;
    return certificate?.hashUsable === true ? certificate.hash.toBase64() : undefined;
  }

  start(config: Config): Promise<void> {
    return this.apply(config);
  }

  /** Rejects with CertificateError and keeps the certificate before. */
  async apply(config: Config): Promise<void> {
    const settings = this.#options.settings(config);
    if (settings === undefined) return;
    if (this.#source === undefined) {
      this.#source = await this.#open(settings);
      return;
    }
    const source = this.#source;
    const before = source.current;
    this.#applying = true;
    try {
      await source.reconfigure(settings);
    } catch (error) {
      // The listener is not asked to apply now, so it must be told of a file that changed meanwhile.
      if (source.current !== before) this.#options.changed(source.current);
      throw error;
    } finally {
      this.#applying = false;
    }
  }

  async close(): Promise<void> {
    await this.#source?.close();
  }

  status(): Record<string, unknown> {
    const { current } = this;
    return { certificateExpiry: current === undefined ? {} : { [this.#options.name]: current.notAfter } };
  }

  #expiry(): Sample<number>[] {
    const { current } = this;
    return current === undefined ? [] : [[[this.#options.name], current.notAfter / 1000]];
  }

  #open(settings: CertificateSettings): Promise<CertificateSource> {
    const { name, log } = this.#options;
    return CertificateSource.open(settings, {
      onChange: (certificate) => {
        const { notAfter, names } = certificate;
        log.info("certificate changed", { for: name, notAfter: new Date(notAfter).toISOString(), names });
        if (!this.#applying) this.#options.changed(certificate);
      },
      onError: (error) => log.error("certificate refused, the last good one stays", { for: name, error }),
      onWarning: (warning) => log.warn("certificate", { for: name, warning }),
    });
  }
}
