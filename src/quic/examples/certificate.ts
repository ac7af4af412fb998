/**
 * A certificate for trying things on one machine: made on the fly, trusted by its hash.
 *
 * @module
 */

import { certificateHash, selfSignedCertificate } from "../mod.ts";

/** Makes a certificate for loopback that browsers accept by its hash. */
export async function makeDevelopmentCertificate(): Promise<
  { cert: string; key: string; hash: Uint8Array<ArrayBuffer> }
> {
  const made = await selfSignedCertificate({ names: ["localhost", "127.0.0.1", "::1"] });
  return { ...made, hash: await certificateHash(made.cert) };
}
