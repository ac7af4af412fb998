/**
 * The addresses of this machine, as others may reach it: its interfaces, what STUN servers see, a relay. They change.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { settles, untilAborted } from "../async/deadline.ts";
import { Underway } from "../async/underway.ts";
import { type Address, familyOf, sameAddress } from "./address.ts";
import { PeerError } from "./errors.ts";
import { discoverNat, type Discovery } from "./discovery.ts";
import { hostCandidates, interfaceAddresses, reflexiveCandidates, stunAddress } from "./gather.ts";
import type { LocalSocket } from "./ice_types.ts";
import type { Multiplexer } from "./multiplexer.ts";
import type { NatBehaviour } from "./nat.ts";
import type { Candidate, MeetingServers } from "./ports.ts";
import { RelayAllocator } from "./relay_allocator.ts";
import type { Allocation } from "./turn/allocation.ts";
import { openUdpSocket } from "./udp_socket.ts";

/** Options of `LocalAddresses`. */
export interface LocalAddressesOptions {
  readonly mux: Multiplexer;
  readonly clock: Clock;
  /** The servers to use, with fresh credentials. */
  readonly servers: () => Promise<MeetingServers>;
  /** IP addresses of this machine. @default those of its interfaces */
  readonly interfaces?: (() => readonly string[]) | undefined;
  readonly caCerts?: readonly string[] | undefined;
  /** A relayed address has come. */
  readonly onRelay: (candidate: Candidate) => void;
  /** A relayed address has ended. */
  readonly onRelayClosed: () => void;
  /** The interfaces have changed. */
  readonly onChange: () => void;
  readonly onError: (error: unknown, stage: string) => void;
}

/** An offer waits so many ms for what STUN servers see: most answer within it, and later addresses are told after it. */
const GATHER_WAIT = 60;
/** How often interfaces are looked at, in ms: Deno has no event for a change. */
const INTERFACE_INTERVAL = 2_000;
/** The relay is not verified more often than this, in ms. */
const VERIFY_PAUSE = 2_000;
/** Credentials with less time left than this are asked anew, in ms. */
const FRESH = 60_000;

/** What is known of this machine's addresses. */
export class LocalAddresses {
  readonly #options: LocalAddressesOptions;
  readonly #relays: RelayAllocator;
  readonly #relaySockets = new Map<Allocation, LocalSocket>();
  #servers: { readonly value: MeetingServers; readonly until: number } | undefined;
  #discovery: Promise<Discovery | undefined> | undefined;
  #discovered: Discovery | undefined;
  #interfaces: string;
  #cancelWatch: () => void = () => {};
  #verifiedAt = -Infinity;
  readonly #over = new AbortController();
  readonly #underway = new Underway();

