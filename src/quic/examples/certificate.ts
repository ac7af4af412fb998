/**
 * A certificate for trying things on one machine: made on the fly, trusted by its hash.
 *
 * @module
 */

import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { certificateHash } from "../certificate_hash.ts";

/** Makes an ECDSA P-256 certificate for loopback, valid for ten days: browsers take no hash of a longer one. */
export async function makeDevelopmentCertificate(): Promise<
  { cert: string; key: string; hash: Uint8Array<ArrayBuffer> }
> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=localhost",
    notBefore: new Date(now - 60_000),
    notAfter: new Date(now + 10 * 86_400_000),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
        { type: "ip", value: "::1" },
      ]),
    ],
  });
  return {
    cert: certificate.toString("pem"),
    key: x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY"),
    hash: await certificateHash(certificate.toString("pem")),
  };
}
