/**
 * All handlers: one file per message family.
 *
 * @module
 */

import type { Route } from "../router/types.ts";
import { appendRoutes } from "./append.ts";
import { botRoutes } from "./bots.ts";
import { channelRoutes } from "./channels.ts";
import type { HandlerParts } from "./contract.ts";
import { documentDeletion } from "./deleting.ts";
import { documentRoutes } from "./documents.ts";
import { editRoutes } from "./edits.ts";
import { fileRoutes } from "./files.ts";
import { historyRoutes } from "./history.ts";
import { keyPackageRoutes } from "./key_packages.ts";
import { readPositionRoutes } from "./read_positions.ts";
import { messageRoutes } from "./messages.ts";
import { pingRoutes } from "./ping.ts";
import { peerRoutes } from "./peers.ts";
import { presenceRoutes } from "./presence.ts";
import { receiptRoutes } from "./receipts.ts";
import { replayRoutes } from "./replay.ts";
import { rpcRoutes } from "./rpc.ts";
import { settleRoutes } from "./settle.ts";
import { typingRoutes } from "./typing.ts";

export type { DocumentLimits, PeerService } from "./contract.ts";
export { admitReader, type FileService } from "./files_parts.ts";

/** The routes of every type a client may send once it is authenticated. */
export function routes(parts: HandlerParts): Route[] {
  return [
    ...pingRoutes(),
    ...channelRoutes(parts),
    ...messageRoutes(parts),
    ...appendRoutes(parts),
    ...receiptRoutes(parts),
    ...typingRoutes(parts),
    ...historyRoutes(parts),
    ...settleRoutes(parts),
    ...presenceRoutes(parts),
    ...botRoutes(parts),
    ...rpcRoutes(parts),
    ...fileRoutes(parts),
    ...editRoutes(parts),
    ...readPositionRoutes(parts),
    ...replayRoutes(parts),
    ...documentRoutes(parts),
    documentDeletion(parts),
    ...peerRoutes(parts),
    ...keyPackageRoutes(parts),
  ];
}
