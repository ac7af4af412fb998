/**
 * The process of an isolate as the service sees it: frames in and out, and how it ended.
 *
 * @module
 */

import { EXIT_MEMORY } from "./child/exits.ts";
import { encodeFrame, type Frame, FrameReader, joined } from "./child/frames.ts";
import type { FailureKind } from "./contract.ts";
import { isolateCommand } from "./launch.ts";

/** How a process ended. */
export interface End {
  readonly kind: Extract<FailureKind, "memory" | "crashed" | "timeout" | "busy">;
  readonly message: string;
}

/** Who looks after a process. */
export interface ProcessOwner {
  /** Takes a frame. The next one comes once a promise has settled; when it throws or rejects, the process is killed. */
  frame(frame: Frame): void | Promise<void>;
  /** Called once. */
  ended(end: End): void;
}

/** Most bytes that wait until the process reads them. */
const MAX_WAITING = 64 * 1024 * 1024;
/** Bytes of standard error that are kept: what a runtime says before it dies. */
const ERROR_TAIL = 2048;

/** A running process. */
export class IsolateProcess {
  readonly #child: Deno.ChildProcess;
  readonly #owner: ProcessOwner;
  readonly #memory: number;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing = false;
  #end: End | undefined;
  #errors = "";
  /** Settles when the process is gone and nothing of it is left. */
  readonly over: Promise<void>;

  /** Starts it. Throws the runtime's error. `memory`: most resident bytes. */
  constructor(memory: number, owner: ProcessOwner) {
    this.#owner = owner;
    this.#memory = memory;
    this.#child = isolateCommand(memory).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#input.closed.catch(() => {});
    this.over = this.#run();
  }

  /** Sends a frame. What does not fit, and what comes after the end, is lost with the process. */
  send(header: Readonly<Record<string, unknown>>, bytes?: Uint8Array): void {
    if (this.#end !== undefined) return;
    const frame = encodeFrame(header, bytes);
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
    if (this.#waitingBytes > MAX_WAITING) {
      return this.kill({ kind: "crashed", message: "it does not take what it is sent" });
    }
    if (!this.#writing) void this.#write();
  }

  /** Ends it at once; `end` is what its owner is told. */
  kill(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  async #write(): Promise<void> {
    this.#writing = true;
    // Later in this turn others may send: all of it is one write.
    await undefined;
    try {
      while (this.#waiting.length > 0) {
        const frames = this.#waiting;
        const bytes = this.#waitingBytes;
        this.#waiting = [];
        await this.#input.write(frames.length === 1 ? frames[0]! : joined(frames));
        this.#waitingBytes -= bytes;
      }
    } catch {
      // It has ended; its status says how.
    }
    this.#writing = false;
  }

  async #run(): Promise<void> {
    const child = this.#child;
    const [, , status] = await Promise.all([this.#readFrames(), this.#readErrors(), child.status]);
    await this.#input.abort().catch(() => {});
    this.#owner.ended(this.#end ??= this.#endOf(status));
  }

  async #readFrames(): Promise<void> {
    const reader = new FrameReader();
    try {
      for await (const chunk of this.#child.stdout) {
        // What comes after the end is of no interest, but it has to be read.
        if (this.#end !== undefined) continue;
        for (const frame of reader.push(chunk)) {
          const taken = this.#owner.frame(frame);
          if (taken !== undefined) await taken;
          if (this.#end !== undefined) break;
        }
      }
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      this.kill({ kind: "crashed", message: `it broke the frames on its standard output: ${said}` });
      await this.#child.stdout.cancel().catch(() => {});
    }
  }

  async #readErrors(): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of this.#child.stderr) {
        this.#errors = (this.#errors + decoder.decode(chunk, { stream: true })).slice(-ERROR_TAIL);
      }
    } catch {
      // It has ended.
    }
  }

  #endOf({ code, signal }: Deno.CommandStatus): End {
    if (code === EXIT_MEMORY) {
      return { kind: "memory", message: `it took more than ${Math.round(this.#memory / 1024 ** 2)} MiB` };
    }
    const said = this.#errors.trim();
    // V8 ends the process by itself when its heap is full.
    if (/out of memory|heap limit/i.test(said)) return { kind: "memory", message: "its heap was full" };
    const how = signal === null ? `code ${code}` : signal;
    return { kind: "crashed", message: `its process ended (${how})${said === "" ? "" : `: ${said}`}` };
  }
}
