/**
 * DNS messages (RFC 1035 §4) as far as finding a service on the local network needs them: questions, and the records PTR,
 * SRV, A and AAAA. Pure.
 *
 * @module
 */

import { addressBytes, addressText } from "../address.ts";

/** Record types: RFC 1035, 2782, 3596. */
export const RECORD_TYPE = { a: 1, ptr: 12, aaaa: 28, srv: 33, any: 255 } as const;

/** A question. */
export interface DnsQuestion {
  /** Labels joined by dots; case counts, because the ids of peers are in it. */
  readonly name: string;
  readonly type: number;
}

/** A record. */
export type DnsRecord =
  & { readonly name: string; /** Seconds. */ readonly ttl: number }
  & (
    | { readonly type: typeof RECORD_TYPE.ptr; readonly target: string }
    | { readonly type: typeof RECORD_TYPE.srv; readonly target: string; readonly port: number }
    | { readonly type: typeof RECORD_TYPE.a | typeof RECORD_TYPE.aaaa; readonly address: string }
  );

/** A message. Records of other types are left out. */
export interface DnsMessage {
  readonly isResponse: boolean;
  readonly questions: readonly DnsQuestion[];
  readonly records: readonly DnsRecord[];
}

/** A multicast message fits a packet of Ethernet (RFC 6762 §17). */
const MAX_MESSAGE = 1_440;
const HEADER = 12;
/** An answer, authoritative (RFC 6762 §18). */
const RESPONSE = 0x8400;
const INTERNET = 1;
/** The top bit of a class says "flush the cache" or "answer me alone" (RFC 6762 §10.2, §5.4). */
const CLASS_MASK = 0x7fff;
const MAX_ENTRIES = 64;
const MAX_NAME = 255;

/** Writes a message. Throws RangeError when it is larger than a packet. */
export function encodeDns({ isResponse, questions, records }: DnsMessage): Uint8Array<ArrayBuffer> {
  const bytes = new Writer();
  bytes.numbers(0, isResponse ? RESPONSE : 0, questions.length, records.length, 0, 0);
  for (const { name, type } of questions) {
    bytes.name(name);
    bytes.numbers(type, INTERNET);
  }
  for (const record of records) {
    bytes.name(record.name);
    bytes.numbers(record.type, INTERNET, 0, record.ttl);
    const data = new Writer();
    if (record.type === RECORD_TYPE.ptr) data.name(record.target);
    else if (record.type === RECORD_TYPE.srv) {
      data.numbers(0, 0, record.port);
      data.name(record.target);
    } else data.bytes(addressBytes(record.address));
    bytes.numbers(data.length);
    bytes.bytes(data.take());
  }
  if (bytes.length > MAX_MESSAGE) throw new RangeError(`a DNS message of ${bytes.length} bytes`);
  return bytes.take();
}

/** Reads a message; undefined for anything else. */
export function decodeDns(bytes: Uint8Array): DnsMessage | undefined {
  try {
    return new Reader(bytes).message();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

class Writer {
  #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  numbers(...values: number[]): void {
    for (const value of values) this.#bytes.push((value >> 8) & 0xff, value & 0xff);
  }

  bytes(values: Uint8Array): void {
    this.#bytes.push(...values);
  }

  name(name: string): void {
    for (const label of name.split(".")) {
      const text = new TextEncoder().encode(label);
      if (text.length < 1 || text.length > 63) throw new RangeError(`not a label: ${label}`);
      this.#bytes.push(text.length, ...text);
    }
    this.#bytes.push(0);
  }

  take(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  message(): DnsMessage {
    if (this.#bytes.length < HEADER) throw new RangeError("too short");
    this.#at = 2;
    const flags = this.#number();
    const [questions, ...sections] = [this.#number(), this.#number(), this.#number(), this.#number()];
    const records = sections.reduce((sum, count) => sum + count, 0);
    if (questions! + records > MAX_ENTRIES) throw new RangeError("too many entries");
    const asked = Array.from({ length: questions! }, (): DnsQuestion => {
      const name = this.#name(), type = this.#number();
      this.#number();
      return { name, type };
    });
    const told = Array.from({ length: records }, () => this.#record());
    return {
      isResponse: (flags & 0x8000) !== 0,
      questions: asked,
      records: told.filter((record) => record !== undefined),
    };
  }

  #record(): DnsRecord | undefined {
    const name = this.#name(), type = this.#number();
    const isInternet = (this.#number() & CLASS_MASK) === INTERNET;
    const ttl = this.#number() * 0x10000 + this.#number();
    const end = this.#number() + this.#at;
    if (end > this.#bytes.length) throw new RangeError("cut");
    const record = isInternet ? this.#data(name, type, ttl, end) : undefined;
    this.#at = end;
    return record;
  }

  #data(name: string, type: number, ttl: number, end: number): DnsRecord | undefined {
    if (type === RECORD_TYPE.ptr) return { name, type, ttl, target: this.#name() };
    if (type === RECORD_TYPE.srv) {
      this.#at += 4;
      const port = this.#number();
      return { name, type, ttl, port, target: this.#name() };
    }
    const length = end - this.#at;
    if (type === RECORD_TYPE.a ? length !== 4 : type !== RECORD_TYPE.aaaa || length !== 16) return undefined;
    return {
      name,
      type: type as typeof RECORD_TYPE.a,
      ttl,
      address: addressText(this.#bytes.subarray(this.#at, end)),
    };
  }

  #number(): number {
    const at = this.#at;
    this.#at += 2;
    if (this.#at > this.#bytes.length) throw new RangeError("cut");
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  /** A name, perhaps compressed (RFC 1035 §4.1.4). Pointers only lead back, so that they end. */
  #name(): string {
    const labels: string[] = [];
    let at = this.#at, after: number | undefined, total = 0;
    for (;;) {
      const length = this.#bytes[at];
      if (length === undefined) throw new RangeError("cut");
      if (length >= 0xc0) {
        const target = ((length & 0x3f) << 8) | (this.#bytes[at + 1] ?? 0);
        after ??= at + 2;
        if (target >= at) throw new RangeError("a pointer that leads forward");
        at = target;
        continue;
      }
      if (length > 63 || (total += length + 1) > MAX_NAME) throw new RangeError("not a name");
      if (length === 0) break;
      if (at + 1 + length > this.#bytes.length) throw new RangeError("cut");
      labels.push(new TextDecoder().decode(this.#bytes.subarray(at + 1, at + 1 + length)));
      at += 1 + length;
    }
    this.#at = after ?? at + 1;
    return labels.join(".");
  }
}
