/**
 * `skein peer` as processes: on this machine, and on the machines of the NAT lab with a service between them.
 *
 * @module
 */

import { deadline } from "../../src/async/deadline.ts";
import { MAIN, ROOT } from "../service/cli_support.ts";
import { type NatLab, SERVER, type Side, TURN_SECRET } from "./natlab.ts";

const LONGEST = 60_000;
/** Where the service of the lab is. */
export const LAB_URL = "http://203.0.113.3:8080";

/** The command that runs the program. */
export function skein(...args: string[]): string[] {
  return [Deno.execPath(), "run", "--no-prompt", "--quiet", "-A", `--config=${ROOT}deno.json`, MAIN, ...args];
}

/** A running program, and what it has written. */
export class Program implements AsyncDisposable {
  out = "";
  err = "";
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  #wake: (() => void)[] = [];

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reading = Promise.all([
      this.#read(child.stdout, (text) => this.out += text),
      this.#read(child.stderr, (text) => this.err += text),
    ]);
  }

  /** Waits until what it wrote matches. */
  async match(pattern: RegExp): Promise<RegExpExecArray> {
    const wait = async (): Promise<RegExpExecArray> => {
      for (;;) {
        const found = pattern.exec(this.out + this.err);
        if (found !== null) return found;
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    };
    return await deadline(
      wait(),
      LONGEST,
      () => new Error(`nothing like ${pattern} in:\n${this.out}${this.err}`),
    );
  }

  async type(text: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    writer.releaseLock();
  }

  /** The exit code. */
  async end(): Promise<number> {
    const late = (): Error => new Error(`it does not end:\n${this.out}${this.err}`);
    const { code } = await deadline(this.#child.status, LONGEST, late);
    await this.#reading;
    return code;
  }

  async kill(signal: Deno.Signal): Promise<void> {
    try {
      this.#child.kill(signal);
    } catch { /* It has ended. */ }
    await this.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
    await this.#child.stdin.close().catch(() => {});
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      take(text);
      for (const wake of this.#wake.splice(0)) wake();
    }
  }
}

const PIPED = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;

/** Devices, each with a directory of its own, and the service that introduces them. */
export class Devices implements AsyncDisposable {
  readonly directory: string;
  readonly #lab: NatLab | undefined;
  readonly #url: string;
  readonly #service: Program;

  private constructor(directory: string, lab: NatLab | undefined, url: string, service: Program) {
    this.directory = directory;
    this.#lab = lab;
    this.#url = url;
    this.#service = service;
  }

  /** Starts a service: in the lab's internet, or on this machine. */
  static async start(lab?: NatLab): Promise<Devices> {
    const directory = await Deno.makeTempDir({ prefix: "skein-devices-" });
    const servers = lab === undefined ? {} : {
      stun: [`stun:${SERVER}`],
      turn: [`turn:${SERVER}`, `turn:${SERVER}?transport=tcp`, `turns:${SERVER}`],
      turnSecret: TURN_SECRET,
    };
    const hostname = lab === undefined ? "127.0.0.1" : new URL(LAB_URL).hostname;
    const config = {
      http: { hostname, port: lab === undefined ? 0 : 8080 },
      quic: { hostname, port: 0 },
      engine: { kind: "memory" },
      log: { format: "json" },
      peers: servers,
    };
    await Deno.writeTextFile(`${directory}/skein.jsonc`, JSON.stringify(config));
    if (lab !== undefined) await Deno.writeTextFile(`${directory}/ca.pem`, lab.caCert);
    const args = skein("serve", "--config", `${directory}/skein.jsonc`);
    const options = { ...PIPED, cwd: directory, env: { NO_COLOR: "1" } };
    const child = lab === undefined
      ? new Deno.Command(args[0]!, { ...options, args: args.slice(1) }).spawn()
      : lab.spawn("inet", args, options);
    const service = new Program(child);
    const page = (await service.match(/"page":"(.*?)\/"/))[1]!;
    return new Devices(directory, lab, page, service);
  }

  /** Runs `skein peer ...` on a machine. `where` names the directory of the device, too. */
  run(where: Side, args: readonly string[], user: readonly string[] = ["--user", "ann"]): Program {
    const device = `${this.directory}/${where}`;
    Deno.mkdirSync(device, { recursive: true });
    const service = args[0] === "id" ? [] : ["--url", this.#url, ...user];
    const command = skein("peer", ...args, ...service);
    const env = {
      NO_COLOR: "1",
      XDG_CONFIG_HOME: device,
      ...this.#lab === undefined ? {} : { DENO_CERT: `${this.directory}/ca.pem` },
    };
    const options = { ...PIPED, cwd: device, env };
    if (this.#lab !== undefined) return new Program(this.#lab.spawn(where, command, options));
    return new Program(new Deno.Command(command[0]!, { ...options, args: command.slice(1) }).spawn());
  }

  /** Kills the service. */
  async killService(): Promise<void> {
    await this.#service.kill("SIGKILL");
  }

  /** The id of a machine's device. */
  async id(where: Side): Promise<string> {
    const program = this.run(where, ["id"]);
    await using _ = program;
    await program.end();
    return program.out.trim();
  }

  /** A file of random bytes on a machine. */
  async file(where: Side, name: string, bytes: number): Promise<Uint8Array> {
    const content = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(content.subarray(at, at + 65_536));
    await Deno.mkdir(`${this.directory}/${where}`, { recursive: true });
    await Deno.writeFile(`${this.directory}/${where}/${name}`, content);
    return content;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
    await Deno.remove(this.directory, { recursive: true });
  }
}
