/**
 * The section `peers` of the configuration: the servers that help clients to reach each other directly.
 *
 * @module
 */

import * as v from "valibot";
import { asProblem, readSecret } from "../config/material.ts";
import type { Problem } from "../config/problem.ts";
import type { Rule, Values } from "../config/section.ts";
import { duration, list, text } from "../config/setting.ts";

/** `peers`: STUN and TURN servers. */
const peers = v.strictObject({
  stun: v.optional(
    list(
      'a list of URLs such as ["stun:stun.example.org"]',
      "STUN servers that clients ask for their outside address. Two addresses (RFC 5780) let `skein peer doctor` name the kind of NAT.",
      {},
      /^stun:(\[[0-9a-fA-F:.]+\]|[^:?[\]/@\s]+)(:\d{1,5})?$/,
    ),
    [],
  ),
  turn: v.optional(
    list(
      'a list of URLs such as ["turn:turn.example.org", "turns:turn.example.org"]',
      "TURN servers that relay where no direct path is found, in the order in which clients try them. UDP first, `?transport=tcp` and `turns:` for networks without UDP.",
      {},
      /^turns?:(\[[0-9a-fA-F:.]+\]|[^:?[\]/@\s]+)(:\d{1,5})?(\?transport=(udp|tcp))?$/,
    ),
    [],
  ),
  turnSecret: v.exactOptional(
    text(
      "a text",
      "The secret that the service shares with the TURN servers (coturn: `static-auth-secret`); credentials for clients are made from it.",
      { secret: true },
    ),
  ),
  turnSecretFile: v.exactOptional(
    text("a path", "File with that secret; white space around it is not part of it."),
  ),
  credentialLifetime: v.optional(
    duration(60_000, 86_400_000, "How long a client's TURN credentials are good for."),
    "1h",
  ),
});

/** What a configuration may hold. */
export const section = { peers: v.optional(peers, {}) };

/** What the configuration holds of it. */
export type PeersConfig = Values<typeof section>;

const secretFits: Rule<PeersConfig> = ({ peers }, report) => {
  const { turn, turnSecret, turnSecretFile } = peers;
  if (turnSecret !== undefined && turnSecretFile !== undefined) {
    report("peers.turnSecretFile", "not allowed beside peers.turnSecret");
  }
  if (turn.length > 0 && turnSecret === undefined && turnSecretFile === undefined) {
    report("peers.turn", "needs peers.turnSecret or peers.turnSecretFile");
  }
};

/** What must hold between settings. */
export const rules: readonly Rule<PeersConfig>[] = [secretFits];

/** What is wrong with the file of the secret. */
export async function material(config: PeersConfig): Promise<readonly Problem[]> {
  try {
    await turnSecret(config);
    return [];
  } catch (error) {
    return [asProblem(error, "peers.turnSecretFile")];
  }
}

/** The secret shared with the TURN servers. Rejects with MaterialError for a file that cannot be read. */
export async function turnSecret({ peers }: PeersConfig): Promise<string | undefined> {
  const { turnSecret, turnSecretFile } = peers;
  return turnSecretFile === undefined ? turnSecret : await readSecret(turnSecretFile, "peers.turnSecretFile");
}
