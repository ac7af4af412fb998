/**
 * Machines behind NATs of chosen kinds, and the internet between them: network namespaces, nftables, coturn. Needs root.
 * Addresses: 203.0.113.1 and .2 are the STUN and TURN server, .3 is for a service, .11, .12 and .13 are the NATs, and
 * 10.0.1.2, 10.0.2.2 and 10.0.3.2 the machines A, B and C.
 *
 * @module
 */

import { delay } from "../../src/async/deadline.ts";

/** How a NAT behaves. `open`: there is none, the machine has its own address outside. */
export type LabNat = "open" | "fullcone" | "restricted" | "portrestricted" | "symmetric" | "udpblocked";

/** A machine of the lab. */
export type Side = "A" | "B" | "C";
const SIDES = ["A", "B", "C"] as const;

/** The TURN secret of the lab's server. */
export const TURN_SECRET = "lab-secret";
/** The STUN and TURN server. */
export const SERVER = "203.0.113.1";

/** What a lab lacks here: the right to make namespaces. With `CI` set its tests run, and fail without it. */
export const LAB_LACKS: readonly string[] = Deno.env.has("CI") || await labIsPossible() ? [] : ["namespaces"];

async function labIsPossible(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const name = `skein-try-${Deno.pid}`;
  const made = await run(["ip", "netns", "add", name]).then(() => true, () => false);
  if (made) await run(["ip", "netns", "del", name]);
  return made;
}

