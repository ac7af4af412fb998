/**
 * Who a member is: a device of a user. The device is an Ed25519 key; its public half is the device's id, the same as a
 * peer's id.
 *
 * @module
 */

import { isUserId } from "../../protocol/core.ts";
import { fromBase64Url, ownCopy, textOf, toBase64Url, utf8 } from "./encoding.ts";
import {
  type CiphersuiteImpl,
  type ClientConfig,
  defaultKeyPackageEqualityConfig,
  defaultPaddingConfig,
  getCiphersuiteFromName,
  getCiphersuiteImpl,
} from "./mls.ts";

/** A device of a user. */
export interface DeviceName {
  readonly user: string;
  /** Its Ed25519 public key in base64url. */
  readonly device: string;
}

/** This device. */
export interface Identity extends DeviceName {
  readonly publicKey: Uint8Array;
  /** Signs; need not be extractable. */
  readonly key: CryptoKey;
}

/** The cipher suite of all groups: what WebCrypto has in Deno, Chromium, Firefox, and Safari. */
const SUITE = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";
/** Seconds that a key package holds at most; devices that are away longer cannot be added meanwhile. */
export const PACKAGE_LIFETIME = 84 * 86_400;

/** The cipher suite with this device's key, and what is checked of others. */
export interface Suite {
  readonly identity: Identity;
  readonly cs: CiphersuiteImpl;
  readonly config: ClientConfig;
}

/** The identity of a key pair. */
export async function identityOf(user: string, { privateKey, publicKey }: CryptoKeyPair): Promise<Identity> {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  return { user, device: toBase64Url(raw), publicKey: raw, key: privateKey };
}

/** The key pair of a private key in PKCS #8, no longer extractable. Rejects with TypeError when it is none. */
export async function keyPairOf(pkcs8: Uint8Array): Promise<CryptoKeyPair> {
  const bytes = ownCopy(pkcs8);
  try {
    const key = await crypto.subtle.importKey("pkcs8", bytes, "Ed25519", true, ["sign"]);
    const { x } = await crypto.subtle.exportKey("jwk", key);
    const publicKey = await crypto.subtle.importKey("raw", fromBase64Url(x!)!, "Ed25519", true, ["verify"]);
    return {
      privateKey: await crypto.subtle.importKey("pkcs8", bytes, "Ed25519", false, ["sign"]),
      publicKey,
    };
  } catch {
    // Without the cause: a parser's text could quote the key in a log.
    throw new TypeError("not an Ed25519 private key");
  }
}

/** The cipher suite for a device. */
export async function suiteOf(identity: Identity): Promise<Suite> {
  const plain = await getCiphersuiteImpl(getCiphersuiteFromName(SUITE));
  const cs: CiphersuiteImpl = {
    ...plain,
    signature: {
      ...plain.signature,
      // The library passes the bytes of a private key on; this key may not have any.
      async sign(_key, message) {
        return new Uint8Array(await crypto.subtle.sign("Ed25519", identity.key, ownCopy(message)));
      },
    },
  };
  const config: ClientConfig = {
    // Messages of earlier epochs are opened with keys of `EpochKeys`, not with those of the library.
    keyRetentionConfig: {
      retainKeysForGenerations: 4,
      retainKeysForEpochs: 0,
      maximumForwardRatchetSteps: 200,
    },
    lifetimeConfig: {
      maximumTotalLifetime: BigInt(PACKAGE_LIFETIME + 7200),
      validateLifetimeOnReceive: false,
    },
    keyPackageEqualityConfig: defaultKeyPackageEqualityConfig,
    paddingConfig: defaultPaddingConfig,
    authService: {
      validateCredential: (credential, key) =>
        Promise.resolve(
          "identity" in credential && nameOf(credential.identity as Uint8Array, key) !== undefined,
        ),
    },
  };
  return { identity, cs, config };
}

/** What a credential says: the device, a line feed, and its user. */
export function credentialOf({ user, device }: DeviceName): Uint8Array {
  return utf8(`${device}\n${user}`);
}

/** Whom a credential names; undefined unless the device is the key that has signed it. */
export function nameOf(identity: Uint8Array, key: Uint8Array): DeviceName | undefined {
  const [device, user, ...more] = textOf(identity).split("\n");
  if (user === undefined || more.length > 0 || !isUserId(user)) return undefined;
  return device === toBase64Url(key) ? { user, device } : undefined;
}
