/**
 * The client as applications use it: channels, direct messages, who is there, and one observable state.
 *
 * @module
 */

import { inboxOf, isChannel, isUserId } from "../protocol/core.ts";
import type { PresentUser, UnreadResponse } from "../protocol/mod.ts";
import { Channel, contentOf, type PublishOptions, type Saying } from "./channel.ts";
import { attempt, handled } from "../async/deferred.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Emitter, type Listener } from "./emitter.ts";
import { SkeinError } from "./errors.ts";
import type { ClientEvents } from "./events.ts";
import { Download, type DownloadOptions } from "./files/download.ts";
import { Semaphore } from "../async/semaphore.ts";
import type { ClientOptions } from "./options.ts";
import type { Receipt } from "./outbox/outbox.ts";
import { rpc, type RpcOptions } from "./rpc.ts";
import type { Delivered } from "./session/subscription.ts";
import { type ClientStore, clientStore } from "./store.ts";
import { TransportManager } from "./transport_manager.ts";

/** Events of a `SkeinClient`: those of the session, and messages that are on no channel of the application. */
export interface SkeinEvents extends ClientEvents {
  /** A direct message to this user, once and in order. */
  direct: Delivered;
  /** A message to everybody, once and in order. */
  broadcast: Delivered;
  /**
   * A device of `from` has taken a direct message that asked for a receipt: `message` is its id, as in what `direct`
   * resolved with. Once for each.
   */
  receipt: Delivered;
}

/** Options of a `SkeinClient`. */
export interface SkeinClientOptions extends ClientOptions {
  /** Connect at once; otherwise with `connect()`. @default true */
  autoConnect?: boolean;
}

/** How a direct message is sent. */
export interface DirectOptions extends PublishOptions {
  /**
   * Ask to be told, by the event `receipt`, when an application of the recipient was given the message. @default false
   */
  readonly receipt?: boolean;
}

/** Most messages of one `received`. */
const MAX_RECEIVED = 256;
/** Ranges of downloads on their way at once: fewer than a service allows by default. */
const DOWNLOADS = 3;

// Listeners keep their type outside; inside any event's name stands for all of them.
const OWN: readonly (keyof SkeinEvents)[] = ["direct", "broadcast", "receipt"];

/** A user's device, connected to a Skein service. */
export class SkeinClient {
  /** The session below. */
  readonly manager: TransportManager;
  /** The state, to show it. */
  readonly store: ClientStore;
  /** What it takes its time from. */
  readonly clock: Clock;
  readonly #base: URL | undefined;
  readonly #downloads = new Semaphore(DOWNLOADS);
  readonly #channels = new Map<string, Channel>();
  /** Offsets in the inbox of messages that were taken, and whose senders are still to be told. */
  readonly #taken: number[] = [];
  readonly #own = new Emitter<Pick<SkeinEvents, "direct" | "broadcast" | "receipt">>();

