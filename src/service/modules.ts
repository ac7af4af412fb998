/**
 * The modules of the service, in their order: each one after those it needs.
 *
 * @module
 */

import type { Config, Flags } from "./config/mod.ts";
import { ConfigModule } from "./config/module.ts";
import { EngineModule } from "./engine/module.ts";
import type { OpenEngine } from "./engine/open.ts";
import { ErasureModule } from "./erasure/module.ts";
import { FilesModule } from "./files/module.ts";
import { FunctionsModule } from "./functions/module.ts";
import { HandlersModule } from "./handlers/module.ts";
import { HttpAppModule } from "./http/app_module.ts";
import type { Reachable } from "./http/client_info.ts";
import { HttpModule, InternalHttpModule } from "./http/module.ts";
import { HubModule } from "./hub/module.ts";
import type { Logger } from "./log/mod.ts";
import { logModule } from "./log/module.ts";
import { MetricsModule } from "./metrics/module.ts";
import type { Series } from "./metrics/series.ts";
import type { Module } from "./module.ts";
import { NodesModule } from "./nodes/module.ts";
import { PeersModule } from "./peers/module.ts";
import { hostname, ProcessModule } from "./process/module.ts";
import { QuicModule } from "./quic/module.ts";
import { SessionsModule } from "./sessions/module.ts";
import { RevocationModule } from "./sessions/revocation.ts";
import { WebhooksModule } from "./webhooks/module.ts";
import { TokensModule } from "./tokens/module.ts";

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
  /** Opens the engine, for a program that runs several nodes on one store. @default the one that the configuration names */
  readonly openEngine?: OpenEngine;
}

/** What the modules need of the service that runs them. */
export interface Control {
  apply(next: Config, previous: Config, changed: readonly string[]): Promise<void>;
  series(): readonly Series[];
  status(): Readonly<Record<string, unknown>>;
  notReady(): string | undefined;
}

/** The list, and the modules that the service asks for something. */
export interface Modules {
  readonly list: readonly Module[];
  readonly configuration: ConfigModule;
  readonly sessions: SessionsModule;
  readonly quic: QuicModule;
  readonly http: HttpModule;
  readonly internal: InternalHttpModule;
}

/** Makes all modules; none of them does anything before its start. */
export function createModules(options: StartOptions, control: Control): Modules {
  const { log } = options;
  const node = options.config.node ?? hostname();
  const failed = (error: unknown, stage: string) => log.error("engine failure", { stage, error });

  const engine = new EngineModule(failed, options.openEngine, log);
  const tokens = new TokensModule(engine, log);
  const hub = new HubModule(engine, tokens.extend, log);
  const files = new FilesModule(engine, hub, tokens, log);
  const functions = new FunctionsModule(engine, hub, log);
  const erasure = new ErasureModule(engine, hub, log);
  const peers = new PeersModule();
  const handlers = new HandlersModule(hub, files, erasure, peers);
  const sessions = new SessionsModule({ engine, hub, tokens, handlers, node, log });
  const reachable = (): Reachable => ({
    httpPort: http.address?.port ?? 0,
    quicPort: quic.address?.port,
    certificateHashes: quic.certificate.browserHash === undefined ? [] : [quic.certificate.browserHash],
  });
  const version = options.version ?? "0.0.0";
  const webhooks = new WebhooksModule({ engine, hub, node, version, log });
  const metrics = new MetricsModule(control.series);
  const app = new HttpAppModule({
    hub,
    sessions,
    files,
    erasure,
    functions,
    tokens,
    metrics,
    webhooks,
    modules: control,
    reachable,
    node,
    version,
    log,
  });
  const quic = new QuicModule({ sessions, app, log });
  const http = new HttpModule(app, log);
  const internal = new InternalHttpModule(app, log);
  const configuration = new ConfigModule({
    path: options.configPath,
    env: options.env,
    flags: options.flags,
    apply: control.apply,
    log,
  });

  const list: readonly Module[] = [
    logModule(log),
    new ProcessModule(node, version, log),
    engine,
    hub,
    tokens,
    files,
    functions,
    erasure,
    peers,
    handlers,
    sessions,
    // Before any listener: a session that comes from another node is claimed by one that is known.
    new NodesModule(node, engine, sessions, log),
    // Before any listener: whoever connects may have to be decided about.
    webhooks,
    metrics,
    app,
    // Certificates before any listener, and QUIC before HTTP: /client.json tells whoever reaches HTTP of QUIC.
    http.certificate,
    quic.certificate,
    quic,
    http,
    internal,
    new RevocationModule({ hub, sessions, tokens, reload: () => configuration.reload(), log }),
    configuration,
  ];
  return { list, configuration, sessions, quic, http, internal };
}