/** A running lab. */
export class NatLab implements AsyncDisposable {
  readonly #prefix: string;
  readonly #children: Deno.ChildProcess[] = [];
  readonly #kinds = new Map<Side, LabNat>();
  #directory = "";
  #turn: Deno.ChildProcess | undefined;

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Makes the machines, the NATs and the servers. */
  static async start(a: LabNat, b: LabNat, c: LabNat = "open"): Promise<NatLab> {
    const lab = new NatLab(`sk${Deno.pid.toString(36)}${(labs++).toString(36)}-`);
    try {
      await lab.#build();
      await Promise.all([lab.setNat("A", a), lab.setNat("B", b), lab.setNat("C", c)]);
      await lab.startTurn();
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The namespace of a machine. */
  machine(side: Side): string {
    return this.namespace(`c${side}`);
  }

  /** Runs a command on a machine, or on a router. The lab ends it. */
  spawn(
    side: Side | "inet" | `nat${Side}`,
    args: string[],
    options: Deno.CommandOptions = {},
  ): Deno.ChildProcess {
    const name = SIDES.includes(side as Side) ? this.machine(side as Side) : this.namespace(side);
    const child = new Deno.Command("ip", { ...options, args: ["netns", "exec", name, ...args] }).spawn();
    this.#children.push(child);
    return child;
  }

  /** Makes the NAT of a side behave otherwise; its mappings are forgotten. */
  async setNat(side: Side, kind: LabNat): Promise<void> {
    this.#kinds.set(side, kind);
    await this.nft(`nat${side}`, rulesOf(kind, side));
    if (kind === "open") {
      await this.in("inet", ["ip", "route", "replace", subnet(side), "via", outside(side)]);
    } else {
      await this.in("inet", ["ip", "route", "del", subnet(side)]).catch(() => {});
    }
    await this.flush(side);
  }

  /** The NAT of a side forgets its mappings, as after a restart. */
  async flush(side: Side): Promise<void> {
    await this.in(`nat${side}`, ["conntrack", "-F"]).catch(() => {});
    for (const object of ["map ip n cone", "set ip n permit"]) {
      await this.in(`nat${side}`, ["nft", "flush", ...object.split(" ")]).catch(() => {});
    }
  }

  /** Drops everything between the NATs of A and B; the servers stay in reach. */
  async blockDirect(): Promise<void> {
    // A machine that is open has its own address on both sides of its router.
    const addresses = (side: Side): string => `{ ${outside(side)}, ${subnet(side)} }`;
    await this.nft(
      "inet",
      `table bridge block { chain f { type filter hook forward priority 0;
      ip saddr ${addresses("A")} ip daddr ${addresses("B")} drop
      ip saddr ${addresses("B")} ip daddr ${addresses("A")} drop
    }
    }`,
    );
  }

  /** Ends `blockDirect`. */
  async unblockDirect(): Promise<void> {
    await this.in("inet", ["nft", "delete", "table", "bridge", "block"]);
  }

  /** Drops packets by chance, in both directions. @param share 0 to 1. */
  async lose(share: number): Promise<void> {
    await this.in("inet", ["nft", "delete", "table", "bridge", "loss"]).catch(() => {});
    if (share === 0) return;
    await this.nft(
      "inet",
      `table bridge loss { chain f { type filter hook forward priority 0;
      numgen random mod 1000 < ${Math.round(share * 1000)} drop
    }
    }`,
    );
  }

  /** Gives a machine another address, as when it changes its network. */
  async changeAddress(side: Side, host: number): Promise<void> {
    const name = `c${side}`, net = netOf(side);
    await this.in(name, ["ip", "addr", "flush", "dev", "eth0"]);
    await this.in(name, ["ip", "addr", "add", `${net}.${host}/24`, "dev", "eth0"]);
    await this.in(name, ["ip", "route", "add", "default", "via", `${net}.1`]);
  }

  /** Gives the link of a NAT to the internet `ms` milliseconds each way, and loss (0 to 1). */
  async slow(side: Side, ms: number, loss = 0): Promise<void> {
    const nat = `nat${side}` as const, port = `p${side}`;
    await this.in(nat, ["ip", "link", "del", "wan0"]);
    const script = new URL("./delay_line.ts", import.meta.url).pathname;
    const deno = [Deno.execPath(), "run", "-A", "--no-lock", "--no-check", "--quiet", script];
    const line = this.spawn(nat, [...deno, "wan0", port, `${ms}`, `${loss}`], { stdout: "piped" });
    const said = line.stdout.getReader();
    if ((await said.read()).done) throw new Error("no line with delay");
    await said.cancel();
    await this.in(nat, ["ip", "link", "set", port, "netns", this.namespace("inet")]);
    await this.in("inet", ["ip", "link", "set", port, "master", "br0", "up"]);
    await this.#joinInternet(side);
    // Rules name a device by its number.
    await this.setNat(side, this.#kinds.get(side)!);
  }

  /** Starts coturn. */
  async startTurn(): Promise<void> {
    this.#directory ||= await Deno.makeTempDir({ prefix: "skein-natlab-" });
    const { cert, key } = await this.#certificate();
    this.#turn = this.spawn("inet", [
      "turnserver",
      "-n",
      "--listening-port=3478",
      "--alt-listening-port=3479",
      "--tls-listening-port=5349",
      "--listening-ip=203.0.113.1",
      "--listening-ip=203.0.113.2",
      "--relay-ip=203.0.113.1",
      "--realm=lab.example",
      "--use-auth-secret",
      `--static-auth-secret=${TURN_SECRET}`,
      "--fingerprint",
      `--cert=${cert}`,
      `--pkey=${key}`,
      "--no-dtls",
      "--no-cli",
      "--min-port=50000",
      "--max-port=50999",
      `--userdb=${this.#directory}/turn.db`,
      `--pidfile=${this.#directory}/turn.pid`,
      "--log-file=stdout",
    ], { stdout: "null", stderr: "null" });
    for (let i = 0; i < 100; i++) {
      const { stdout } = await this.in("inet", ["ss", "-lun"]);
      if (stdout.includes("203.0.113.2:3479")) return;
      await delay(50);
    }
    throw new Error("coturn does not listen");
  }

  /** Ends coturn, without a word to its clients. */
  async stopTurn(): Promise<void> {
    this.#turn?.kill("SIGKILL");
    await this.#turn?.status;
    this.#turn = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      try {
        child.kill("SIGKILL");
      } catch { /* It has ended. */ }
    }
    await Promise.all(this.#children.map(({ status }) => status));
    for (const name of NAMES) await run(["ip", "netns", "del", this.namespace(name)]).catch(() => {});
    if (this.#directory !== "") await Deno.remove(this.#directory, { recursive: true });
  }

  async #build(): Promise<void> {
    for (const name of NAMES) {
      await run(["ip", "netns", "add", this.namespace(name)]);
      await this.in(name, ["ip", "link", "set", "lo", "up"]);
    }
    const ip = (name: string, command: string): Promise<unknown> =>
      this.in(name, ["ip", ...command.split(" ")]);
    await ip("inet", "link add br0 type bridge");
    for (const host of [1, 2, 3]) await ip("inet", `addr add 203.0.113.${host}/24 dev br0`);
    await ip("inet", "link set br0 up");
    for (const side of SIDES) {
      const nat = `nat${side}`, machine = `c${side}`, net = netOf(side);
      await ip(nat, `link add wan0 type veth peer name p${side} netns ${this.namespace("inet")}`);
      await ip("inet", `link set p${side} master br0 up`);
      await ip(nat, `link add lan0 type veth peer name eth0 netns ${this.namespace(machine)}`);
      await ip(nat, `addr add ${net}.1/24 dev lan0`);
      await ip(nat, "link set lan0 up");
      await ip(machine, `addr add ${net}.2/24 dev eth0`);
      await ip(machine, "link set eth0 up");
      await ip(machine, `route add default via ${net}.1`);
      await this.in(nat, ["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    }
    // The internet drops what has no way; it does not say so to the sender.
    await ip("inet", "neigh add 203.0.113.250 lladdr 02:00:00:00:00:01 dev br0");
    await ip("inet", "route add default via 203.0.113.250");
    for (const side of SIDES) await this.#joinInternet(side);
  }

  async #joinInternet(side: Side): Promise<void> {
    const ip = (command: string): Promise<unknown> => this.in(`nat${side}`, ["ip", ...command.split(" ")]);
    await ip(`addr add ${outside(side)}/24 dev wan0`);
    await ip("link set wan0 up");
    for (const other of SIDES) {
      if (other !== side) await ip(`route add ${subnet(other)} via ${outside(other)}`);
    }
  }

  async #certificate(): Promise<{ cert: string; key: string }> {
    const { makeCertificate } = await import("../support/certificate.ts");
    const made = await makeCertificate({ names: [SERVER] });
    const paths = this.certificateFiles;
    await Deno.writeTextFile(paths.cert, made.cert);
    await Deno.writeTextFile(paths.key, made.key);
    this.caCert = made.cert;
    return paths;
  }

  /** Certificate and key of the lab's servers. */
  get certificateFiles(): { readonly cert: string; readonly key: string } {
    return { cert: `${this.#directory}/cert.pem`, key: `${this.#directory}/key.pem` };
  }

  /** The certificate of the TURN server, for TURN over TLS. */
  caCert = "";

  /** The full name of a namespace. */
  namespace(name: string): string {
    return this.#prefix + name;
  }

  /** Runs a command in a namespace: `inet`, `natA`, `cA`, ... */
  in(name: string, command: string[]): Promise<{ stdout: string }> {
    return run(["ip", "netns", "exec", this.namespace(name), ...command]);
  }

  /** Adds rules of nftables to a namespace. */
  async nft(name: string, rules: string): Promise<void> {
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, rules);
      await this.in(name, ["nft", "-f", file]);
    } finally {
      await Deno.remove(file);
    }
  }
}

