/**
 * UUIDv7 (RFC 9562 §5.7): sortable by time, and strictly rising within one process.
 *
 * @module
 */

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
const POOL_BYTES = 8 * 512;
const pool = new Uint8Array(POOL_BYTES);
let poolAt = POOL_BYTES;
let lastTime = 0;
let sequence = 0;
let prefixTime = -1;
let prefix = "";

/**
 * A new UUIDv7. Ids made in one process rise strictly, even within a millisecond or when the clock steps
 * back: the 12 bits after the version are a counter that starts at random below 2048 each millisecond.
 */
export function uuidv7(now: number = Date.now()): string {
  if (poolAt + 8 > POOL_BYTES) {
    crypto.getRandomValues(pool);
    poolAt = 0;
  }
  const a = pool[poolAt]!, b = pool[poolAt + 1]!;
  if (now > lastTime) {
    lastTime = now;
    sequence = ((a << 8) | b) & 0x7ff;
  } else if (++sequence > 0xfff) {
    lastTime++;
    sequence = ((a << 8) | b) & 0x7ff;
  }
  if (prefixTime !== lastTime) {
    prefixTime = lastTime;
    const t = lastTime.toString(16).padStart(12, "0");
    prefix = t.slice(0, 8) + "-" + t.slice(8) + "-7";
  }
  const id = prefix + HEX[sequence >> 8]![1] + HEX[sequence & 0xff]! + "-" +
    HEX[0x80 | (pool[poolAt + 2]! & 0x3f)]! + HEX[pool[poolAt + 3]!]! + "-" +
    HEX[pool[poolAt + 4]!]! + HEX[pool[poolAt + 5]!]! + HEX[pool[poolAt + 6]!]! + HEX[pool[poolAt + 7]!]! +
    HEX[a]! + HEX[b]!;
  poolAt += 8;
  return id;
}
