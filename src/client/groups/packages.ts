/**
 * Key packages (RFC 9420 §10): what a device leaves at the service so that others can add it while it is away.
 *
 * @module
 */

import { SkeinError } from "../errors.ts";
import { fromBase64Url, toBase64Url } from "./encoding.ts";
import { credentialOf, type DeviceName, nameOf, PACKAGE_LIFETIME, type Suite } from "./identity.ts";
import {
  decodeMlsMessage,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  type KeyPackage,
  makeKeyPackageRef,
  type PrivateKeyPackage,
  verifyKeyPackage,
} from "./mls.ts";

/** A key package of this device, with its private half. */
export interface OwnPackage {
  /** Names it in a welcome (RFC 9420 §5.2), in base64url. */
  readonly ref: string;
  readonly publicPackage: KeyPackage;
  readonly privatePackage: PrivateKeyPackage;
  /** It may be used more than once. */
  readonly lastResort: boolean;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** A key package of somebody, checked. */
export interface CheckedPackage extends DeviceName {
  readonly keyPackage: KeyPackage;
}

/** An own package as it is kept. */
export interface StoredPackage {
  readonly package: string;
  readonly init: string;
  readonly leaf: string;
  readonly lastResort: boolean;
  /** Since when one of last resort is to be used no more, in milliseconds since the epoch. @default it may be used */
  readonly spent?: number;
}

/** Makes a key package; `now` in milliseconds since the epoch. */
export async function makePackage(suite: Suite, now: number, lastResort: boolean): Promise<OwnPackage> {
  const { cs, identity } = suite;
  const seconds = Math.floor(now / 1000);
  const { publicPackage, privatePackage } = await generateKeyPackageWithKey(
    { credentialType: "basic", identity: credentialOf(identity) },
    {
      versions: ["mls10"],
      ciphersuites: [cs.name],
      extensions: [],
      proposals: [],
      credentials: ["basic"],
    },
    // An hour earlier: clocks of devices differ.
    { notBefore: BigInt(seconds - 3600), notAfter: BigInt(seconds + PACKAGE_LIFETIME) },
    [],
    // The key itself stays where it is: see `suiteOf`.
    { signKey: new Uint8Array(), publicKey: identity.publicKey },
    cs,
  );
  return await ownPackage(suite, publicPackage, privatePackage, lastResort);
}

/** A key package as it is sent. */
export function encodePackage(keyPackage: KeyPackage): Uint8Array {
  return encodeMlsMessage({ version: "mls10", wireformat: "mls_key_package", keyPackage });
}

/**
 * Reads a key package and checks its signatures, that it holds now, and that its device is the key that has signed it.
 * Rejects with SkeinError `bad_payload`.
 */
export async function readPackage({ cs }: Suite, bytes: Uint8Array, now: number): Promise<CheckedPackage> {
  const message = decode(bytes);
  const keyPackage = message?.wireformat === "mls_key_package" ? message.keyPackage : undefined;
  if (keyPackage === undefined || keyPackage.cipherSuite !== cs.name) {
    throw new SkeinError("bad_payload", "not a key package of the cipher suite");
  }
  const { credential, signaturePublicKey, lifetime } = keyPackage.leafNode;
  const name = "identity" in credential ? nameOf(credential.identity, signaturePublicKey) : undefined;
  const seconds = BigInt(Math.floor(now / 1000));
  const isCurrent = lifetime.notBefore <= seconds && seconds <= lifetime.notAfter;
  if (name === undefined || !isCurrent || !await verifyKeyPackage(keyPackage, cs.signature)) {
    throw new SkeinError("bad_payload", "a key package that is not signed by its device, or too old");
  }
  return { ...name, keyPackage };
}

/** An own package for the storage. */
export function storedPackage({ publicPackage, privatePackage, lastResort }: OwnPackage): StoredPackage {
  return {
    package: toBase64Url(encodePackage(publicPackage)),
    init: toBase64Url(privatePackage.initPrivateKey),
    leaf: toBase64Url(privatePackage.hpkePrivateKey),
    lastResort,
  };
}

/** Reads what `storedPackage` made; undefined when it is none. */
export async function restoredPackage(suite: Suite, stored: StoredPackage): Promise<OwnPackage | undefined> {
  const message = decode(fromBase64Url(stored.package) ?? new Uint8Array());
  const initPrivateKey = fromBase64Url(stored.init), hpkePrivateKey = fromBase64Url(stored.leaf);
  if (message?.wireformat !== "mls_key_package" || initPrivateKey === undefined) return undefined;
  if (hpkePrivateKey === undefined) return undefined;
  const privatePackage = { initPrivateKey, hpkePrivateKey, signaturePrivateKey: new Uint8Array() };
  return await ownPackage(suite, message.keyPackage, privatePackage, stored.lastResort);
}

async function ownPackage(
  { cs }: Suite,
  publicPackage: KeyPackage,
  privatePackage: PrivateKeyPackage,
  lastResort: boolean,
): Promise<OwnPackage> {
  const { leafNode } = publicPackage;
  return {
    ref: toBase64Url(await makeKeyPackageRef(publicPackage, cs.hash)),
    publicPackage,
    privatePackage,
    lastResort,
    expires: Number(leafNode.lifetime.notAfter) * 1000,
  };
}

function decode(
  bytes: Uint8Array,
): ReturnType<typeof decodeMlsMessage> extends readonly [infer T, number] | undefined ? T | undefined
  : never {
  try {
    return decodeMlsMessage(bytes, 0)?.[0];
  } catch {
    // Others' bytes: the library throws at some of them.
    return undefined;
  }
}
