/**
 * The hook of operations: it keeps their order for each connection, and bounds what no snapshot covers.
 *
 * @module
 */

import type { Publication, PublishHook } from "../hub/mod.ts";
import { ProtocolError } from "../protocol/mod.ts";
import { when } from "./checks.ts";
import type { DocumentLimits } from "./contract.ts";
import type { PendingOperations } from "./documents_pending.ts";
import type { DocumentStates } from "./documents_state.ts";

/** Makes the hook. It refuses with `doc_out_of_order` and `doc_full`, and reserves room for what is being committed. */
export function documentHook(
  states: DocumentStates,
  pending: PendingOperations,
  limits: () => DocumentLimits,
): PublishHook {
  return {
    name: "documents",
    types: ["doc_op"],
    before: (publication) =>
      when(pending.pending(publication.channel), (bytes) => {
        const { channel, client, id } = publication;
        const state = client && states.known(client, channel);
        if (state?.awaited !== undefined && state.awaited !== id) throw new ProtocolError("doc_out_of_order");
        const size = sizeOf(publication);
        if (bytes + size > limits().maxPending) {
          // Now, because the next operation may be checked before the sender of this one is answered.
          if (client !== undefined) states.refused(client, channel, id, true);
          throw new ProtocolError("doc_full");
        }
        if (state !== undefined) state.awaited = undefined;
        pending.reserve(channel, size);
      }),
    after: (publication) => pending.release(publication.channel, sizeOf(publication)),
    failed: (publication) => pending.release(publication.channel, sizeOf(publication)),
  };
}

function sizeOf({ payload: { data } }: Publication): number {
  return data instanceof Uint8Array ? data.length : 0;
}
