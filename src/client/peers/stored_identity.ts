/**
 * The key of a browser's device, kept in IndexedDB: scripts of the page can use it and not read it.
 *
 * @module
 */

import { PeerIdentity } from "../../peer/browser.ts";
import { answer } from "../indexed_db.ts";

const KEYS = "keys";
const KEY = "peer";

/**
 * The identity of this browser for this origin; made at first use. Rejects with what the browser says where it keeps
 * nothing, as in some private windows: a new `PeerIdentity` is good for the visit.
 *
 * @param name @default "skein-peer"
 */
export async function storedIdentity(name = "skein-peer"): Promise<PeerIdentity> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(KEYS);
  const database = await answer(request);
  try {
    const known = await answer(database.transaction(KEYS).objectStore(KEYS).get(KEY));
    if (known !== undefined) return await PeerIdentity.fromKeyPair(known as CryptoKeyPair);
    const made = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]) as CryptoKeyPair;
    const keys = database.transaction(KEYS, "readwrite", { durability: "strict" }).objectStore(KEYS);
    // Another page of the origin may have made one meanwhile: that one counts.
    const first = await answer(keys.get(KEY));
    if (first === undefined) await answer(keys.add(made, KEY));
    return await PeerIdentity.fromKeyPair((first ?? made) as CryptoKeyPair);
  } finally {
    database.close();
  }
}
