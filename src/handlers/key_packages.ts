/**
 * Key packages: what devices leave here so that others can add them to encrypted groups. The service keeps them and gives
 * them out; whose they are is checked by those who use them.
 *
 * @module
 */

import { matchesAny, parsePayload, type Principal, ProtocolError } from "../protocol/mod.ts";
import type { Context, Route } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";

/** Routes of key packages. */
export function keyPackageRoutes({ hub: { keyPackages } }: HandlerParts): Route[] {
  const publish = async (context: Context): Promise<void> => {
    const { client, message } = context;
    const said = parsePayload("key_packages_publish", message.payload);
    context.reply("key_packages_published", {
      count: await keyPackages.publish(client.principal.userId, said),
    });
  };
  const claim = async (context: Context): Promise<void> => {
    const { client, message } = context;
    const said = parsePayload("key_packages_claim", message.payload);
    if (!mayClaim(client.principal, said.userId)) throw new ProtocolError("permission_denied");
    const claimant = client.principal.userId;
    context.reply("key_packages_claimed", { ...await keyPackages.claim({ claimant, ...said }) });
  };
  const remove = async (context: Context): Promise<void> => {
    const { client, message } = context;
    const { device } = parsePayload("key_packages_remove", message.payload);
    await keyPackages.remove(client.principal.userId, device);
    context.reply("key_packages_removed", {});
  };
  return [
    { type: "key_packages_publish", handler: publish },
    { type: "key_packages_claim", handler: claim },
    { type: "key_packages_remove", handler: remove },
  ];
}

/** Who may write to a user, or meet the user's peers, may add the user's devices to a group. */
function mayClaim({ userId, rights, peers = [] }: Principal, wanted: string): boolean {
  return userId === wanted || rights.has("direct_message") || matchesAny(peers, wanted);
}
