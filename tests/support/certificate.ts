/**
 * Certificates for tests, made on the fly.
 *
 * @module
 */

import { certificateHash, selfSignedCertificate } from "../../src/quic/mod.ts";

/** A self-signed certificate for loopback. */
export interface TestCertificate {
  /** Certificate in PEM. */
  readonly cert: string;
  /** PKCS #8 private key in PEM. */
  readonly key: string;
  /** SHA-256 of the certificate in DER, for `serverCertificateHashes`. */
  readonly hash: Uint8Array<ArrayBuffer>;
}

/** What a test may want otherwise. */
export interface TestCertificateOptions {
  /** Subject alternative names: DNS names and IP addresses. @default ["localhost", "127.0.0.1", "::1"] */
  readonly names?: readonly string[];
  /** Days it is valid; browsers take a hash only up to 14. @default 10 */
  readonly days?: number;
  /** Milliseconds since the epoch at which it begins. @default a minute ago */
  readonly notBefore?: number;
}

/** Makes an ECDSA P-256 certificate as browsers accept it by its hash. */
export async function makeCertificate(options: TestCertificateOptions = {}): Promise<TestCertificate> {
  const { cert, key } = await selfSignedCertificate({
    names: options.names ?? ["localhost", "127.0.0.1", "::1"],
    notBefore: options.notBefore ?? Date.now() - 60_000,
    lifetime: (options.days ?? 10) * 86_400_000,
  });
  return { cert, key, hash: await certificateHash(cert) };
}
