/**
 * From nothing to an authenticated link: where to dial, which transports and when, and what is learned from it.
 *
 * @module
 */

import type { AuthRequest, AuthResponse } from "../../protocol/mod.ts";
import { within } from "../clock.ts";
import { Discovery, type Endpoints } from "../discovery.ts";
import { SkeinError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import { CircuitBreaker } from "../policy/breaker.ts";
import { PreferenceCache } from "../policy/preference.ts";
import { type Path, planDials } from "../policy/race.ts";
import type { ClientTransport } from "../transport/contract.ts";
import { hasWebTransport, QuicTransport } from "../transport/quic.ts";
import { WebSocketTransport } from "../transport/websocket.ts";
import { Link } from "./link.ts";
import { race, RaceLost } from "./race.ts";
import type { Tokens } from "./tokens.ts";

/** An authenticated link, and how it came to be. */
export interface Established {
  readonly link: Link;
  readonly response: AuthResponse;
  /** The QUIC that did not come through in time; undefined when none failed. */
  readonly fellBackFrom: "webtransport" | "quic" | undefined;
  /** Milliseconds from the first dial to the answer. */
  readonly connectTime: number;
}

/** What one attempt wants. */
export interface ConnectRequest {
  /** Only these paths, whatever breakers say. @default all that are allowed */
  readonly only?: readonly Path[];
  /** Asked of a link that is connected but not authenticated: rejects when it is not worth having. */
  readonly probe?: (link: Link) => Promise<void>;
  /** What is resumed, asked for when a link is about to authenticate. */
  readonly resume: (link: Link, token: string) => AuthRequest["resume"];
  /** Told that a link has asked for authentication: what is sent now is read once that is granted. */
  readonly early?: (link: Link) => void;
  readonly signal: AbortSignal;
}

interface NativeRoom {
  readonly module: typeof import("../native.ts");
  readonly endpoint: import("../native.ts").QuicEndpoint;
}

/** Makes links. */
export class Connector {
  readonly #options: ResolvedOptions;
  readonly #tokens: Tokens;
  readonly #preference: PreferenceCache;
  readonly #breakers: Record<Path, CircuitBreaker>;
  readonly discovery: Discovery;
  #native: Promise<NativeRoom> | undefined;

  constructor(options: ResolvedOptions, tokens: Tokens) {
    this.#options = options;
    this.#tokens = tokens;
    this.#preference = new PreferenceCache(options.preference);
    this.#breakers = {
      quic: new CircuitBreaker(options.breaker),
      websocket: new CircuitBreaker(options.breaker),
    };
    this.discovery = new Discovery(options);
  }

  /** When a path may be tried again; not in the future when it may be now. */
  openUntil(path: Path): number {
    return this.#breakers[path].openUntil;
  }

  /** Milliseconds until some path may be dialled; not above 0 when one may be now. */
  brokenFor(): number {
    const paths = (["quic", "websocket"] as const).filter((path) => this.has(path));
    if (paths.length === 0) return 0;
    return Math.min(...paths.map((path) => this.openUntil(path))) - this.#options.clock.now();
  }

  /** The network or the user's wish has changed: breakers close. */
  closeBreakers(): void {
    this.#breakers.quic.close();
    this.#breakers.websocket.close();
  }

  /** What worked on this network is not to be believed any more. */
  forgetPreference(network: string): void {
    this.#preference.drop(this.#server(), network);
  }

  /** A path that is in use turned out not to be good enough. */
  demote(path: Path): void {
    const { clock, environment } = this.#options;
    const other = path === "quic" ? "websocket" : "quic";
    this.#preference.set(this.#server(), environment.network(), other, clock.now());
  }

  /** Whether a path is configured and this runtime has it, as far as it is known without asking the service. */
  has(path: Path): boolean {
    const { enableQuic, enableWebSocket, transports, url, quicUrl, websocketUrl, rawQuic } = this.#options;
    if (path === "websocket") {
      return enableWebSocket && (transports.websocket ?? url ?? websocketUrl) !== undefined;
    }
    if (!enableQuic || (transports.quic ?? url ?? quicUrl) === undefined) return false;
    const raw = quicUrl === undefined ? rawQuic : quicUrl.protocol === "quic:";
    return transports.quic !== undefined || raw || hasWebTransport();
  }

  /**
   * Connects and authenticates. Rejects with what is final (SkeinError `closed` that is not temporary, `no_token`), with
   * RaceLost, or with the signal's reason. RaceLost without errors: every path is left alone for now.
   */
  async connect({ only, probe, resume, early, signal }: ConnectRequest): Promise<Established> {
    const { clock, environment, headStart, authTimeout, client } = this.#options;
    const begun = clock.now();
    const [endpoints, token] = await Promise.all([this.discovery.find(signal), this.#tokens.get()]);
    signal.throwIfAborted();
    const available = this.#available(endpoints).filter((path) => only?.includes(path) ?? true);
    if (available.length === 0) {
      throw new RaceLost([new SkeinError("no_transport", "no transport to dial with", { temporary: true })]);
    }
    const broken = only === undefined ? available.filter((path) => !this.#breakers[path].allows(begun)) : [];
    const network = environment.network();
    const steps = planDials({
      available,
      broken,
      preferred: this.#preference.get(this.#server(), network, begun),
      headStart,
    });
    const lost = new Set<Path>();
    const { path, connection: link, result: response, dialled } = await race<Link, AuthResponse>({
      steps,
      clock,
      signal,
      dial: async (path, signal) => {
        const transport = await this.#dial(path, endpoints, signal);
        return new Link(transport, path, clock);
      },
      authenticate: async (link) => {
        await probe?.(link);
        const resumed = resume(link, token);
        const request = { token, client, batch: true, ...(resumed === undefined ? {} : { resume: resumed }) };
        const answer = link.authenticate(request, authTimeout);
        early?.(link);
        return await answer;
      },
      discard: (link) => void link.discard(),
      isFinal: (error) => error instanceof SkeinError && error.error === "closed",
      failed: (path, error) => {
        lost.add(path);
        // A server that answers and asks to come back later is no reason to leave a transport alone.
        if (!(error instanceof SkeinError && error.code >= 100)) this.#breakers[path].failed(clock.now());
      },
    });
    this.#breakers[path].succeeded();
    // Where UDP is dropped a dial never fails in time: to be overtaken after the whole head start is a failure too.
    const overtaken = path === "websocket" && !lost.has("quic") && headStart > 0 &&
      (dialled.get("quic") ?? -1) >= headStart;
    if (overtaken) this.#breakers.quic.failed(clock.now());
    const fellBack = path === "websocket" && (overtaken || lost.has("quic") || broken.includes("quic"));
    const fellBackFrom = !fellBack
      ? undefined
      : endpoints.quic?.protocol === "quic:"
      ? "quic"
      : "webtransport";
    this.#preference.set(this.#server(), network, path, clock.now());
    return { link, response, fellBackFrom, connectTime: clock.now() - begun };
  }

  /** Gives up what is shared among dials. */
  close(): void {
    this.#native?.then(({ endpoint }) => setTimeout(() => endpoint.close(), 0), () => {});
  }

  #server(): string {
    const { url, quicUrl, websocketUrl } = this.#options;
    return (url ?? websocketUrl ?? quicUrl)?.host ?? "";
  }

  #available({ quic, websocket }: Endpoints): Path[] {
    const { transports } = this.#options;
    const paths: Path[] = [];
    const canQuic = transports.quic !== undefined ||
      (quic !== undefined && (quic.protocol === "quic:" || hasWebTransport()));
    if (this.has("quic") && canQuic) paths.push("quic");
    if (this.has("websocket") && (transports.websocket !== undefined || websocket !== undefined)) {
      paths.push("websocket");
    }
    return paths;
  }

  async #dial(path: Path, endpoints: Endpoints, signal: AbortSignal): Promise<ClientTransport> {
    const { clock, quicTimeout, websocketTimeout } = this.#options;
    const timeout = path === "quic" ? quicTimeout : websocketTimeout;
    const late = new AbortController();
    const transport = await this.#make(path, endpoints);
    const reason = new SkeinError("timeout", `no ${path} connection within ${timeout} ms`, {
      temporary: true,
    });
    try {
      await within(clock, timeout, transport.connect(AbortSignal.any([signal, late.signal])), () => reason);
    } catch (error) {
      late.abort(reason);
      throw error;
    }
    return transport;
  }

  async #make(path: Path, { quic, websocket, certificateHashes }: Endpoints): Promise<ClientTransport> {
    const { transports, quicTimeout, WebSocket } = this.#options;
    const factory = transports[path];
    if (factory !== undefined) return factory();
    if (path === "websocket") return new WebSocketTransport(websocket!, WebSocket);
    const options = { certificateHashes, timeout: quicTimeout };
    if (quic!.protocol !== "quic:") return new QuicTransport(quic!, options);
    this.#native ??= import("../native.ts").then((module) => ({
      module,
      endpoint: new module.QuicEndpoint(),
    }));
    const { module, endpoint } = await this.#native;
    return new module.NativeQuicTransport(quic!, options, endpoint);
  }
}
