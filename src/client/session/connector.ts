/**
 * From nothing to an authenticated link: where to dial, which paths and when, and what is learned from it.
 *
 * @module
 */

import type { AuthRequest, AuthResponse } from "../../protocol/mod.ts";
import { deadline, settles, untilAborted } from "../../async/deadline.ts";
import { Underway } from "../../async/underway.ts";
import { Discovery, type Endpoints } from "../discovery.ts";
import { SkeinError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import { CircuitBreaker } from "../policy/breaker.ts";
import { type Path, planDials } from "../policy/paths.ts";
import { PreferenceCache } from "../policy/preference.ts";
import type { ClientTransport, ClientTransportKind } from "../transport/contract.ts";
import { type Dialer, dialersOf } from "./dialers.ts";
import { Link } from "./link.ts";
import { race, RaceLost } from "./race.ts";
import type { Tokens } from "./tokens.ts";

/** Milliseconds for dials and connections to end when the client is closed. */
const ENDING = 2_000;

/** An authenticated link, and how it came to be. */
export interface Established {
  readonly link: Link;
  readonly response: AuthResponse;
  /** The better transport that did not come through in time; undefined when none failed. */
  readonly fellBackFrom: ClientTransportKind | undefined;
  /** Why it did not; undefined also when it was not dialled because it had failed too often. */
  readonly fellBackReason: string | undefined;
  /** Milliseconds from the first dial to the answer. */
  readonly connectTime: number;
}

/** What one attempt wants. */
export interface ConnectRequest {
  /** Only these paths, whatever their breakers say. @default all that are allowed */
  readonly only?: readonly Path[];
  /** Asked of a link that is connected but not authenticated: rejects when it is not worth having. */
  readonly probe?: (link: Link) => Promise<void>;
  /** What is resumed, asked for when a link is about to authenticate. */
  readonly resume: (link: Link, token: string) => AuthRequest["resume"];
  /** Told that a link has asked for authentication: what is sent now is read once that is granted. */
  readonly early?: (link: Link, token: string) => void;
  readonly signal: AbortSignal;
}

/** A way to the server, and what is known of it. */
interface Route {
  readonly dialer: Dialer;
  readonly breaker: CircuitBreaker;
  /** Why it did not come through last. */
  reason: string;
}

/** Milliseconds within which a server that is slow gets to what it was asked by a link that has been given up. */
const STRAY = 60_000;

/** Makes links. */
export class Connector {
  readonly #options: ResolvedOptions;
  readonly #tokens: Tokens;
  readonly #fellBack: (error: SkeinError) => void;
  /** Dials, and ends of connections that nobody uses. */
  readonly #underway = new Underway();
  readonly #preference: PreferenceCache;
  /** Best first. */
  readonly #routes: ReadonlyMap<Path, Route>;
  /** Paths that are configured and that this runtime has, best first, as far as is known without asking the service. */
  readonly paths: readonly Path[];
  readonly discovery: Discovery;
  /** When a link was given up that had asked for authentication, in the clock's milliseconds. */
  #strayedAt = -Infinity;

  /** `fellBack` is told why a better path did not come through, once for each reason. */
  constructor(options: ResolvedOptions, tokens: Tokens, fellBack: (error: SkeinError) => void) {
    this.#options = options;
    this.#fellBack = fellBack;
    this.#tokens = tokens;
    this.#preference = new PreferenceCache(options.preference);
    this.#routes = new Map(
      dialersOf(options).map((dialer) => [
        dialer.path,
        { dialer, breaker: new CircuitBreaker(options.breaker), reason: "" },
      ]),
    );
    this.paths = [...this.#routes.values()].filter(({ dialer }) => dialer.impossible === undefined)
      .map(({ dialer }) => dialer.path);
    this.discovery = new Discovery(options);
  }

  /** Whether a link of ours that was given up before its answer came may have taken the session since. */
  hasStray(): boolean {
    return this.#options.clock.now() - this.#strayedAt < STRAY;
  }

  /** When a path's breaker lets it be dialled again; not in the future when it does now. */
  openUntil(path: Path): number {
    return this.#routes.get(path)!.breaker.openUntil;
  }

  /** The network or the user's wish has changed: breakers close. */
  closeBreakers(): void {
    for (const { breaker } of this.#routes.values()) breaker.close();
  }

  /** What worked on this network is not to be believed any more. */
  forgetPreference(network: string): void {
    this.#preference.drop(this.#server(), network);
  }

  /**
   * Connects and authenticates. Rejects with what is final (SkeinError that is not temporary: `closed`, `no_transport`),
   * with RaceLost, or with the signal's reason.
   */
  async connect({ only, probe, resume, early, signal }: ConnectRequest): Promise<Established> {
    const { clock, environment, headStart, authTimeout, client } = this.#options;
    const begun = clock.now();
    if (this.paths.length === 0) throw this.#nothing();
    const asked = Promise.all([this.discovery.find(signal), this.#tokens.get()]);
    const [endpoints, token] = await untilAborted(asked, signal);
    signal.throwIfAborted();
    const kinds = new Map<Path, ClientTransportKind>();
    for (const path of this.paths) {
      const kind = this.#routes.get(path)!.dialer.kindAt(endpoints);
      if (kind !== undefined && (only?.includes(path) ?? true)) kinds.set(path, kind);
    }
    const available = [...kinds.keys()];
    if (available.length === 0) {
      throw new RaceLost([
        SkeinError.temporary("no_transport", "the service offers nothing to dial"),
      ]);
    }
    const broken = only === undefined
      ? available.filter((path) => !this.#routes.get(path)!.breaker.allows(begun))
      : [];
    const preferred = this.#preference.get(this.#server(), environment.network(), clock.wall()) ??
      (environment.quicIsDoubtful ? "websocket" : undefined);
    const lost = new Map<Path, unknown>();
    const { path, connection: link, result: response, dialled } = await race<Link, AuthResponse>({
      steps: planDials({ available, broken, preferred, headStart }),
      clock,
      signal,
      dial: async (path, signal) =>
        new Link(await this.#underway.add(this.#dial(path, endpoints, signal)), path, clock),
      authenticate: async (link) => {
        await probe?.(link);
        const resumed = resume(link, token);
        const request = { token, client, batch: true, ...(resumed === undefined ? {} : { resume: resumed }) };
        const answer = link.authenticate(request, authTimeout);
        early?.(link, token);
        return await answer;
      },
      discard: (link) => {
        if (link.isUnanswered) this.#strayedAt = clock.now();
        void this.discard(link);
      },
      isFinal: (error) => error instanceof SkeinError && ["closed", "unauthorized"].includes(error.error),
      failed: (path, error) => {
        lost.set(path, error);
        // A server that answers and asks to come back later is no reason to leave a path alone.
        if (!(error instanceof SkeinError && error.code >= 100)) this.#failed(path);
      },
    });
    const better = available.slice(0, available.indexOf(path));
    // Where UDP is dropped a dial never fails in time: to be overtaken after the whole head start is a failure too.
    const overtaken = better.filter((path) =>
      !lost.has(path) && headStart > 0 && (dialled.get(path) ?? -1) >= headStart
    );
    for (const path of overtaken) {
      lost.set(path, SkeinError.temporary("timeout", `no answer within ${headStart} ms`));
      this.#failed(path);
    }
    for (const [path, error] of lost) this.#tell(path, kinds.get(path)!, error);
    this.#routes.get(path)!.breaker.succeeded();
    // The next attempt on this network begins with it; also when the session has left a poor path for it.
    this.#preference.set(this.#server(), environment.network(), path, clock.wall());
    const fellBack = better.find((path) => lost.has(path) || broken.includes(path));
    const fellBackFrom = fellBack === undefined ? undefined : kinds.get(fellBack);
    const fellBackReason = fellBack !== undefined && lost.has(fellBack)
      ? reasonOf(lost.get(fellBack))
      : undefined;
    return { link, response, fellBackFrom, fellBackReason, connectTime: clock.now() - begun };
  }

  /** Ends a link that is not used any more. */
  discard(link: Link): Promise<void> {
    return this.#underway.add(link.discard());
  }

  /** Gives up what is shared among dials, when they have ended; resolves when nothing of it is left. */
  async close(): Promise<void> {
    await settles(this.#underway.over(), ENDING, { timers: this.#options.clock });
    await Promise.all([...this.#routes.values()].map(({ dialer }) => dialer.close()));
  }

  #failed(path: Path): void {
    this.#routes.get(path)!.breaker.failed(this.#options.clock.now());
  }

  /** The same reason is told once: a network that drops UDP does so at each connection. */
  #tell(path: Path, kind: ClientTransportKind, cause: unknown): void {
    const route = this.#routes.get(path)!;
    const reason = reasonOf(cause);
    if (route.reason === reason) return;
    route.reason = reason;
    this.#fellBack(
      new SkeinError("connection_lost", `${kind} did not come through: ${reason}`, {
        temporary: true,
        cause,
      }),
    );
  }

  #nothing(): SkeinError {
    const reasons = [...this.#routes.values()].map(({ dialer }) => dialer.impossible);
    return new SkeinError("no_transport", `nothing to dial with: ${reasons.join("; ")}`);
  }

  #server(): string {
    const { url, quicUrl, websocketUrl } = this.#options;
    return (url ?? websocketUrl ?? quicUrl)?.host ?? "";
  }

  async #dial(path: Path, endpoints: Endpoints, signal: AbortSignal): Promise<ClientTransport> {
    const { clock, compression } = this.#options;
    const { dialer } = this.#routes.get(path)!;
    const stop = new AbortController();
    const made = await dialer.make(endpoints);
    const transport = compression?.(made) ?? made;
    const connecting = transport.connect(AbortSignal.any([signal, stop.signal]));
    // Without the query, which may hold a secret.
    const where = `${path} ${endpoints[path] ?? ""}`.split("?", 1)[0]!.trimEnd();
    await deadline(connecting, dialer.timeout, () => {
      const late = SkeinError.temporary("timeout", `${where}: no answer within ${dialer.timeout} ms`);
      stop.abort(late);
      return late;
    }, { timers: clock }).catch((cause) => {
      void this.#underway.add(Promise.resolve().then(() => transport.close()));
      throw cause instanceof SkeinError || signal.aborted
        ? cause
        : new Error(`${where}: ${cause.message}`, { cause });
    });
    return transport;
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