const NAMES = ["inet", "natA", "natB", "natC", "cA", "cB", "cC"] as const;
let labs = 0;

/** The address of a NAT outside. */
export function outside(side: Side): string {
  return `203.0.113.${11 + SIDES.indexOf(side)}`;
}

function netOf(side: Side): string {
  return `10.0.${1 + SIDES.indexOf(side)}`;
}

/** The network behind a NAT. */
export function subnet(side: Side): string {
  return `${netOf(side)}.0/24`;
}

/** The rules of a NAT. */
function rulesOf(kind: LabNat, side: Side): string {
  if (kind === "open") return "flush ruleset";
  const masquerade = kind === "symmetric" ? "masquerade fully-random" : "masquerade";
  const prerouting = {
    fullcone: 'iif "wan0" meta l4proto udp dnat ip to udp dport map @cone',
    restricted: 'iif "wan0" udp dport . ip saddr @permit dnat ip to udp dport map @cone',
  }[kind as string] ?? "";
  const blocked = kind === "udpblocked" ? "meta l4proto udp drop" : "";
  // The router's own input drops what is new, or an early punch would confirm a connection entry there and the real
  // mapping would get another port.
  return `flush ruleset
table ip n {
  map cone { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 3m; size 65535; }
  set permit { type inet_service . ipv4_addr; flags dynamic,timeout; timeout 3m; size 65535; }
  chain prerouting { type nat hook prerouting priority dstnat;
    ${prerouting}
  }
  chain postrouting { type nat hook postrouting priority srcnat;
    oif "wan0" ip saddr ${subnet(side)} ${masquerade}
  }
  chain learn { type filter hook postrouting priority 300;
    oif "wan0" ct direction original meta l4proto udp update @cone { ct reply proto-dst : ct original ip saddr . ct original proto-src }
    oif "wan0" ct direction original meta l4proto udp update @permit { ct reply proto-dst . ip daddr }
  }
  chain forward { type filter hook forward priority filter;
    ${blocked}
    iif "wan0" ct status dnat accept
    iif "wan0" ct state new drop
  }
  chain input { type filter hook input priority filter;
    iif "wan0" ct state new drop
  }
}
`;
}

/** Runs a command; rejects with what it said when it fails. */
export async function run(command: string[]): Promise<{ stdout: string }> {
  const [program, ...args] = command;
  const { success, stdout, stderr } = await new Deno.Command(program!, { args, stdin: "null" }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(`${command.join(" ")}: ${text.decode(stderr)}`);
  return { stdout: text.decode(stdout) };
}