  /** Throws SkeinError `bad_argument` when an option makes no sense. */
  constructor(options: SkeinClientOptions) {
    const { autoConnect = true, ...rest } = options;
    const manager = this.manager = new TransportManager(rest);
    this.clock = options.parts?.clock ?? systemClock;
    this.#base = httpOf(options.url ?? options.websocketUrl);
    const { store, update } = clientStore();
    this.store = store;
    manager.on("status", (status) => {
      const transport = manager.getTransportType();
      update({ status, transport, userId: manager.userId ?? null });
    });
    manager.on(
      "connected",
      ({ transport, userId, sessionId, connectionId }) =>
        update({
          transport,
          userId,
          sessionId,
          connectionId,
          connectedAt: this.clock.wall(),
          lastActivity: this.clock.wall(),
          lastError: null,
        }),
    );
    manager.on("disconnected", () => update({ transport: null, connectionId: null, connectedAt: null }));
    manager.on("pending", (pending) => update({ pending }));
    manager.on("error", (lastError) => update({ lastError }));
    manager.on(
      "metrics",
      (metrics) => update({ metrics, rtt: metrics.rtt?.p50 ?? null, lastActivity: metrics.lastActivity }),
    );
    manager.on("delivered", (message) => this.#deliver(message));
    manager.on("discontinuity", (gap) => this.#channels.get(gap.channel)?.gap(gap));
    manager.on("left", ({ channel, error }) => {
      this.#channels.get(channel)?.ended(error);
      this.#channelsChanged(update);
    });
    manager.on("message", ({ type, payload }) => {
      // Kept messages come as `delivered`.
      if (typeof payload.prev !== "number") {
        this.#channels.get(String(payload.channel))?.push(type, payload);
      }
    });
    this.#changed = () => this.#channelsChanged(update);
    // Whoever wants to know listens to `error` or calls `connect()`.
    if (autoConnect) queueMicrotask(() => void this.connect().catch(() => {}));
  }

  readonly #changed: () => void;

  /** Connects, and stays connected. Resolves with the first connection; rejects when the server refuses for good. */
  connect(): Promise<void> {
    return this.manager.connect();
  }

  /** Ends the connection. Channels and unsent messages are kept for the next `connect`. */
  disconnect(): Promise<void> {
    return this.manager.disconnect();
  }

  /** Ends everything for good. */
  async close(): Promise<void> {
    await this.manager.close();
    for (const channel of this.#channels.values()) channel.close();
    this.#own.clear();
  }

  /** A channel by its name, `namespace:name`; the same object each time. Throws SkeinError `bad_argument`. */
  channel(name: string): Channel {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    if (!isChannel(name)) {
      throw new SkeinError(
        "bad_argument",
        "a channel is namespace:name, at most 255 printable ASCII characters",
      );
    }
    const channel = new Channel(name, this.manager, this.clock, this.#changed);
    this.#channels.set(name, channel);
    return channel;
  }

  /** Sends to all devices of a user; resolves when the server has committed it. */
  direct(to: string, saying: Saying, options?: DirectOptions): Promise<Receipt> {
    return attempt(() => {
      if (!isUserId(to)) {
        throw new SkeinError("bad_argument", "to: 1 to 128 printable ASCII characters");
      }
      return this.manager.send("direct_message", { to, ...contentOf(saying), ...options });
    });
  }

  /** Sends to everybody; needs the right. Resolves when the server has committed it. */
  broadcast(saying: Saying, options?: PublishOptions): Promise<Receipt> {
    return attempt(() => this.manager.send("broadcast", { ...contentOf(saying), ...options }));
  }

  /**
   * Downloads a file, or a part of it. It begins at once and goes on after every interruption; what its reader does not
   * take is not asked for. Throws SkeinError `bad_argument`.
   */
  download(fileId: string, options: DownloadOptions = {}): Download {
    return new Download(this.manager, this.clock, this.#downloads, fileId, options);
  }

  /**
   * An address where whoever has it can read a file without a token, for `expiresIn` seconds. Rejects with the server's
   * error, and with `bad_argument` when neither the option `url` nor `websocketUrl` says where the service speaks HTTP.
   */
  fileLink(fileId: string): Promise<{ url: string; expiresIn: number }> {
    return attempt(async () => {
      if (this.#base === undefined) {
        throw new SkeinError("bad_argument", "url: needed for addresses of files");
      }
      const { url, expiresIn } = await this.manager.send("file_link", { fileId });
      return { url: new URL(url, this.#base).href, expiresIn };
    });
  }

  /**
   * Calls a method of the application's own logic at the service; resolves with what it was answered with, undefined
   * without any. Without a connection it waits for one.
   *
   * A call is sent once. Rejects with `connection_lost` when the connection is lost before the answer came: whether it
   * was carried out is not known then, and only the application knows whether it may be made again. Rejects with
   * `timeout`, with the server's error (`unknown_method`, `not_available`, what the method is answered with), with
   * `closed`, and with the signal's reason.
   */
  rpc<T = unknown>(method: string, data?: unknown, options: RpcOptions = {}): Promise<T> {
    return handled(rpc(this.manager, this.clock, method, data, options) as Promise<T>);
  }

  /** How much of some channels the user has not read; counts up to `limit` of each, 100 when it is absent. */
  unread(channels: readonly string[], limit?: number): Promise<UnreadResponse> {
    return this.manager.send("unread", limit === undefined ? { channels } : { channels, limit });
  }

  /** Who is connected; needs the right. */
  clientList(): Promise<PresentUser[]> {
    return handled(this.manager.send("client_list", {}).then(({ users }) => users));
  }

  /** Calls `listener` at each `event`; returns what takes it off again. */
  on<E extends keyof SkeinEvents>(event: E, listener: Listener<SkeinEvents[E]>): () => void {
    if (OWN.includes(event)) return this.#own.on(event as "direct", listener as Listener<Delivered>);
    return this.manager.on(event as "error", listener as Listener<SkeinError>);
  }

  /** Takes a listener off. */
  off<E extends keyof SkeinEvents>(event: E, listener: Listener<SkeinEvents[E]>): void {
    if (OWN.includes(event)) this.#own.off(event as "direct", listener as Listener<Delivered>);
    else this.manager.off(event as "error", listener as Listener<SkeinError>);
  }

  #deliver(message: Delivered): void {
    const { type, channel } = message;
    if (channel === inboxOf(this.manager.userId ?? "")) {
      if (type === "delivered") return this.#own.emit("receipt", message);
      if (type === "direct_message") {
        this.#own.emit("direct", message);
        if (message.receipt === true) this.#received(channel, message.offset);
        return;
      }
    }
    if (type === "broadcast") return this.#own.emit("broadcast", message);
    this.#channels.get(channel)?.deliver(message);
  }

  /** The application was given a message whose sender wants to know. What comes in one go is told at once. */
  #received(channel: string, offset: number): void {
    const taken = this.#taken, { manager } = this;
    taken.push(offset);
    queueMicrotask(() => {
      while (taken.length > 0) {
        const offsets = taken.splice(0, MAX_RECEIVED), epoch = manager.position(channel)?.epoch;
        // Without an answer they go with the next ones.
        manager.send("received", { channel, epoch, offsets })
          .catch((error: SkeinError) => error.temporary && taken.push(...offsets));
      }
    });
  }

  #channelsChanged(update: (change: { channels: readonly string[] }) => void): void {
    update({ channels: this.manager.channels });
  }
}

/** The HTTP side of an address that the options have been checked for. */
function httpOf(address: string | URL | undefined): URL | undefined {
  if (address === undefined) return undefined;
  const page = (globalThis as { location?: { href?: string } }).location?.href;
  return new URL(new URL(address, page).href.replace(/^ws/, "http"));
}
