/**
 * A link with delay and loss, where the kernel has no netem: two network devices in this process (TAP), and a queue from
 * each to the other. Run in a namespace as root: `delay_line.ts NAME NAME MS LOSS`; both are there once it says `up`.
 *
 * @module
 */

const [first, second, delayText, lossText] = Deno.args as [string, string, string, string];
/** Milliseconds in each direction. */
const delay = Number(delayText);
/** 0 to 1. */
const loss = Number(lossText);

/** linux/if_tun.h, for x86-64 and ARM64. */
const TUNSETIFF = 0x400454can;
const IFF_TAP = 0x0002, IFF_NO_PI = 0x1000;
const O_RDWR = 2;
const MAX_FRAME = 2048;
/** Frames on the way; a real link drops more, too. */
const MAX_QUEUE = 8_192;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
});

function openTap(name: string): number {
  const fd = libc.open(new TextEncoder().encode("/dev/net/tun\0"), O_RDWR);
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name));
  new DataView(request.buffer).setUint16(16, IFF_TAP | IFF_NO_PI, true);
  if (fd < 0 || libc.ioctl(fd, TUNSETIFF, request) < 0) throw new Error(`no TAP device ${name}`);
  return fd;
}

/** Carries frames one way, in order. */
async function carry(from: number, to: number): Promise<void> {
  const queue: { readonly at: number; readonly frame: Uint8Array<ArrayBuffer> }[] = [];
  let timer = false;
  const wait = (): void => {
    timer = queue.length > 0;
    if (timer) setTimeout(leave, Math.max(0, queue[0]!.at - performance.now()));
  };
  const leave = (): void => {
    const now = performance.now();
    while (queue.length > 0 && queue[0]!.at <= now) {
      const { frame } = queue.shift()!;
      libc.write(to, frame, BigInt(frame.length));
    }
    wait();
  };
  for (;;) {
    const frame = new Uint8Array(MAX_FRAME);
    const length = Number(await libc.read(from, frame, BigInt(MAX_FRAME)));
    if (length <= 0) {
      // The device is not up yet.
      await new Promise((resolve) => setTimeout(resolve, 5));
      continue;
    }
    if (Math.random() < loss || queue.length >= MAX_QUEUE) continue;
    queue.push({ at: performance.now() + delay, frame: frame.slice(0, length) });
    if (!timer) wait();
  }
}

const [a, b] = [openTap(first), openTap(second)];
console.log("up");
await Promise.all([carry(a, b), carry(b, a)]);