  constructor(options: LocalAddressesOptions) {
    this.#options = options;
    this.#relays = new RelayAllocator({
      clock: options.clock,
      servers: () => this.#meetingServers(),
      onOpen: (relay) => this.#relayOpened(relay),
      onClose: (relay) => this.#relayClosed(relay),
      ...options.caCerts === undefined ? {} : { caCerts: options.caCerts },
    });
    this.#interfaces = this.#hostnames().join();
    this.#watch();
  }

  /** What is known of the NAT by now. */
  get nat(): NatBehaviour | undefined {
    return this.#discovered?.behaviour;
  }

  /** The relayed address there is now. */
  get relayed(): Candidate | undefined {
    const { relay } = this.#relays;
    return relay && { kind: "relayed", address: relay.address };
  }

  /** Asks once how the NAT behaves, and again after the network has changed. Undefined: no answer over UDP. */
  discoverNat(): Promise<Discovery | undefined> {
    return this.#discovery ??= this.#underway.add(this.#discover().catch(() => undefined));
  }

  /** A connection needs the relay, perhaps. To be given back once. */
  useRelay(): () => void {
    return this.#relays.use();
  }

  /** Makes a relayed address where servers for it are known; `onRelay` tells it. */
  openRelay(): void {
    const open = async (): Promise<void> => {
      const { turn } = await this.#meetingServers();
      if (turn.length > 0) await this.#relays.open();
    };
    void this.#underway.add(open().catch((error) => this.#isClosed || this.#options.onError(error, "relay")));
  }

  /** Asks the TURN server whether the allocation is still there: it may have been started anew. Another one is made then. */
  async verifyRelay(): Promise<void> {
    const now = this.#options.clock.now();
    if (now - this.#verifiedAt < VERIFY_PAUSE) return;
    this.#verifiedAt = now;
    const { relay } = this.#relays;
    if (relay === undefined) this.openRelay();
    else if (!await relay.verify()) this.#relays.end(relay);
  }

  /**
   * The addresses that are known at once, or within a moment: those of the sockets of `mux`, and the relayed one where it
   * is the shared one. Rejects with PeerError `closed` at the end.
   *
   * @param later Told of those that come after.
   */
  async gather(mux: Multiplexer, later: (candidate: Candidate) => void): Promise<Candidate[]> {
    const { clock } = this.#options;
    const { stun } = await this.#meetingServers();
    const candidates = hostCandidates(mux, this.#hostnames());
    const { relayed } = this;
    if (relayed !== undefined && mux === this.#options.mux) candidates.push(relayed);
    let gathering = true;
    const asked = reflexiveCandidates(mux, stun, (found) => {
      if (candidates.some(({ address }) => sameAddress(address, found.address))) return;
      if (gathering) candidates.push(found);
      else later(found);
    });
    await settles(asked, GATHER_WAIT, { timers: clock, signal: this.#over.signal });
    gathering = false;
    return candidates;
  }

  /** Forgets what no longer holds on another network. */
  changed(): void {
    this.#discovery = this.#discovered = undefined;
    // The server knows an allocation by our address: with another one it is lost.
    const { relay } = this.#relays;
    if (relay !== undefined) this.#relays.end(relay);
  }

  /** Resolves when nothing of it is under way any more: TURN servers are told, and have some tenths of a second to answer. */
  async close(): Promise<void> {
    this.#over.abort(new PeerError("closed"));
    this.#cancelWatch();
    await Promise.all([this.#relays.close(), this.#underway.over()]);
  }

  get #isClosed(): boolean {
    return this.#over.signal.aborted;
  }

  #hostnames(): readonly string[] {
    return (this.#options.interfaces ?? interfaceAddresses)();
  }

  #relayOpened(relay: Allocation): void {
    const permit = (address: Address, again?: boolean): Promise<boolean> => relay.permit(address, again);
    const socket: LocalSocket = { socket: relay, relayed: true, permit };
    this.#relaySockets.set(relay, socket);
    this.#options.mux.addRelay(socket);
    this.#options.onRelay({ kind: "relayed", address: relay.address });
  }

  #relayClosed(relay: Allocation): void {
    const socket = this.#relaySockets.get(relay);
    if (socket !== undefined) this.#options.mux.removeRelay(socket);
    this.#relaySockets.delete(relay);
    if (!this.#isClosed) this.#options.onRelayClosed();
  }

  #watch(): void {
    this.#cancelWatch = this.#options.clock.after(INTERFACE_INTERVAL, () => {
      const now = this.#hostnames().join();
      if (now !== this.#interfaces) {
        this.#interfaces = now;
        this.#options.onChange();
      }
      if (!this.#isClosed) this.#watch();
    });
  }

  async #discover(): Promise<Discovery | undefined> {
    const { stun } = await this.#meetingServers();
    const { signal } = this.#over;
    const servers = await Promise.all(stun.map((url) => stunAddress(url, signal).catch(() => undefined)));
    signal.throwIfAborted();
    this.#discovered = await discoverNat({
      // A socket of its own: what the shared one has sent would have opened the filter that is to be measured.
      socket: openUdpSocket({ hostname: "0.0.0.0" }),
      servers: servers.filter((server): server is Address =>
        server !== undefined && familyOf(server.hostname) === "ipv4"
      ),
      local: this.#hostnames(),
      clock: this.#options.clock,
      signal,
    });
    return this.#discovered;
  }

  async #meetingServers(): Promise<MeetingServers> {
    const now = this.#options.clock.now();
    if (this.#servers === undefined || this.#servers.until - now < FRESH) {
      const value = await untilAborted(this.#options.servers(), this.#over.signal);
      this.#servers = { value, until: now + value.expiresIn };
    }
    return this.#servers.value;
  }
}
