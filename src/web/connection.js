// @ts-check
/**
 * The page's connection to Skein: dials WebTransport, falls back to WebSocket, keeps the session over reconnects.
 * JSON frames; lane 0 for control and lane 1 for the conversation.
 *
 * @module
 */

import { dialWebSocket, dialWebTransport } from "./wire.js";

/**
 * @typedef {import("./wire.js").Message} Message
 * @typedef {import("./wire.js").Wire} Wire
 * @typedef {import("./wire.js").WireEvents} WireEvents
 * @typedef {{websocketUrl: string, quicUrl: string | null, certificateHashes: string[]}} ClientInfo
 * @typedef {{
 *   phase: "connecting" | "open" | "waiting" | "closed",
 *   transport?: "webtransport" | "websocket",
 *   reason?: string,
 *   retryAt?: number,
 * }} State
 * @typedef {{message: Message, resolve(payload: Record<string, any>): void, reject(error: Error): void}} Unacked
 */

const LANE = 1;
const REPLY_TIMEOUT = 10_000;
/** After a failure WebTransport is left alone this long, so that reconnects are quick. */
const RETRY_WEBTRANSPORT = 60_000;
/** A session that lived this long was a healthy one: the next wait is short again. */
const HEALTHY = 10_000;

/** An `error` message, or the end of the connection. */
export class SkeinError extends Error {
  /** @param {string} name @param {string} message @param {boolean} temporary */
  constructor(name, message, temporary) {
    super(message);
    this.name = name;
    this.temporary = temporary;
  }
}

/**
 * Milliseconds to wait before the attempt after `failures` failed ones: 0.5 s to 30 s, jittered.
 *
 * @param {number} failures @param {number} [random] 0 to 1
 */
export function backoff(failures, random = Math.random()) {
  return Math.min(30_000, 500 * 2 ** Math.min(failures, 10)) * (0.5 + random / 2);
}

/** One session with the service, over as many connections as it takes. */
export class Connection {
  #options;
  /** @type {Wire | undefined} */
  #wire;
  /** @type {Map<string, {resolve(message: Message): void, reject(error: Error): void}>} */
  #replies = new Map();
  /** @type {Map<string, Unacked>} */
  #unacked = new Map();
  /** @type {Map<string, {epoch: string, offset: number}>} */
  #channels = new Map();
  /** @type {string | undefined} */
  #sessionId;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #heartbeat;
  /** @type {WireEvents | undefined} */
  #current;
  /** There is a connection or an attempt at one; it ends once. */
  #live = false;
  /** The session is open on the connection. */
  #open = false;
  #stopped = false;
  #running = false;
  #failures = 0;
  #lastHeard = 0;
  #noWebTransportUntil = 0;
  /** @type {number | undefined} */
  #rtt;

  /**
   * @param {{
   *   info(): Promise<ClientInfo>,
   *   token(): Promise<string>,
   *   transport: "auto" | "webtransport" | "websocket",
   *   onState(state: State): void,
   *   onMessage(message: Message): void,
   *   onJoined(channel: string, complete: boolean): void,
   *   onRtt(ms: number): void,
   * }} options `onJoined` comes after each (re)connection, with `complete: false` when messages may be missing.
   */
  constructor(options) {
    this.#options = options;
  }

  /** Connects, and again whenever the connection ends, until `stop` or a refusal. */
  start() {
    this.#stopped = false;
    void this.#connect();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const wire = this.#wire;
    this.#live = true;
    this.#ended("stopped");
    wire?.close();
  }

