/**
 * The certificate that is served now, kept right while the service runs: files are watched, the development
 * certificate is renewed in time, and a bad new one leaves the last good one in place.
 *
 * @module
 */

import { type FileWatch, watchFile } from "../config/watch.ts";
import type { Certificate } from "./certificate.ts";
import {
  developmentCertificate,
  type DevelopmentOptions,
  developmentPaths,
  RENEW_BEFORE,
} from "./development.ts";
import { type CertificateLocation, isInline, loadCertificate } from "./load.ts";

/** Which certificate: one that is given, or one made for development. */
export type CertificateSettings = CertificateLocation | { readonly development: DevelopmentOptions };

/** What a source tells, and its times in milliseconds. */
export interface CertificateSourceOptions {
  /** Another certificate is to be served from now on. */
  readonly onChange?: (certificate: Certificate) => void;
  /** A new certificate cannot be served; the last good one stays. One readable line. */
  readonly onError?: (error: Error) => void;
  /** Something to know that changes nothing: the certificate ends soon, it could not be kept on disk. */
  readonly onWarning?: (message: string) => void;
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number;
  /** How often files and dates are looked at without any event. @default 2000 */
  readonly poll?: number;
  /** How long it waits for more after a file event. @default 60 */
  readonly quiet?: number;
}

/** A certificate of one's own with less than this left is worth a warning. */
const EXPIRES_SOON = 7 * 86_400_000;

/** The certificate that is served now. */
export class CertificateSource {
  readonly #options: CertificateSourceOptions;
  readonly #now: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  #settings: CertificateSettings;
  #current: Certificate;
  #watches: readonly FileWatch[] = [];
  /** The certificate somebody was warned about. */
  #warned: Certificate | undefined;
  #renewedAt = -Infinity;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  /**
   * Loads the certificate and starts to look after it. Rejects with CertificateError when it cannot be
   * served.
   */
  static async open(
    settings: CertificateSettings,
    options: CertificateSourceOptions = {},
  ): Promise<CertificateSource> {
    const now = options.now ?? Date.now;
    const certificate = await load(settings, now(), options.onWarning);
    const source = new CertificateSource(settings, certificate, options, now);
    await source.#enqueue(() => source.#follow());
    return source;
  }

  private constructor(
    settings: CertificateSettings,
    certificate: Certificate,
    options: CertificateSourceOptions,
    now: () => number,
  ) {
    this.#settings = settings;
    this.#current = certificate;
    this.#options = options;
    this.#now = now;
    for (const warning of certificate.warnings) options.onWarning?.(warning);
    this.#mind();
    this.#timer = setInterval(() => this.#mind(), options.poll ?? 2_000);
    Deno.unrefTimer(this.#timer);
  }

  /** The certificate to serve. */
  get current(): Certificate {
    return this.#current;
  }

  /**
   * Takes another certificate; the same settings again change nothing. Rejects with CertificateError and keeps the
   * one before with its settings.
   */
  reconfigure(settings: CertificateSettings): Promise<void> {
    return this.#enqueue(async () => {
      if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return;
      const certificate = await load(settings, this.#now(), this.#options.onWarning);
      if (this.#closed) return;
      this.#settings = settings;
      this.#take(certificate);
      await this.#follow();
    });
  }

  /** Looks at the files now. Never rejects: what is wrong goes to `onError`. */
  check(): Promise<void> {
    return this.#enqueue(() => this.#reload());
  }

  /** Stops looking; nothing is called afterwards. Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#queue;
    await Promise.all(this.#watches.map((watch) => watch.close()));
  }

  async #reload(): Promise<void> {
    if (this.#closed) return;
    try {
      const certificate = await load(this.#settings, this.#now(), this.#options.onWarning, this.#current);
      if (!this.#closed) this.#take(certificate);
    } catch (error) {
      if (!this.#closed) this.#options.onError?.(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** One load at a time, in the order they were asked for. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  #take(certificate: Certificate): void {
    const { cert, key } = this.#current;
    if (certificate.cert === cert && certificate.key === key) return;
    this.#current = certificate;
    for (const warning of certificate.warnings) this.#options.onWarning?.(warning);
    this.#options.onChange?.(certificate);
  }

  /** Dates: renews what is made here, warns of what is not. */
  #mind(): void {
    const left = this.#current.notAfter - this.#now();
    if ("development" in this.#settings) {
      if (left <= RENEW_BEFORE && this.#now() - this.#renewedAt > 60_000) {
        this.#renewedAt = this.#now();
        void this.check();
      }
    } else if (left < EXPIRES_SOON && this.#warned !== this.#current) {
      this.#warned = this.#current;
      this.#options.onWarning?.(`the certificate ends at ${new Date(this.#current.notAfter).toISOString()}`);
    }
  }

  /** Watches the files of the settings, and looks at what happened to them before the watch began. */
  async #follow(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.close()));
    const { cert, key } = "development" in this.#settings
      ? developmentPaths(this.#settings.development.directory)
      : this.#settings;
    const { quiet = 60, poll = 2_000 } = this.#options;
    // Not awaited: closing a watch waits for its callback, and the callback would wait for the queue.
    const onChange = () => void this.check();
    const paths = [cert, key].filter((path) => !isInline(path));
    this.#watches = await Promise.all(paths.map((path) => watchFile(path, { onChange, quiet, poll })));
    if (paths.length > 0) await this.#reload();
  }
}

async function load(
  settings: CertificateSettings,
  now: number,
  warn: ((message: string) => void) | undefined,
  current?: Certificate,
): Promise<Certificate> {
  if (!("development" in settings)) return await loadCertificate(settings, now);
  const { certificate, made, notKept } = await developmentCertificate(settings.development, now, current);
  if (made && notKept !== undefined) warn?.(`the development certificate could not be kept: ${notKept}`);
  return certificate;
}
