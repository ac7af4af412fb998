/**
 * How the peer ends a session: by the close capsule, or by the end of the CONNECT stream alone.
 *
 * @module
 */

import { CAPSULE, decodeClose, treatCapsule } from "./capsule.ts";
import { Http3Error } from "./errors.ts";
import { TlvReader } from "./frames.ts";
import type { MessageReader } from "./message_stream.ts";

/**
 * Reads a CONNECT stream until the session is closed by the peer. A reset stream counts as an end without a code.
 * Throws Http3Error on malformed frames and capsules.
 */
export async function readSessionClose(reader: MessageReader): Promise<{ code: number; reason: string }> {
  const capsules = new TlvReader(treatCapsule);
  try {
    for (;;) {
      const data = await reader.data();
      if (data === undefined) break;
      for (const piece of capsules.push(data)) {
        if (piece.type === CAPSULE.CLOSE_WEBTRANSPORT_SESSION) return decodeClose(piece.payload);
      }
    }
  } catch (error) {
    if (error instanceof Http3Error) throw error;
  }
  return { code: 0, reason: "" };
}
