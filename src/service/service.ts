/**
 * The service: all rooms put together, following its configuration until it is told to end.
 *
 * @module
 */

import { type AuthSettings, createAuthenticator, type TokenAuthenticator } from "../auth/mod.ts";
import type { Engine } from "../engine/contract.ts";
import { routes } from "../handlers/mod.ts";
import { Hub, type NamespaceLookup } from "../hub/mod.ts";
import { Router } from "../router/mod.ts";
import { ClientConnection, Sessions, type SessionSettings, takeReport } from "../session/mod.ts";
import { createServerApi } from "./api.ts";
import type { CertificateSettings } from "./certificates/mod.ts";
import {
  type Config,
  type ConfigWatch,
  developmentTokens,
  type Flags,
  namespaceLookup,
  needsRestart,
  problemLine,
  toAuthSettings,
  toDocumentLimits,
  toHttpSettings,
  toSessionSettings,
  watchConfig,
} from "./config/mod.ts";
import { DevelopmentKeys } from "./development.ts";
import { openEngine } from "./engine.ts";
import { ServiceFiles } from "./files.ts";
import { guardProcess } from "./guard.ts";
import { type HttpAddress, HttpListener } from "./http_listener.ts";
import {
  createApp,
  createInternalApp,
  type DevTokenRequest,
  type HttpDeps,
  originAllowed,
} from "./http/mod.ts";
import { KeptCertificate } from "./kept_certificate.ts";
import type { Logger } from "./log/mod.ts";
import { createObserver, type ServiceObserver } from "./metrics/mod.ts";
import { type KeyPair, QuicListener } from "./quic_listener.ts";
import { clientInfo, connectionStates, outboxDepth } from "./views.ts";
import { upgradeWebSocket } from "./websocket_listener.ts";

/** How to start. */
export interface StartOptions {
  readonly config: Config;
  /** The file it came from; watched when given. */
  readonly configPath?: string | undefined;
  /** Environment and flags that lie over the file at each reload. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly flags?: Flags | undefined;
  readonly log: Logger;
  /** @default "0.0.0" */
  readonly version?: string;
}

/** Where a service listens. */
export interface Addresses {
  readonly http: { readonly hostname: string; readonly port: number };
  readonly internal: { readonly hostname: string; readonly port: number } | undefined;
  readonly quic: { readonly hostname: string; readonly port: number } | undefined;
}

/** A running service. */
export interface Service {
  /** Resolves when it has ended. */
  readonly finished: Promise<void>;
  readonly addresses: Addresses;
  /** Drains and ends; a second call waits for the first. */
  shutdown(reason: string): Promise<void>;
  /** Reads the configuration file again; says whether what it found is good. */
  reload(): Promise<boolean>;
}

/** Milliseconds between sweeps of deadlines and leases. */
const SWEEP = 1000;

/** Starts a service. Rejects when something it needs cannot be had: a port, a certificate, a key. */
export async function startService(options: StartOptions): Promise<Service> {
  const service = new RunningService(options);
  try {
    await service.start();
  } catch (error) {
    await service.shutdown("start failed");
    throw error;
  }
  return service;
}

class RunningService implements Service {
  readonly finished: Promise<void>;
  readonly #options: StartOptions;
  readonly #log: Logger;
  readonly #observer: ServiceObserver;
  readonly #engine: Engine;
  readonly #hub: Hub;
  readonly #files: ServiceFiles;
  readonly #sessions: Sessions;
  readonly #developmentKeys = new DevelopmentKeys();
  readonly #quicCertificate: KeptCertificate;
  readonly #tlsCertificate: KeptCertificate;
  readonly #quic: QuicListener;
  readonly #http: HttpListener;
  readonly #internal: HttpListener;
  readonly #unguard: () => void;
  readonly #finish = Promise.withResolvers<void>();
  readonly #startedAt = Date.now();
  #authenticator: TokenAuthenticator | undefined;
  #authSettings: AuthSettings | undefined;
  #config: Config;
  #settings: SessionSettings;
  #namespaces: NamespaceLookup;
  #watch: ConfigWatch | undefined;
  #sweep: ReturnType<typeof setInterval> | undefined;
  #shutdown: Promise<void> | undefined;
  #reload: { at: number; ok: boolean; problems: readonly string[] } | undefined;

