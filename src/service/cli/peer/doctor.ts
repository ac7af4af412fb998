/**
 * `skein peer doctor`
 *
 * @module
 */

import { deadline, delay } from "../../../async/deadline.ts";
import { probeServers } from "../../../peer/mod.ts";
import { type Command, EXIT, type Io } from "../command.ts";
import type { Arguments } from "../arguments.ts";
import { reported } from "./errors.ts";
import { type Diagnosis, formatDiagnosis, isGood } from "./diagnosis.ts";
import { LOCAL, SERVICE_OPTIONS } from "./options.ts";
import { explained, openSession } from "./session.ts";

/** Milliseconds to find out about the NAT. */
const TIMEOUT = 20_000;
/** Milliseconds for the peers of the local network to answer. */
const LOCAL_TIME = 1_500;

/** Looks at the way to other peers. */
export const peerDoctor: Command = {
  usage: "[options]",
  text:
    "Finds out what NAT this machine is behind, asks each STUN and TURN server that the service names, and says which\n" +
    "path to expect to peers behind each kind of NAT. Lists the peers that were met, and with --local those in this network.\n" +
    "Exits with 1 when peers outside this network cannot be reached.",
  options: [{ name: "json", text: "As JSON." }, LOCAL, ...SERVICE_OPTIONS],
  settings: false,
  rest: 0,
  run: (args, io) => reported(io, () => examine(args, io)),
};

async function examine(args: Arguments, io: Io): Promise<number> {
  await using session = await openSession(args, io, { accept: () => false });
  const { peer, client, url, signal, connectTime } = session;
  const isLocal = args.options.has(LOCAL.name);
  try {
    const servers = connectTime === undefined ? { stun: [], turn: [], expiresIn: 0 } : await peer.servers();
    const late = () => new Error(`the servers do not answer within ${TIMEOUT / 1000} s`);
    const [probes, nat] = await deadline(
      Promise.all([
        probeServers(servers),
        servers.stun.length === 0 ? undefined : peer.discoverNat(),
        isLocal ? delay(LOCAL_TIME, { signal }) : undefined,
      ]),
      TIMEOUT,
      late,
      { signal },
    );
    const diagnosis: Diagnosis = {
      peer: peer.id,
      service: connectTime === undefined ? undefined : {
        url: url.origin,
        transport: client.manager.getTransportType() ?? "none",
        user: client.manager.userId ?? "",
        ms: connectTime,
      },
      nat: servers.stun.length === 0 ? "not asked" : nat,
      servers: probes,
      known: (peer.known?.list() ?? []).map(({ id, metAt }) => ({ id, metAt, ago: Date.now() - metAt })),
      local: isLocal ? peer.localPeers() : undefined,
    };
    const good = isGood(diagnosis);
    io.out(args.options.has("json") ? asJson(diagnosis, good) : formatDiagnosis(diagnosis));
    return good ? EXIT.ok : EXIT.failed;
  } catch (error) {
    throw explained(error, url);
  }
}

function asJson({ nat, servers, ...rest }: Diagnosis, good: boolean): string {
  const report = {
    ok: good,
    ...rest,
    service: rest.service ?? null,
    nat: nat === "not asked" ? null : nat ?? { behaviour: null, mapped: null },
    servers: servers.map(({ error, ...probe }) => ({ ...probe, error: error?.message })),
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}
