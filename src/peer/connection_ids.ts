/**
 * The destination connection ids that a peer's packets bear (RFC 9000 §17.3). When a NAT changes its mapping, packets
 * come from an address nobody knows; the id in them says whose they are, long before a check could.
 *
 * @module
 */

/** Deno's QUIC (quinn) makes ids of 8 bytes, which stand right behind the first byte of a short header. */
const LENGTH = 8;
/** The two halves of an id are one key: 53 bits of it are enough to tell some thousand apart. */
const HALF = 2 ** 32;
/** Ids remembered for one peer: it changes them now and then. */
const KEPT = 4;

/** Whose id is whose. */
export class ConnectionIds<T> {
  readonly #owners = new Map<number, T>();
  readonly #ids = new Map<T, number[]>();

  /** Notes the id of a packet that `owner` sent. */
  note(bytes: Uint8Array, owner: T): void {
    const id = connectionId(bytes);
    if (id === undefined || this.#owners.get(id) === owner) return;
    const ids = this.#ids.get(owner) ?? [];
    this.#ids.set(owner, ids);
    ids.push(id);
    this.#owners.set(id, owner);
    if (ids.length > KEPT) this.#owners.delete(ids.shift()!);
  }

  /** Whose packet this is, by its id. */
  find(bytes: Uint8Array): T | undefined {
    const id = connectionId(bytes);
    return id === undefined ? undefined : this.#owners.get(id);
  }

  /** Forgets the ids of `owner`. */
  delete(owner: T): void {
    for (const id of this.#ids.get(owner) ?? []) this.#owners.delete(id);
    this.#ids.delete(owner);
  }
}

/** The id of a packet with a short header, as a number; undefined for long headers. */
function connectionId(bytes: Uint8Array): number | undefined {
  // The top bit is the header's form; the fixed bit below it is greased and says nothing.
  if (bytes.length < 1 + LENGTH || bytes[0]! >= 0x80) return undefined;
  const high = (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!;
  const low = ((bytes[5]! << 24) | (bytes[6]! << 16) | (bytes[7]! << 8) | bytes[8]!) >>> 0;
  return high * HALF + low;
}
