/**
 * A certificate in service: opened when it is first needed, kept right from then on.
 *
 * @module
 */

import { type Certificate, type CertificateSettings, CertificateSource } from "./certificates/mod.ts";
import type { Logger } from "./log/mod.ts";

/** One certificate that a listener uses. */
export class KeptCertificate {
  readonly #name: string;
  readonly #log: Logger;
  readonly #changed: (certificate: Certificate) => void;
  #source: CertificateSource | undefined;

  /** `name` is for log lines. `changed` is called when a listener has to take another one. */
  constructor(name: string, log: Logger, changed: (certificate: Certificate) => void) {
    this.#name = name;
    this.#log = log;
    this.#changed = changed;
  }

  /** The certificate to serve; undefined before the first `apply`. */
  get current(): Certificate | undefined {
    return this.#source?.current;
  }

  /** Base64 of the hash by which browsers accept it, when they do. */
  get browserHash(): string | undefined {
    const certificate = this.current;
    return certificate?.hashUsable === true ? certificate.hash.toBase64() : undefined;
  }

  /** Takes settings and gives the certificate. Rejects with CertificateError and keeps the one before. */
  async apply(settings: CertificateSettings): Promise<Certificate> {
    if (this.#source === undefined) {
      this.#source = await CertificateSource.open(settings, {
        onChange: (certificate) => {
          const { notAfter, names } = certificate;
          this.#log.info("certificate changed", {
            for: this.#name,
            notAfter: new Date(notAfter).toISOString(),
            names,
          });
          this.#changed(certificate);
        },
        onError: (error) => {
          this.#log.error("certificate refused, the last good one stays", { for: this.#name, error });
        },
        onWarning: (warning) => this.#log.warn("certificate", { for: this.#name, warning }),
      });
    } else {
      await this.#source.reconfigure(settings);
    }
    return this.#source.current;
  }

  /** Stops looking after it. */
  async close(): Promise<void> {
    const source = this.#source;
    this.#source = undefined;
    await source?.close();
  }
}
