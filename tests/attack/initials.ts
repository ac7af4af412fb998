/**
 * Initial packets of QUIC (RFC 9001 §5) from anybody: one of a real client is taken apart and made anew for other
 * connections, which never go on.
 *
 * @module
 */

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";

const SALT = Uint8Array.fromHex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a");
const AEAD = "aes-128-gcm", TAG = 16;

interface Keys {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  readonly hp: Uint8Array;
}

function hmac(key: Uint8Array, ...data: Uint8Array[]): Uint8Array {
  const mac = createHmac("sha256", key);
  for (const part of data) mac.update(part);
  return new Uint8Array(mac.digest());
}

/** HKDF-Expand-Label of TLS 1.3 for up to 32 bytes. */
function expand(secret: Uint8Array, label: string, length: number): Uint8Array {
  const name = new TextEncoder().encode(`tls13 ${label}`);
  return hmac(secret, Uint8Array.of(0, length, name.length, ...name, 0, 1)).subarray(0, length);
}

function keysOf(destination: Uint8Array): Keys {
  const secret = expand(hmac(SALT, destination), "client in", 32);
  return {
    key: expand(secret, "quic key", 16),
    iv: expand(secret, "quic iv", 12),
    hp: expand(secret, "quic hp", 16),
  };
}

/** Where things are in an Initial packet whose destination id begins at 6. */
function layoutOf(packet: Uint8Array): { destination: Uint8Array; numberAt: number; end: number } {
  const destination = packet.subarray(6, 6 + packet[5]!);
  let at = 6 + destination.length;
  at += 1 + packet[at]!;
  const token = varintAt(packet, at);
  at = token.next + token.value;
  const { value: length, next } = varintAt(packet, at);
  return { destination, numberAt: next, end: next + length };
}

function varintAt(bytes: Uint8Array, at: number): { value: number; next: number } {
  const size = 1 << (bytes[at]! >> 6);
  let value = bytes[at]! & 0x3f;
  for (let i = 1; i < size; i++) value = value * 256 + bytes[at + i]!;
  return { value, next: at + size };
}

function maskOf(hp: Uint8Array, packet: Uint8Array, numberAt: number): Uint8Array {
  const cipher = createCipheriv("aes-128-ecb", hp, null);
  cipher.setAutoPadding(false);
  const mask = new Uint8Array(cipher.update(packet.subarray(numberAt + 4, numberAt + 20)));
  cipher.final();
  return mask;
}

function nonceOf(iv: Uint8Array, number: Uint8Array): Uint8Array {
  const nonce = iv.slice();
  for (let i = 0; i < number.length; i++) nonce[nonce.length - number.length + i]! ^= number[i]!;
  return nonce;
}

/** What makes the first packet of a connection that is not there, each time of another one. */
export async function forgeInitials(): Promise<() => Uint8Array> {
  const packet = await firstPacket();
  const { destination, numberAt, end } = layoutOf(packet);
  const keys = keysOf(destination);
  const mask = maskOf(keys.hp, packet, numberAt);
  const head = packet.slice(0, numberAt + 4);
  head[0]! ^= mask[0]! & 0x0f;
  const numberLength = (head[0]! & 3) + 1;
  for (let i = 0; i < numberLength; i++) head[numberAt + i]! ^= mask[1 + i]!;
  const aad = head.slice(0, numberAt + numberLength);
  const number = aad.subarray(numberAt);
  const decipher = createDecipheriv(AEAD, keys.key, nonceOf(keys.iv, number));
  decipher.setAAD(aad);
  decipher.setAuthTag(packet.subarray(end - TAG, end));
  const frames = new Uint8Array(decipher.update(packet.subarray(aad.length, end - TAG)));
  decipher.final();
  return () => {
    const forged = new Uint8Array(end);
    forged.set(aad);
    forged.set(randomBytes(destination.length), 6);
    const { key, iv, hp } = keysOf(forged.slice(6, 6 + destination.length));
    const cipher = createCipheriv(AEAD, key, nonceOf(iv, number));
    cipher.setAAD(forged.subarray(0, aad.length));
    forged.set(cipher.update(frames), aad.length);
    cipher.final();
    forged.set(cipher.getAuthTag(), end - TAG);
    const mask = maskOf(hp, forged, numberAt);
    forged[0]! ^= mask[0]! & 0x0f;
    for (let i = 0; i < numberLength; i++) forged[numberAt + i]! ^= mask[1 + i]!;
    return forged;
  };
}

/** The first packet that Deno sends to a server. */
async function firstPacket(): Promise<Uint8Array> {
  const sink = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = sink.addr as Deno.NetAddr;
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const options = { hostname: "127.0.0.1", port, alpnProtocols: ["skein/1"], endpoint };
  const dial = Promise.resolve(Deno.connectQuic(options));
  dial.catch(() => {});
  try {
    const [packet] = await sink.receive(new Uint8Array(2048));
    return packet;
  } finally {
    sink.close();
    endpoint.close();
    await dial.catch(() => {});
  }
}
