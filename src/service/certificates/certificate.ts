/**
 * A certificate and its key: parsed, checked against each other, and described.
 *
 * @module
 */

import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

const DAY = 86_400_000;
/** Longest life of a certificate that browsers accept by its hash (W3C WebTransport, "custom certificate requirements"). */
export const MAX_HASH_LIFETIME = 14 * DAY;

/** A certificate that can be served. */
export interface Certificate {
  /** The chain in PEM, leaf first. */
  readonly cert: string;
  /** The private key in PEM, PKCS #8. */
  readonly key: string;
  /** SHA-256 of the leaf in DER: what goes into `serverCertificateHashes`. */
  readonly hash: Uint8Array<ArrayBuffer>;
  /** Whether browsers accept it by that hash: an ECDSA key on P-256 and at most 14 days of life. */
  readonly hashUsable: boolean;
  /** DNS names and addresses it is for. */
  readonly names: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Peculiarities that do not prevent serving it, one sentence each. */
  readonly warnings: readonly string[];
}

/** A certificate or key that cannot be served. The message is one line and holds nothing of the key. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

/** Options of `parseCertificate`. */
export interface ParseOptions {
  /** Where the certificate came from, for messages. @default "certificate" */
  readonly certName?: string;
  /** Where the key came from, for messages. @default "key" */
  readonly keyName?: string;
  /** Milliseconds since the epoch. @default Date.now() */
  readonly now?: number;
}

/**
 * Reads a chain and a key in PEM. Throws CertificateError when either cannot be read, they do not belong
 * together, or the leaf has expired or is not valid yet.
 */
export function parseCertificate(cert: string, key: string, options: ParseOptions = {}): Certificate {
  const { certName = "certificate", keyName = "key", now = Date.now() } = options;
  const chain = parseChain(cert, certName);
  const leaf = chain[0]!;
  const privateKey = parseKey(key, keyName);
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new CertificateError(`${keyName} does not belong to ${certName}`);
  }
  const notBefore = leaf.validFromDate.getTime();
  const notAfter = leaf.validToDate.getTime();
  if (now >= notAfter) throw new CertificateError(`${certName} expired at ${leaf.validToDate.toISOString()}`);
  if (now < notBefore) {
    throw new CertificateError(`${certName} is not valid before ${leaf.validFromDate.toISOString()}`);
  }
  const names = namesOf(leaf);
  return {
    cert: pemBlocks(cert, "CERTIFICATE").join("\n") + "\n",
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    hash: new Uint8Array(createHash("sha256").update(leaf.raw).digest()),
    hashUsable: isP256(leaf) && notAfter - notBefore <= MAX_HASH_LIFETIME,
    names,
    notBefore,
    notAfter,
    warnings: warningsOf(chain, names, certName),
  };
}

/** Whether a certificate for `names` is good for `host`, a DNS name or an address; `*.` stands for one label. */
export function coversHost(names: readonly string[], host: string): boolean {
  const wanted = host.toLowerCase();
  const parent = wanted.slice(wanted.indexOf(".") + 1);
  return names.some((name) => {
    const own = name.toLowerCase();
    return own === wanted || (own.startsWith("*.") && wanted.includes(".") && own.slice(2) === parent);
  });
}

function parseChain(pem: string, name: string): X509Certificate[] {
  const blocks = pemBlocks(pem, "CERTIFICATE");
  if (blocks.length === 0) throw new CertificateError(`${name} holds no certificate in PEM`);
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      const which = blocks.length > 1 ? `certificate ${i + 1} of ${name}` : name;
      throw new CertificateError(`${which} cannot be read`, { cause });
    }
  });
}

function parseKey(pem: string, name: string): KeyObject {
  const blocks = pemBlocks(pem, "(?:[A-Z]+ )?PRIVATE KEY");
  const block = blocks[0];
  if (block === undefined) throw new CertificateError(`${name} holds no private key in PEM`);
  if (/ENCRYPTED/.test(block)) {
    throw new CertificateError(`${name} is encrypted; only a key without passphrase can be used`);
  }
  try {
    return createPrivateKey(block);
  } catch {
    // Without the cause: the text of a parser could quote the key in a log.
    throw new CertificateError(`${name} cannot be read as a private key`);
  }
}

/** The PEM blocks with a label, in order; text between them is ignored. */
function pemBlocks(pem: string, label: string): string[] {
  return pem.match(new RegExp(`-----BEGIN (${label})-----[^-]*-----END \\1-----`, "g")) ?? [];
}

function namesOf(leaf: X509Certificate): readonly string[] {
  return (leaf.subjectAltName ?? "").split(", ").flatMap((entry) => {
    const match = /^(?:DNS|IP Address):(.+)$/.exec(entry);
    return match ? [match[1]!] : [];
  });
}

function isP256(leaf: X509Certificate): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = leaf.publicKey;
  return type === "ec" && details?.namedCurve === "prime256v1";
}

function warningsOf(chain: readonly X509Certificate[], names: readonly string[], certName: string): string[] {
  const warnings: string[] = [];
  if (names.length === 0) warnings.push(`${certName} names no host; clients will refuse it`);
  for (let i = 1; i < chain.length; i++) {
    if (chain[i - 1]!.issuer !== chain[i]!.subject) {
      warnings.push(`certificate ${i + 1} of ${certName} is not the issuer of the one before it`);
    }
  }
  return warnings;
}