  /** Tries now instead of waiting: the network is back, the page is seen again. */
  wake() {
    if (this.#wire !== undefined) this.#ping();
    else if (!this.#stopped && !this.#running) void this.#connect();
  }

  /** @param {string} channel */
  async join(channel) {
    const since = this.#channels.get(channel);
    if (since === undefined) this.#channels.set(channel, { epoch: "", offset: 0 });
    if (this.#open) await this.#subscribe(channel);
  }

  /**
   * Publishes a text. Resolves with the acknowledgement; sent again with the same id after a reconnect.
   *
   * @param {string} channel @param {string} text @param {string} id
   * @returns {Promise<Record<string, any>>}
   */
  publish(channel, text, id) {
    return new Promise((resolve, reject) => {
      const message = envelope("chat_message", { channel, text }, id);
      this.#unacked.set(id, { message, resolve, reject });
      if (this.#open) this.#wire?.send(message, LANE);
    });
  }

  /**
   * Sends and waits for the reply. Rejects with SkeinError.
   *
   * @param {string} type @param {Record<string, any>} payload
   * @returns {Promise<Message>}
   */
  request(type, payload, lane = 0) {
    const wire = this.#wire;
    if (wire === undefined) return Promise.reject(new SkeinError("not_available", "not connected", true));
    const message = envelope(type, payload);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#replies.delete(message.id);
        reject(new SkeinError("not_available", "no answer in time", true));
      }, REPLY_TIMEOUT);
      this.#replies.set(message.id, {
        resolve: (reply) => (clearTimeout(timer), resolve(reply)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
      wire.send(message, lane);
    });
  }

  /** Sends what may be lost. @param {string} type @param {Record<string, any>} payload */
  signal(type, payload) {
    if (this.#open) this.#wire?.sendLossy(envelope(type, payload));
  }

  async #connect() {
    if (this.#running) return;
    this.#running = true;
    this.#live = true;
    clearTimeout(this.#timer);
    const started = performance.now();
    this.#options.onState({ phase: "connecting" });
    try {
      const [info, token] = await Promise.all([this.#options.info(), this.#options.token()]);
      const { wire, fallback } = await this.#dial(info);
      if (this.#stopped) return wire.close();
      this.#wire = wire;
      this.#lastHeard = performance.now();
      await this.#authenticate(token);
      if (this.#wire !== wire) return;
      const connectTime = performance.now() - started;
      wire.send(
        envelope("client_report", { connectTime, ...(fallback ? { fallbackFrom: "webtransport" } : {}) }),
        0,
      );
      setTimeout(() => {
        if (this.#wire === wire) this.#failures = 0;
      }, HEALTHY);
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      const wire = this.#wire;
      const final = failure instanceof SkeinError && !failure.temporary;
      this.#ended(failure.message, !final);
      wire?.close();
    } finally {
      this.#running = false;
    }
  }

  /** @param {ClientInfo} info @returns {Promise<{wire: Wire, fallback: boolean}>} */
  async #dial(info) {
    const { transport } = this.#options;
    const possible = "WebTransport" in globalThis && info.quicUrl !== null && transport !== "websocket";
    let fallback = false;
    if (possible && (transport === "webtransport" || performance.now() >= this.#noWebTransportUntil)) {
      try {
        const events = this.#events();
        return {
          wire: await dialWebTransport(String(info.quicUrl), info.certificateHashes, events),
          fallback,
        };
      } catch (error) {
        if (transport === "webtransport") throw error;
        console.info("WebTransport failed, WebSocket is tried:", error);
        this.#noWebTransportUntil = performance.now() + RETRY_WEBTRANSPORT;
        fallback = true;
      }
    }
    // A page that came over TLS may not open a plain socket, whatever stands between it and the service.
    const url = new URL(info.websocketUrl);
    if (globalThis.location?.protocol === "https:") url.protocol = "wss:";
    return { wire: await dialWebSocket(url.href, this.#events()), fallback };
  }

  /** Events of one wire: those of an earlier one are not listened to any more. @returns {WireEvents} */
  #events() {
    /** @type {WireEvents} */
    const events = {
      message: (message) => this.#receive(message),
      closed: (reason) => {
        if (this.#current === events) this.#ended(reason);
      },
    };
    this.#current = events;
    return events;
  }

  /** @param {string} token */
  async #authenticate(token) {
    const channels = Object.fromEntries(
      [...this.#channels].filter(([, at]) => at.epoch !== "").map((
        [name, at],
      ) => [name, { ...at, lane: LANE }]),
    );
    const resume = this.#sessionId === undefined ? {} : { resume: { sessionId: this.#sessionId, channels } };
    const { payload } = await this.request("auth_request", { token, client: "skein-page/1", ...resume });
    const wire = this.#wire;
    if (wire === undefined) throw new SkeinError("not_available", "the connection ended", true);
    this.#sessionId = payload.sessionId;
    this.#beat(payload.heartbeat);
    await wire.openLane(LANE);
    this.#options.onState({ phase: "open", transport: wire.transport });
    for (const name of this.#channels.keys()) {
      const state = payload.channels[name];
      if (state === undefined) await this.#subscribe(name);
      else this.#at(name, state, state.recovered);
    }
    this.#open = true;
    for (const { message } of this.#unacked.values()) wire.send(message, LANE);
  }

  /** @param {string} channel */
  async #subscribe(channel) {
    const known = this.#channels.get(channel);
    const since = known && known.epoch !== "" ? { since: known } : {};
    const { payload } = await this.request("subscribe", { channel, ...since }, LANE);
    this.#at(channel, /** @type {any} */ (payload), payload.recovered);
  }

  /** @param {string} channel @param {{epoch: string, offset: number}} state @param {boolean} complete */
  #at(channel, { epoch, offset }, complete) {
    // When what was missed follows, the place is still the old one until it has come.
    if (!complete) this.#channels.set(channel, { epoch, offset });
    this.#options.onJoined(channel, complete);
  }

  /** @param {{interval: number, timeout: number}} heartbeat */
  #beat({ interval, timeout }) {
    clearInterval(this.#heartbeat);
    // Not at once: the first round trip would measure how busy the page is with its start.
    setTimeout(() => this.#open && this.#ping(), 1000);
    this.#heartbeat = setInterval(() => {
      if (performance.now() - this.#lastHeard > interval + timeout) {
        const wire = this.#wire;
        this.#ended("the server is silent");
        wire?.close();
      } else this.#ping();
    }, interval);
  }

  #ping() {
    const sent = performance.now();
    const rtt = this.#rtt === undefined ? {} : { rtt: this.#rtt };
    this.request("ping", rtt).then(() => {
      this.#rtt = performance.now() - sent;
      this.#options.onRtt(this.#rtt);
    }).catch(() => {/* The heartbeat notices the silence. */});
  }

  /** @param {Message} message */
  #receive(message) {
    this.#lastHeard = performance.now();
    const { type, re, payload } = message;
    if (re !== undefined && this.#unacked.has(re)) return this.#acknowledged(re, type, payload);
    const waiting = re === undefined ? undefined : this.#replies.get(re);
    if (re !== undefined && waiting !== undefined) {
      this.#replies.delete(re);
      if (type === "error") waiting.reject(new SkeinError(payload.name, payload.message, payload.temporary));
      else waiting.resolve(message);
      return;
    }
    if (type === "close") return this.#closedByServer(payload);
    if (type === "server_notice" && payload.kind === "token_expiring") void this.#refresh();
    if (type === "server_notice" && payload.kind === "discontinuity") {
      this.#subscribe(payload.channel).catch(() => {/* The next connection subscribes again. */});
    }
    const at = this.#channels.get(payload.channel);
    if (at !== undefined && typeof payload.offset === "number" && payload.offset > at.offset) {
      at.offset = payload.offset;
    }
    this.#options.onMessage(message);
  }

  /** @param {string} id @param {string} type @param {Record<string, any>} payload */
  #acknowledged(id, type, payload) {
    const entry = /** @type {Unacked} */ (this.#unacked.get(id));
    if (type === "error" && payload.temporary) {
      setTimeout(() => {
        if (this.#open && this.#unacked.has(id)) this.#wire?.send(entry.message, LANE);
      }, payload.retryAfter ?? 1000);
      return;
    }
    this.#unacked.delete(id);
    if (type === "error") entry.reject(new SkeinError(payload.name, payload.message, false));
    else entry.resolve(payload);
  }

  async #refresh() {
    try {
      await this.request("auth_refresh", { token: await this.#options.token() });
    } catch (error) {
      console.warn("The token could not be refreshed:", error);
    }
  }

  /** @param {Record<string, any>} payload */
  #closedByServer({ reason, reconnect }) {
    const wire = this.#wire;
    this.#ended(reason, reconnect);
    wire?.close();
  }

  /** @param {string} reason */
  #ended(reason, again = true) {
    if (!this.#live) return;
    this.#live = false;
    this.#open = false;
    this.#wire = undefined;
    this.#current = undefined;
    clearInterval(this.#heartbeat);
    for (const { reject } of this.#replies.values()) reject(new SkeinError("not_available", reason, again));
    this.#replies.clear();
    clearTimeout(this.#timer);
    if (this.#stopped || !again) {
      this.#stopped = true;
      return this.#options.onState({ phase: "closed", reason });
    }
    const wait = backoff(this.#failures++);
    this.#options.onState({ phase: "waiting", reason, retryAt: Date.now() + wait });
    this.#timer = setTimeout(() => void this.#connect(), wait);
  }
}

/** @param {string} type @param {Record<string, any>} payload @returns {Message} */
function envelope(type, payload, id = newId()) {
  return { type, id, timestamp: Date.now(), payload };
}

/** A new message id. `crypto.randomUUID` is for secure contexts only. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
