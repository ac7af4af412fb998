/**
 * The HTTP listeners as modules: the public one and the internal one.
 *
 * @module
 */

import { CertificateModule } from "../certificates/module.ts";
import type { Config } from "../config/mod.ts";
import type { Logger } from "../log/mod.ts";
import type { Module } from "../module.ts";
import { counters, gauges, type Series } from "../metrics/series.ts";
import { hostOf } from "../../session/mod.ts";
import { RepeatedLines } from "../log/repeated.ts";
import { LabelledCounter } from "../metrics/labelled_counter.ts";
import type { HttpAppModule } from "./app_module.ts";
import { ConnectionPool, type Pooled, type PoolLimits, type PoolRefusal } from "./connection_pool.ts";
import {
  countFree,
  type DescriptorPlan,
  DescriptorReserve,
  MOST_RESERVED,
  planDescriptors,
} from "./descriptors.ts";
import { type HttpAddress, HttpListener } from "./listener.ts";

/** Milliseconds that requests in progress have when the service ends. */
const GRACE = 500;
/** Connections beside `session.maxConnections`: for pages, files, the API and health. */
const BESIDE_SESSIONS = 2000;
/** Sweeps between two looks whether the listener accepts. */
const WATCH_SWEEPS = 5;
/** Sweeps after a lack of descriptors in which each of them looks: then it is likely that the listener has ended. */
const ALARM_SWEEPS = 30;
/** Lines of one kind in a period, and its milliseconds. */
const LINES = 5, LINES_PERIOD = 10_000;