  constructor(options: StartOptions) {
    const { config, log } = options;
    this.#options = options;
    this.#log = log;
    this.#config = config;
    this.#settings = toSessionSettings(config);
    this.#namespaces = namespaceLookup(config);
    this.finished = this.#finish.promise;
    const observer = this.#observer = createObserver({
      log: (level, event, fields) => log.log(level, event, fields),
      version: options.version ?? "0.0.0",
      thresholds: () => ({ ...this.#settings.thresholds, maxOutbox: this.#settings.maxOutbox }),
    });
    const failed = (error: unknown, stage: string) =>
      observer.log("error", "engine failure", { stage, error });
    this.#engine = openEngine(config, failed);
    this.#unguard = guardProcess(observer, () => observer.unhandledRejection());
    this.#hub = new Hub({
      engine: this.#engine,
      namespace: (name) => this.#namespaces(name),
      maxChannels: () => this.#settings.maxChannels,
      maxMessage: () => this.#settings.maxMessage,
      failed,
    });
    this.#files = new ServiceFiles({
      config: () => this.#config,
      namespace: this.#hub.namespace,
      verify: (token) => this.#authenticator!.verify(token),
      failed: (error, stage) => observer.log("error", "file failure", { stage, error }),
    });
    const handlers = routes({
      hub: this.#hub,
      files: this.#files,
      maxMessage: (client) => (client as ClientConnection).settings.maxMessage,
      documents: () => toDocumentLimits(this.#config),
      reports: {
        rtt: (client, rtt) => client instanceof ClientConnection && takeReport(client, { rtt }),
        report: (client, report) => client instanceof ClientConnection && takeReport(client, report),
      },
    });
    const router = new Router(handlers, [this.#files.listen]);
    this.#sessions = new Sessions({
      settings: () => this.#settings,
      authenticator: {
        verify: (token) => this.#authenticator!.verify(token),
        trusts: (principal) => this.#authenticator!.trusts(principal),
      },
      membership: this.#hub,
      observer,
      node: config.node ?? hostname(),
      dispatch: (context) => router.dispatch(context),
    });
    const broken = (error: unknown) => observer.log("error", "http failure", { error });
    this.#quicCertificate = new KeptCertificate("quic", log, (pair) => this.#quic.setCertificate(pair));
    this.#tlsCertificate = new KeptCertificate("http.tls", log, (pair) => {
      void this.#http.apply(this.#httpPlace(this.#config, pair)).catch(broken);
    });
    const deps = this.#httpDeps();
    const app = createApp(deps);
    this.#http = new HttpListener(app, broken);
    this.#internal = new HttpListener(createInternalApp(deps), broken);
    this.#quic = new QuicListener({
      sessions: this.#sessions,
      observer,
      fetch: app,
      originAllowed: (origin, host) => originAllowed(origin, this.#config.http.allowedOrigins, host),
    });
    observer.connect({
      traffic: () => this.#sessions.traffic(),
      outbox: () => outboxDepth(this.#sessions),
      sessions: () => this.#sessions.counts,
      hub: () => ({ channels: this.#hub.channelCount, users: this.#hub.userCount }),
      certificateExpiry: () => this.#quicCertificate.current?.notAfter,
    });
  }

  get addresses(): Addresses {
    return {
      http: this.#http.address ?? { hostname: this.#config.http.hostname, port: this.#config.http.port },
      internal: this.#internal.address,
      quic: this.#quic.address,
    };
  }

  async start(): Promise<void> {
    await this.#applyAuth(this.#config);
    await this.#files.store.resume();
    await this.#applyListeners(this.#config);
    this.#observer.start();
    this.#sweep = setInterval(() => this.#onSweep(), SWEEP);
    const { configPath, env, flags } = this.#options;
    if (configPath !== undefined) {
      this.#watch = await watchConfig({
        path: configPath,
        env,
        flags,
        current: this.#config,
        onChange: (next, previous, changed) => this.#apply(next, previous, changed),
        onUnchanged: async (current) => {
          await this.#applyAuth(current);
          this.#revoke();
          this.#reloaded({ changed: [] });
        },
        onProblems: (problems) => {
          const lines = problems.map((problem) => problemLine(problem));
          this.#observer.configReloaded(false);
          this.#reload = { at: Date.now(), ok: false, problems: lines };
          this.#log.error("configuration refused, the last good one stays", {
            path: configPath,
            problems: lines,
          });
        },
      });
    }
  }

  reload(): Promise<boolean> {
    if (this.#watch === undefined) this.#log.warn("nothing to reload: there is no configuration file");
    return this.#watch?.reload() ?? Promise.resolve(false);
  }

  shutdown(reason: string): Promise<void> {
    return this.#shutdown ??= this.#end(reason);
  }

  async #end(reason: string): Promise<void> {
    this.#log.info("draining", { reason, connections: this.#sessions.connections.size });
    await this.#watch?.close();
    this.#quic.drain();
    await this.#sessions.drain(this.#config.drain.deadline);
    await Promise.all([this.#quic.close(), this.#http.close(500), this.#internal.close(500)]);
    clearInterval(this.#sweep);
    await Promise.all([this.#quicCertificate.close(), this.#tlsCertificate.close()]);
    this.#authenticator?.close();
    this.#observer.stop();
    await this.#files.store.close();
    await this.#engine.close();
    // One turn of the event loop, or the last packets never leave.
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#unguard();
    this.#log.info("ended", { reason });
    this.#finish.resolve();
  }

  /** Puts a configuration in force. What can fail comes first, so that a failure leaves all as it was. */
  async #apply(next: Config, previous: Config, changed: readonly string[]): Promise<void> {
    const touches = (group: string) => changed.some((key) => key === group || key.startsWith(`${group}.`));
    // Always: a file with a key in it may have changed under the same name.
    await this.#applyAuth(next);
    try {
      if (touches("quic") || touches("http") || touches("certificates")) await this.#applyListeners(next);
    } catch (error) {
      await this.#applyAuth(previous);
      // A listener that had moved already goes back.
      await this.#applyListeners(previous).catch((error) =>
        this.#log.error("listeners are not where they were", { error })
      );
      throw error;
    }
    this.#config = next;
    this.#settings = toSessionSettings(next);
    this.#namespaces = namespaceLookup(next);
    if (touches("log")) this.#log.configure(next.log);
    this.#revoke();
    const later = changed.filter(needsRestart);
    this.#reloaded({ changed, ...(later.length === 0 ? {} : { afterRestart: later }) });
  }

  /** Keys that were taken away take their tokens with them, at once. */
  #revoke(): void {
    const ended = this.#sessions.revoke();
    if (ended > 0) this.#log.warn("connections ended: the keys of their tokens are gone", { ended });
  }

  #reloaded(fields: Record<string, unknown>): void {
    this.#observer.configReloaded(true);
    this.#reload = { at: Date.now(), ok: true, problems: [] };
    this.#log.info("configuration in force", fields);
  }

  async #applyAuth(config: Config): Promise<void> {
    const configured = await toAuthSettings(config);
    const settings = developmentTokens(config) ? this.#developmentKeys.extend(configured) : configured;
    if (this.#authenticator === undefined) {
      this.#authenticator = createAuthenticator(settings, {
        log: (level, event, fields) => this.#log.log(level, event, fields),
      });
    } else {
      this.#authenticator.reconfigure(settings);
    }
    this.#authSettings = settings;
  }

  // QUIC first: whoever reaches HTTP is told of it by /client.json.
  async #applyListeners(config: Config): Promise<void> {
    const { http, quic } = config;
    const tls = http.tls === null ? undefined : await this.#tlsCertificate.apply(http.tls);
    this.#quic.apply(
      quic,
      quic.enabled ? await this.#quicCertificate.apply(quicCertificate(config)) : undefined,
    );
    await this.#http.apply(this.#httpPlace(config, tls));
    await this.#internal.apply(http.internal === null ? undefined : { ...http.internal, tls: undefined });
  }

  #httpPlace({ http }: Config, tls: KeyPair | undefined): HttpAddress {
    return { hostname: http.hostname, port: http.port, tls: tls && { cert: tls.cert, key: tls.key } };
  }

  #onSweep(): void {
    const now = Date.now();
    try {
      this.#sessions.sweep(now);
      this.#hub.sweep(now);
      this.#engine.sweep(now);
      this.#files.sweep(now);
    } catch (error) {
      this.#log.error("sweep failed", { error });
    }
  }

  #httpDeps(): HttpDeps {
    // deno-lint-ignore no-this-alias
    const service = this;
    return {
      settings: () => toHttpSettings(this.#config),
      clientInfo: () => {
        const { http, quic } = this.addresses;
        const hash = this.#quicCertificate.browserHash;
        return clientInfo(
          this.#config,
          this.#settings,
          { http: http.port, quic: quic?.port },
          hash === undefined ? [] : [hash],
        );
      },
      upgradeWebSocket: (request, info) => upgradeWebSocket(this.#sessions, this.#observer, request, info),
      notReady: () => this.#sessions.draining ? "draining" : this.#engine.healthy() ? undefined : "engine",
      metrics: this.#observer,
      connections: () => connectionStates(this.#sessions, (client) => this.#hub.channelsOf(client)),
      status: () => ({
        node: this.#config.node ?? hostname(),
        startedAt: this.#startedAt,
        draining: this.#sessions.draining,
        engine: this.#engine.name,
        files: this.#files.store.status() ?? null,
        listeners: this.addresses,
        auth: this.#authenticator?.status(),
        lastReload: this.#reload ?? null,
      }),
      files: this.#files,
      api: createServerApi(this.#hub, this.#sessions),
      // Asked for with each request: keys that are configured while running end it.
      get devToken() {
        if (!developmentTokens(service.#config)) return undefined;
        return (request: DevTokenRequest) => service.#developmentKeys.token(request, service.#authSettings!);
      },
      log: (level, event, fields) => this.#log.log(level, event, fields),
    };
  }
}

function quicCertificate(config: Config): CertificateSettings {
  const { cert, key } = config.quic;
  return cert !== null && key !== null ? { cert, key } : { development: config.certificates };
}

function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return "skein";
  }
}
