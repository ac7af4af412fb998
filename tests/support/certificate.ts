/**
 * Certificates for tests, made on the fly.
 *
 * @module
 */

import "reflect-metadata";
import * as x509 from "@peculiar/x509";

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
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const notBefore = new Date(options.notBefore ?? Date.now() - 60_000);
  const names = options.names ?? ["localhost", "127.0.0.1", "::1"];
  const serial = crypto.getRandomValues(new Uint8Array(8));
  serial[0]! &= 0x7f;
  serial[0]! |= 0x01;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toHex(),
    name: "CN=localhost",
    notBefore,
    notAfter: new Date(notBefore.getTime() + (options.days ?? 10) * 86_400_000),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isAddress(value) ? "ip" as const : "dns" as const, value })),
      ),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  const key = x509.PemConverter.encode(pkcs8, "PRIVATE KEY");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", certificate.rawData));
  return { cert: certificate.toString("pem"), key, hash };
}

function isAddress(name: string): boolean {
  return name.includes(":") || /^[\d.]+$/.test(name);
}
