/**
 * The HTTP app as a module: one app for TCP and HTTP/3, one for the internal listener.
 *
 * @module
 */

import type { Config } from "../config/mod.ts";
import type { ErasureModule } from "../erasure/module.ts";
import type { FilesModule } from "../files/module.ts";
import type { FunctionsModule } from "../functions/module.ts";
import type { HubModule } from "../hub/module.ts";
import type { Logger } from "../log/mod.ts";
import type { MetricsModule } from "../metrics/module.ts";
import { LabelledCounter } from "../metrics/labelled_counter.ts";
import { counter, counters, gauge, type Series } from "../metrics/series.ts";
import { type Module, started } from "../module.ts";
import type { SessionsModule } from "../sessions/module.ts";
import { connectionStates, withNode } from "../sessions/connections.ts";
import type { WebhooksModule } from "../webhooks/module.ts";
import type { TokensModule } from "../tokens/module.ts";
import { Answering } from "./answering.ts";
import { AnswerBudget } from "./answers.ts";
import { ApiCounters } from "./api_counters.ts";
import { createApp, createInternalApp } from "./app.ts";
import { toHttpSettings } from "./app_settings.ts";
import type { FetchHandler, HttpDeps, HttpSettings } from "./deps.ts";
import { clientInfo, type Reachable } from "./client_info.ts";
import { createServerApi } from "./api_methods.ts";
import { TokenEnds } from "./api_ends.ts";
import { RequestRates } from "./request_rates.ts";
import { upgradeWebSocket } from "./websocket.ts";

/** What the app needs of other parts. */
export interface HttpAppOptions {
  readonly hub: HubModule;
  readonly sessions: SessionsModule;
  readonly files: FilesModule;
  readonly erasure: ErasureModule;
  readonly functions: FunctionsModule;
  readonly tokens: TokensModule;
  readonly metrics: MetricsModule;
  readonly webhooks: WebhooksModule;
  /** What all modules tell for `/stats` and `/readyz`. */
  readonly modules: {
    status(): Readonly<Record<string, unknown>>;
    notReady(): string | undefined;
  };
  /** Where the service listens now, for `/client.json`. */
  readonly reachable: () => Reachable;
  /** The name of this node. */
  readonly node: string;
  readonly version: string;
  readonly log: Logger;
}

/** Answers HTTP requests, whatever carried them; follows `http`, `api`, `metrics` and `admin`. */
export class HttpAppModule implements Module {
  readonly name = "http app";
  readonly keys = ["http", "quic", "api", "metrics", "admin"] as const;
  readonly #apiCalls = new ApiCounters();
  /** How often addresses ask, on every version of HTTP. */
  readonly rates: RequestRates = new RequestRates();
  readonly #answersRefused = new LabelledCounter();
  readonly #answering = new Answering();
  readonly #answers = this.#budget();
  /** Of the internal listener: operators look at the service just when strangers use up what answers may hold. */
  readonly #internalAnswers = this.#budget();
  readonly series: readonly Series[] = [
    gauge(
      "skein_http_answers_bytes",
      "Bytes that answers hold until they are read.",
      () => this.#answers.total + this.#internalAnswers.total,
    ),
    counters(
      "skein_http_answers_refused_total",
      "Answers that were refused because others hold too much, or ended because they were not read.",
      ["reason"],
      () => this.#answersRefused.samples(),
    ),
    ...this.#apiCalls.series,
    counter(
      "skein_http_requests_refused_total",
      "Ordinary requests that were refused because their address asks too often.",
      () => this.rates.refused,
    ),
  ];
  readonly #options: HttpAppOptions;
  #config: Config | undefined;
  #settings: HttpSettings | undefined;
  #ends: TokenEnds | undefined;
  #handler: FetchHandler | undefined;
  #internalHandler: FetchHandler | undefined;

  constructor(options: HttpAppOptions) {
    this.#options = options;
  }

  /** The settings in force. */
  get settings(): HttpSettings {
    return started(this.#settings, this.name);
  }

  /** The app of the public listener and of HTTP/3. */
  get handler(): FetchHandler {
    return started(this.#handler, this.name);
  }

  /** The app of the internal listener. */
  get internalHandler(): FetchHandler {
    return started(this.#internalHandler, this.name);
  }

  start(config: Config): void {
    this.apply(config);
    const deps = this.#deps();
    this.#handler = this.#answering.of(createApp(deps));
    this.#internalHandler = this.#answering.of(
      createInternalApp({ ...deps, answers: this.#internalAnswers }),
    );
  }

  apply(config: Config): void {
    this.#config = config;
    this.#settings = toHttpSettings(config);
    this.rates.set(config.http.perIp);
  }

  sweep(): void {
    this.#answers.sweep();
    this.#internalAnswers.sweep();
    this.#ends?.sweep();
  }

  /** All listeners have ended: what still works for their clients has some time, before what it works with is closed. */
  async close(): Promise<void> {
    await this.#answering.over();
  }

  #budget(): AnswerBudget {
    return new AnswerBudget({
      limits: () => started(this.#config, this.name).http.answers,
      refused: (reason) => this.#answersRefused.add(reason),
    });
  }

  #deps(): HttpDeps {
    const { tokens, metrics, modules, reachable, webhooks, log } = this.#options;
    const { hub } = this.#options.hub, { sessions, observer } = this.#options.sessions;
    const { files } = this.#options.files;
    const authenticated = new WeakMap<object, () => void>();
    hub.events.listen("http connections", ({ kind, client }) => {
      if (kind === "connect") authenticated.get(client)?.();
    });
    const { node, erasure } = this.#options;
    const ends = this.#ends = new TokenEnds(hub, sessions);
    erasure.endUsersBy(async (user) => {
      const selector = { user, issuedBefore: Math.floor(Date.now() / 1000) + 1 };
      await tokens.revocations.revoke(selector);
      await ends.end(selector);
    });
    const connections = () => connectionStates(sessions, (client) => hub.channelsOf(client));
    return {
      settings: () => this.settings,
      clientInfo: () => clientInfo(this.#config!, this.#options.sessions.settings, reachable()),
      upgradeWebSocket: (info, source) =>
        upgradeWebSocket(
          sessions,
          observer,
          info,
          source,
          this.#config!.http.deflateFrom ?? undefined,
          authenticated,
        ),
      answers: this.#answers,
      pace: (address) => this.rates.take(address),
      notReady: () => modules.notReady(),
      metrics,
      connections,
      status: () => modules.status(),
      files,
      functions: this.#options.functions,
      api: createServerApi({
        hub,
        sessions,
        connections: () => withNode(connections(), node),
        deleteFile: (fileId) => files.store.delete(fileId),
        listFiles: (options) => files.store.list(options),
        documents: erasure.documents,
        users: erasure.users,
        userExport: erasure.export,
        amend: tokens.amend,
        revocations: tokens.revocations,
        ends,
        functions: this.#options.functions,
        webhooks: () => webhooks.workers,
        status: () => modules.status(),
      }),
      // Asked for with each request: keys that are configured while running end it.
      get devToken() {
        return tokens.devToken;
      },
      version: this.#options.version,
      apiCall: this.#apiCalls.count,
      log: (level, event, fields) => log.log(level, event, fields),
    };
  }
}
