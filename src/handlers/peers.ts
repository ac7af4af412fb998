/**
 * Signalling between peers: what they say to each other through the service until they can talk directly. The service
 * passes it on between users whose tokens allow it; peers check each other's signatures themselves.
 *
 * @module
 */

import type { Hub } from "../hub/mod.ts";
import {
  Encoded,
  matchesAny,
  type Message,
  parsePayload,
  type Payload,
  type Principal,
  ProtocolError,
} from "../protocol/mod.ts";
import type { Client, Context, Route } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";

/** Whom a user may meet, as it travels to the node of the other peer. */
interface Caller {
  readonly userId: string;
  readonly peers: readonly string[];
}

const SIGNALS = ["peer_offer", "peer_answer", "peer_candidate", "peer_close"] as const;
/** The command among nodes. */
const COMMAND = "peer_signal";
const UTF8 = new TextEncoder();

/** Routes of peers. */
export function peerRoutes({ hub, peers }: HandlerParts): Route[] {
  hub.nodes.handle(COMMAND, async ({ to, caller, message }) => {
    const place = await hub.peers.locate(to as string);
    if (place === undefined || !("client" in place)) throw new ProtocolError("unknown_peer");
    pass(place.client, caller as unknown as Caller, message as unknown as Message);
    return {};
  });
  return [
    { type: "peer_announce", handler: (context) => announce(hub, context) },
    ...SIGNALS.map((type): Route => ({ type, handler: (context) => signal(hub, type, context) })),
    {
      type: "peer_relay_credentials",
      handler: (context) => {
        const servers = peers?.servers(context.client.sessionId) ??
          { stun: [], turn: [], expiresIn: 3_600_000 };
        context.reply("peer_relay_credentials_response", { ...servers });
      },
    },
    {
      type: "peer_report",
      handler: ({ message: { payload } }) => peers?.report(parsePayload("peer_report", payload)),
    },
  ];
}

async function announce(hub: Hub, context: Context): Promise<void> {
  const { client, message } = context;
  const { peer, signature } = parsePayload("peer_announce", message.payload);
  const said = UTF8.encode(`skein-peer/1 announce\n${peer}\n${client.sessionId}`);
  if (!await isSignedBy(peer, signature, said)) {
    throw new ProtocolError("permission_denied", "the signature is not this peer's");
  }
  await hub.peers.announce(peer, client);
  context.reply("peer_announced", {});
}

async function signal(hub: Hub, type: typeof SIGNALS[number], context: Context): Promise<void> {
  const { client, message: { id, payload: said } } = context;
  const { to, ...rest } = parsePayload(type, said);
  const from = hub.peers.idOf(client);
  if (from === undefined) throw new ProtocolError("permission_denied", "announce a peer first");
  const { userId, peers = [] } = client.principal;
  const message = { type, id, timestamp: Date.now(), payload: { ...rest, from, userId } as Payload };
  const caller: Caller = { userId, peers };
  const place = await hub.peers.locate(to);
  if (place === undefined) throw new ProtocolError("unknown_peer");
  if ("client" in place) pass(place.client, caller, message);
  else {
    const payload = { to, caller, message } as unknown as Payload;
    const passed = await hub.nodes.ask(place.node, COMMAND, payload);
    if (passed === undefined) throw new ProtocolError("unknown_peer");
  }
  context.reply("peer_sent", {});
}

/** Hands a signal to a peer of this node. Throws ProtocolError `permission_denied`, or `not_available` without room. */
function pass(client: Client, caller: Caller, message: Message): void {
  if (!mayMeet(caller, client.principal)) {
    throw new ProtocolError("permission_denied", "the users' tokens do not allow it");
  }
  // Signals are never dropped, so too many of them would end the connection.
  if (client.ready(0) !== undefined) {
    throw new ProtocolError("not_available", "the receiver does not keep up", { retryAfter: 1000 });
  }
  client.send(new Encoded(message as never), 0);
}

/** Devices of one user may always meet; others where both tokens name the other's user. */
function mayMeet(caller: Caller, { userId, peers = [] }: Principal): boolean {
  return caller.userId === userId || (matchesAny(caller.peers, userId) && matchesAny(peers, caller.userId));
}

async function isSignedBy(peer: string, signature: string, said: Uint8Array<ArrayBuffer>): Promise<boolean> {
  try {
    const raw = Uint8Array.fromBase64(peer, { alphabet: "base64url" });
    const key = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify(
      "Ed25519",
      key,
      Uint8Array.fromBase64(signature, { alphabet: "base64url" }),
      said,
    );
  } catch {
    // Not a point of the curve: nobody's key.
    return false;
  }
}
