/**
 * Certificates that no authority has signed: clients trust them by their hash (`certificateHash`).
 *
 * @module
 */

/** What to make. */
export interface SelfSignedOptions {
  /** DNS names and IP addresses it is for. */
  readonly names: readonly string[];
  /** @default "localhost" */
  readonly commonName?: string;
  /** Milliseconds of life. Clients take the hash of a certificate only with 14 days at most. @default 13 days */
  readonly lifetime?: number;
  /** When its life begins, in milliseconds since the epoch. @default 5 minutes ago, for peers whose clocks are behind */
  readonly notBefore?: number;
}

const DAY = 86_400_000;
const BACKDATED = 5 * 60_000;

/** Makes an ECDSA key on P-256 and a certificate for it. Both are PEM; the key is PKCS #8. */
export async function selfSignedCertificate(
  options: SelfSignedOptions,
): Promise<{ cert: string; key: string }> {
  const { names, commonName = "localhost", lifetime = 13 * DAY, notBefore = Date.now() - BACKDATED } =
    options;
  // Imported here because loading it takes longer than the rest of a start, and most starts make no certificate.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const serial = crypto.getRandomValues(new Uint8Array(8));
  // A serial number is positive (RFC 5280 §4.1.2.2).
  serial[0] = (serial[0]! & 0x7f) | 0x01;
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toHex(),
    name: `CN=${commonName}`,
    notBefore: new Date(notBefore),
    notAfter: new Date(notBefore + lifetime),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIp(value) ? "ip" as const : "dns" as const, value })),
      ),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { cert: made.toString("pem"), key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") };
}

function isIp(name: string): boolean {
  return name.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(name);
}
