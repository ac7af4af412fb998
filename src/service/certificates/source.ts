/**
 * The certificate that is served now. While the service runs its files are watched and the development certificate is
 * renewed in time; a certificate that cannot be served leaves the last good one in place.
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
  /** A warning: the certificate expires soon, or it could not be written to disk. */
  readonly onWarning?: (message: string) => void;
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number;
  /** Time between checks of files and dates when there is no file event. @default 2000 */
  readonly poll?: number;
  /** How long to wait for more file events after one. @default 60 */
  readonly quiet?: number;
}

/** A configured certificate with less time left than this gets a warning. */
const EXPIRES_SOON = 7 * 86_400_000;

/** The certificate that is served now. */
export class CertificateSource {
  readonly #options: CertificateSourceOptions;
  readonly #now: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  #settings: CertificateSettings;
  #current: Certificate;
  #watches: readonly FileWatch[] = [];
  /** The certificate for which the warning was given. */
  #warned: Certificate | undefined;
  #renewedAt = -Infinity;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  /**
   * Loads the certificate and starts to watch it. Rejects with CertificateError when it cannot be served.
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
    this.#checkDates();
    this.#timer = setInterval(() => this.#checkDates(), options.poll ?? 2_000);
    Deno.unrefTimer(this.#timer);
  }

  /** The certificate to serve. */
  get current(): Certificate {
    return this.#current;
  }

  /**
   * Switches to another certificate; the same settings again change nothing. Rejects with CertificateError and keeps
   * the previous certificate and settings.
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

  /** Checks the files now. Never rejects: failures go to `onError`. */
  check(): Promise<void> {
    return this.#enqueue(() => this.#reload());
  }

  /** Stops watching; no callback is called afterwards. Resolves when all work has ended. */
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

  /** Renews a development certificate that expires soon; warns of a configured one. */
  #checkDates(): void {
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

  /** Watches the files of the settings, and then reads them once: they may have changed before the watch began. */
  async #follow(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.close()));
    const { cert, key } = "development" in this.#settings
      ? developmentPaths(this.#settings.development.directory)
      : this.#settings;
    const { quiet = 60, poll = 2_000 } = this.#options;
    // Not awaited: closing a watch waits for its callback, and the callback would wait for the queue that closes it.
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