/** The public listener: page, WebSocket, API, health; follows `http`. */
export class HttpModule implements Module {
  readonly name = "http";
  readonly keys = ["http", "session.maxConnections"] as const;
  readonly series: readonly Series[];
  /** Its certificate, a module that comes before this one. */
  readonly certificate: CertificateModule;
  readonly #app: HttpAppModule;
  readonly #log: Logger;
  readonly #lines: RepeatedLines;
  readonly #refusals = new LabelledCounter();
  readonly #reserve = new DescriptorReserve();
  readonly #pool = new ConnectionPool({
    limits: () => this.#limits,
    hasDescriptor: () => this.#reserve.hasRoom(),
    refused: (reason, address) => this.#refused(reason, address),
  });
  #limits: PoolLimits = { total: Infinity, perAddress: Infinity, bound: "connections" };
  #wanted = 0;
  #plan: DescriptorPlan = { connections: Infinity, backlog: 511 };
  #sweeps = 0;
  #alarm = 0;
  #listener: HttpListener | undefined;

  constructor(app: HttpAppModule, log: Logger) {
    this.#app = app;
    this.#log = log;
    this.#lines = new RepeatedLines({
      log: (level, event, fields) => log.log(level, event, fields),
      now: () => performance.now(),
      lines: LINES,
      period: LINES_PERIOD,
    });
    this.series = [
      gauges(
        "skein_http_connections",
        "TCP connections of the HTTP listener by what they do.",
        ["stage"],
        () => Object.entries(this.#pool.counts).map(([stage, count]) => [[stage], count] as const),
      ),
      counters(
        "skein_http_refused_total",
        "TCP connections that were refused, or gave way to a new one.",
        ["reason"],
        () => this.#refusals.samples(),
      ),
      counters(
        "skein_http_restarts_total",
        "Times the HTTP listener had stopped accepting and was started again.",
        [],
        () => [[[], this.#listener?.restarts ?? 0]],
      ),
    ];
    this.certificate = new CertificateModule({
      name: "http.tls",
      keys: ["http.tls"],
      settings: ({ http }) => http.tls ?? undefined,
      changed: (tls) => {
        this.#listener?.setCertificate(tls).catch((error) => log.error("http failure", { error }));
      },
      log,
    });
  }

  /** Where it listens; `undefined` while it does not. */
  get address(): { readonly hostname: string; readonly port: number } | undefined {
    return this.#listener?.address;
  }

  start(config: Config): Promise<void> {
    this.#listener = new HttpListener({
      group: "http",
      handler: this.#app.handler,
      admitConnection: (address, close) => this.#admit(address, close),
      log: this.#log,
    });
    return this.apply(config);
  }

  async apply({ http, session }: Config): Promise<void> {
    this.#shareOut(http.maxConnections ?? session.maxConnections + BESIDE_SESSIONS);
    const { connections } = this.#plan;
    this.#limits = {
      total: connections,
      perAddress: http.perIp.connections,
      bound: connections < this.#wanted ? "descriptors" : "connections",
    };
    const { hostname, port, websocket, headTimeout } = http;
    const tls = http.tls === null ? undefined : this.certificate.current;
    const address: HttpAddress = {
      hostname,
      port,
      websocket,
      headTimeout,
      backlog: this.#plan.backlog,
      tls: tls && { cert: tls.cert, key: tls.key },
    };
    await this.#listener!.apply(address);
  }

  sweep(): void {
    this.#lines.sweep();
    const isAlarmed = this.#alarm > 0;
    if (isAlarmed) this.#alarm--;
    if (++this.#sweeps % WATCH_SWEEPS === 0 || isAlarmed) void this.#listener?.keepAccepting();
  }

  async close(): Promise<void> {
    await this.#listener?.close(GRACE);
    this.#reserve.close();
  }

  status(): Record<string, unknown> {
    return {
      listeners: { http: this.address },
      http: {
        connections: this.#pool.counts,
        refused: this.#refusals.toJSON(),
        restarts: this.#listener?.restarts ?? 0,
      },
    };
  }

  /** Finds out how many of the connections wanted there are descriptors for. */
  #shareOut(wanted: number): void {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    const { size } = this.#pool;
    const free = countFree(Math.max(0, wanted + MOST_RESERVED - size)) + size;
    this.#plan = planDescriptors(free, wanted);
    const { connections } = this.#plan;
    if (connections < wanted) {
      this.#log.warn(
        "file descriptors for fewer connections than are allowed: raise the limit of the process",
        {
          connections,
          allowed: wanted,
        },
      );
    }
  }

  #admit(address: string, close: () => void): Pooled | undefined {
    // A proxy's connections belong to many clients.
    const isProxy = this.#app.settings.trustedProxies.has(address);
    return this.#pool.enter(isProxy ? undefined : hostOf(`${address}:0`), address, close);
  }

  #refused(reason: PoolRefusal, address: string): void {
    this.#refusals.add(reason);
    if (reason === "descriptors") this.#alarm = ALARM_SWEEPS;
    this.#lines.write("warn", "http connection limit", { reason }, { reason, remote: address });
  }
}

/** The internal listener: health, metrics, API and dashboard without a key; follows `http.internal`. */
export class InternalHttpModule implements Module {
  readonly name = "internal http";
  readonly keys = ["http.internal"] as const;
  readonly #app: HttpAppModule;
  readonly #log: Logger;
  #listener: HttpListener | undefined;

  constructor(app: HttpAppModule, log: Logger) {
    this.#app = app;
    this.#log = log;
  }

  /** Where it listens; `undefined` while it does not. */
  get address(): { readonly hostname: string; readonly port: number } | undefined {
    return this.#listener?.address;
  }

  start(config: Config): Promise<void> {
    const handler = this.#app.internalHandler;
    this.#listener = new HttpListener({ group: "http.internal", handler, log: this.#log });
    return this.apply(config);
  }

  async apply({ http: { internal } }: Config): Promise<void> {
    await this.#listener!.apply(internal === null ? undefined : { ...internal, tls: undefined });
  }

  async close(): Promise<void> {
    await this.#listener?.close(GRACE);
  }

  status(): Record<string, unknown> {
    return { listeners: { internal: this.address } };
  }
}
