/**
 * Many peers on one multiplexer, without QUIC: what each costs.
 *
 * @module
 */

import { systemClock } from "../../../src/async/clock.ts";
import { IceAgent } from "../../../src/peer/ice_agent.ts";
import { Multiplexer } from "../../../src/peer/multiplexer.ts";
import { openUdpSocket } from "../../../src/peer/udp_socket.ts";
import type { Measure } from "../scenario.ts";

/** A multiplexer with so many pairs of agents that check each other over its one socket. */
export function openPairs(count: number): { mux: Multiplexer; agents: IceAgent[]; confirmed: Promise<void> } {
  const socket = openUdpSocket({ hostname: "127.0.0.1", buffers: 64 });
  const mux = new Multiplexer({ sockets: [socket], clock: systemClock });
  const peer = new Multiplexer({
    sockets: [openUdpSocket({ hostname: "127.0.0.1", buffers: 64 })],
    clock: systemClock,
  });
  const close = mux.close.bind(mux);
  mux.close = async () => void await Promise.all([close(), peer.close()]);
  let missing = count;
  const { promise, resolve } = Promise.withResolvers<void>();
  const add = (to: Multiplexer, i: number, found: () => void): IceAgent => {
    const local = { fragment: `f${i}-xxxx`, password: `p${i}-xxxxxxxxxxxxxxxxxxxxxx` };
    const agent: IceAgent = new IceAgent({
      local,
      clock: systemClock,
      pending: to.pending,
      pacer: to.pacer,
      onPath: (path) => path !== undefined && found(),
    });
    to.add(agent);
    return agent;
  };
  const agents: IceAgent[] = [];
  for (let i = 0; i < count; i++) {
    const here = add(mux, i, () => --missing === 0 && resolve());
    const there = add(peer, i, () => {});
    here.addCandidates([{ kind: "host", address: peer.sockets[0]!.address }]);
    there.addCandidates([{ kind: "host", address: socket.address }]);
    here.setRemote(there.local);
    there.setRemote(here.local);
    agents.push(here);
  }
  return { mux, agents, confirmed: promise };
}

/** Resident memory of one link with a confirmed path, both its sides in this process; KB for each side. */
export async function memoryOfLinks(count: number): Promise<Measure> {
  const warm = openPairs(20);
  await warm.confirmed;
  await warm.mux.close();
  const before = Deno.memoryUsage().rss;
  const pairs = openPairs(count);
  await pairs.confirmed;
  const value = (Deno.memoryUsage().rss - before) / count / 2 / 1024;
  await pairs.mux.close();
  return { value };
}
