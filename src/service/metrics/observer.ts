/**
 * What happens, counted: the `Observer` of the sessions, and the figures for `/metrics` and `/stats`.
 *
 * @module
 */

import type { ClientReport, Level, Observer } from "../../session/contract.ts";
import type { TransportKind } from "../../transport/contract.ts";
import { Diagnostics, type Log, type Thresholds } from "./diagnostics.ts";
import type { Exposition } from "./exposition.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { ProcessSampler } from "./process.ts";
import type { Snapshot } from "./series.ts";
import { closeLabel, fallbackLabel, type Sources, State } from "./state.ts";

/** Clients' figures above these are not believed: a minute of round trip, ten to be connected. */
const MOST_RTT = 60_000;
const MOST_CONNECT = 600_000;
/** Ticks of the sampler between two looks at the outboxes: 5 s. */
const OUTBOX_TICKS = 20;

/** Options of `createObserver`. */
export interface ObserverOptions {
  /** Where log lines go. */
  readonly log: Log;
  /** The version of the service, for `skein_build_info`. */
  readonly version: string;
  /** When diagnostic lines are due; asked each time, so that a new configuration counts at once. */
  readonly thresholds: () => Thresholds;
  /** A clock in milliseconds. @default Date.now */
  readonly now?: () => number;
  /** Milliseconds between two diagnostic lines of one kind. @default 10000 */
  readonly quietPeriod?: number;
}

/** The observer of a service. */
export interface ServiceObserver extends Observer {
  rtt(kind: TransportKind, ms: number, connectionId?: string): void;
  report(kind: TransportKind, report: ClientReport, connectionId?: string): void;
  /** Looks at one connection's outbox: a diagnostic line when it is too deep. The deepest one of `Sources.outbox` is looked at every 5 s without this. */
  outbox(kind: TransportKind, bytes: number, connectionId?: string): void;
  /** Tells where the figures are that others keep; may be called several times, each with a part. */
  connect(sources: Partial<Sources>): void;
  /** The configuration was read again: taken, or refused with the last good one kept. */
  configReloaded(ok: boolean): void;
  /** A rejection that nothing had caught. */
  unhandledRejection(): void;
  /** The figures for `/stats`. */
  figures(): Figures;
  /** The Prometheus text. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Starts sampling the event loop. */
  start(): void;
  /** Stops it. */
  stop(): void;
}

/** Makes the observer. It samples nothing until `start`. */
export function createObserver(options: ObserverOptions): ServiceObserver {
  return new MetricsObserver(options);
}

class MetricsObserver implements ServiceObserver {
  readonly #options: ObserverOptions;
  readonly #state = new State();
  readonly #diagnostics: Diagnostics;
  readonly #sampler = new ProcessSampler(() => this.#tick());
  #sources: Partial<Sources> = {};
  #exposition: Promise<Exposition> | undefined;
  #ticks = 0;

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#diagnostics = new Diagnostics(
      options.log,
      options.thresholds,
      options.now ?? Date.now,
      options.quietPeriod,
    );
  }

  log(level: Level, event: string, fields: Record<string, unknown>): void {
    this.#options.log(level, event, fields);
  }

  opened(kind: TransportKind): void {
    const transport = this.#state.transports[kind];
    transport.active++;
    transport.opened++;
  }

  closed(kind: TransportKind, code: number): void {
    const transport = this.#state.transports[kind];
    transport.active--;
    transport.closes.add(closeLabel(code));
  }

  authenticated(kind: TransportKind, result: string): void {
    this.#state.transports[kind].auth.add(result);
  }

  error(kind: TransportKind, code: string): void {
    this.#state.transports[kind].errors.add(code);
  }

  dropped(kind: TransportKind, grade: string, count: number): void {
    this.#state.transports[kind].drops.add(grade, count);
  }

  migrated(kind: TransportKind): void {
    this.#state.transports[kind].migrations++;
  }

  resumed(_kind: TransportKind, outcome: string): void {
    this.#state.resumes.add(outcome);
  }

  handled(kind: TransportKind, ms: number): void {
    this.#state.transports[kind].handled.observe(ms / 1000);
  }

  rtt(kind: TransportKind, ms: number, connectionId?: string): void {
    if (!(ms >= 0 && ms <= MOST_RTT)) return;
    this.#state.transports[kind].rtt.observe(ms / 1000);
    this.#diagnostics.rtt(kind, ms, connectionId);
  }

  report(kind: TransportKind, report: ClientReport, connectionId?: string): void {
    const state = this.#state;
    // `rtt` is not read: sessions tell it by `rtt()`, from pings too. `reconnects` is no count of its own:
    // each report of a session repeats it.
    const { fallbackFrom, connectTime, loss, migrationFailed } = report;
    if (fallbackFrom !== undefined) state.fallbacks.add(fallbackLabel(fallbackFrom));
    if (connectTime !== undefined && connectTime <= MOST_CONNECT) {
      state.connectTime.observe(connectTime / 1000);
    }
    if (loss !== undefined && loss >= 0 && loss <= 1) this.#diagnostics.loss(kind, loss, connectionId);
    if (migrationFailed === true) state.transports[kind].migrationFailures++;
  }

  outbox(kind: TransportKind, bytes: number, connectionId?: string): void {
    this.#diagnostics.outbox(kind, bytes, connectionId);
  }

  connect(sources: Partial<Sources>): void {
    this.#sources = { ...this.#sources, ...sources };
  }

  configReloaded(ok: boolean): void {
    if (ok) this.#state.reloadsOk++;
    else this.#state.reloadsFailed++;
    this.#state.lastReloadOk = ok;
  }

  unhandledRejection(): void {
    this.#state.unhandledRejections++;
  }

  figures(): Figures {
    return figuresOf(this.#snapshot());
  }

  async expose(): Promise<{ contentType: string; body: string }> {
    this.#exposition ??= import("./exposition.ts").then((m) => new m.Exposition());
    const exposition = await this.#exposition;
    return { contentType: exposition.contentType, body: await exposition.render(this.#snapshot()) };
  }

  start(): void {
    this.#sampler.start();
  }

  stop(): void {
    this.#sampler.stop();
  }

  #snapshot(): Snapshot {
    const sources = this.#sources;
    return {
      state: this.#state,
      process: this.#sampler.read(),
      version: this.#options.version,
      deno: Deno.version.deno,
      traffic: sources.traffic?.() ?? {},
      outbox: sources.outbox?.(),
      sessions: sources.sessions?.(),
      hub: sources.hub?.(),
      certificateExpiry: sources.certificateExpiry?.(),
    };
  }

  #tick(): void {
    if (++this.#ticks % OUTBOX_TICKS !== 0) return;
    const depth = this.#sources.outbox?.();
    if (depth === undefined) return;
    this.#diagnostics.outbox(
      depth.deepest?.transport ?? "any",
      depth.maxBytes,
      depth.deepest?.connectionId,
    );
  }
}
