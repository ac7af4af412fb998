/**
 * Follows the path of one connection between browsers as long as it lives: tells which it is, and has ICE restarted when
 * it is lost.
 *
 * @module
 */

import { type PeerConnection, PeerError } from "../../peer/browser.ts";
import type { WebRtcConnection } from "../../quic/webrtc_connection.ts";
import type { SkeinClient } from "../client.ts";
import type { Clock, Random } from "../clock.ts";
import { type EnvironmentEvent, systemEnvironment } from "../environment.ts";
import type { BrowserMeeting } from "./browser_meeting.ts";
import { PathRestarts, PATIENCE } from "./path_restarts.ts";

/** How often it is looked which path is used, in ms: browsers have no event for a change. */
const PATH_INTERVAL = 2_000;

/** What a watch needs, and what it tells. */
export interface PathWatchOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly canSignal: () => boolean;
  /** Agrees with the peer about another path. */
  readonly restart: () => Promise<void>;
  /** The connection to the peer, when it is this one that it uses. */
  readonly current: () => PeerConnection | undefined;
  /** No path was found any more: the connection ends. */
  readonly onGivenUp: (error: PeerError) => void;
}

/** Watches the path of a meeting that has led to `transport`. */
export function watchPath(
  meeting: BrowserMeeting,
  transport: WebRtcConnection,
  { clock, random, canSignal, restart, current, onGivenUp }: PathWatchOptions,
): void {
  const look = async (): Promise<void> => {
    const path = await meeting.path();
    const connection = current();
    if (connection === undefined || restarts.isBroken || path === undefined) return;
    if (path.kind !== connection.path?.kind || path.rtt !== connection.path.rtt) connection.moved(path);
  };
  const lookNow = (): void => void look().catch(() => {});
  const restarts = new PathRestarts({
    clock,
    random,
    canSignal,
    restart,
    onBroken: () => current()?.moved(undefined),
    onMended: lookNow,
    onGivenUp: (cause) => {
      const seconds = PATIENCE / 1000;
      const text = `the path was lost, and no other one was found within ${seconds} s`;
      const why = cause instanceof Error ? `${text}: ${cause.message}` : text;
      onGivenUp(new PeerError("no_path", why, { cause }));
    },
  });
  meeting.restarts = restarts;
  meeting.onIce((state) => restarts.told(state));
  const watch = (): () => void =>
    clock.after(PATH_INTERVAL, () => {
      lookNow();
      cancel = watch();
    });
  let cancel = watch();
  // Who has made the connection takes it first.
  setTimeout(lookNow);
  void transport.closed.then(() => {
    cancel();
    restarts.end();
  });
}

/** Tells the restarts of all meetings what happens around the page. Returns what stops that. */
export function watchSurroundings(
  client: Pick<SkeinClient, "on">,
  meetings: () => Iterable<BrowserMeeting>,
): () => void {
  const environment = systemEnvironment();
  let network = environment.network();
  const happened = (event: EnvironmentEvent, isOther: boolean): void => {
    for (const { restarts } of meetings()) {
      if (event === "online" || isOther) restarts?.networkChanged();
      else if (event !== "offline") restarts?.hopeful();
    }
  };
  const stops = [
    client.on("connected", () => happened("visible", false)),
    environment.watch((event) => {
      // A browser that only estimates its network anew has the event `network`, too, and the same word for it.
      const before = network;
      network = environment.network();
      happened(event, network !== before);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
