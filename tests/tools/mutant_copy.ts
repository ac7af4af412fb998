/**
 * Where faults are tried: a directory with two copies of the repository. In `tree` the sources stay as they are; in
 * `work` one of them has a fault. Test files are measured in `tree`, once each, when they are first wanted.
 *
 * The directory may be kept: the copies, the measurements and the results are found again, so that a run that was
 * ended goes on. A lock file keeps a second run out.
 *
 * @module
 */

/** A test file, as it behaves without a fault. */
export interface TestFile {
  readonly path: string;
  /** How long it takes, in milliseconds; undefined: it cannot be relied on. */
  readonly ms: number | undefined;
}

/** How a test file ended; `late`: it was ended by its time limit. */
export type Result = "ok" | "failed" | "late";

/** Test files that take longer than this without a fault are left out, in milliseconds. */
const TOO_LONG = 120_000;
/** A test file may take so many times as long as without a fault, and so many milliseconds more. */
const PATIENCE = { times: 3, more: 15_000 };
/** Browsers are slow, and say little about one line. */
const LEFT_OUT = /testWith\(/;
/** What a test file has that starts programs, which may load any source. */
const STARTS_PROGRAMS = /new Deno\.Command|startServer\(/;

/** Copies of the repository, with what is known of its test files. */
export class Copy {
  /** Where sources are as they were copied; ends with `/`. */
  readonly tree: string;
  readonly #work: string;
  readonly #directory: string;
  readonly #measured: Map<string, TestFile>;
  /** What a test file imports, directly or not; undefined: it starts programs. */
  readonly #imports: Map<string, ReadonlySet<string> | undefined> = new Map();
  readonly #lock: Deno.FsFile;
  #end: (() => void) | undefined;

  private constructor(directory: string, lock: Deno.FsFile, measured: readonly TestFile[]) {
    this.#lock = lock;
    this.#directory = directory;
    this.tree = `${directory}/tree/`;
    this.#work = `${directory}/work/`;
    this.#measured = new Map(measured.map((file) => [file.path, file]));
  }

  /**
   * Copies what git knows of in `root`, as it stands now, unless `directory` has a complete copy.
   *
   * @throws when another run uses the directory.
   */
  static async open(root: string, directory: string): Promise<Copy> {
    await Deno.mkdir(directory, { recursive: true });
    const lock = await Deno.open(`${directory}/lock`, { write: true, create: true });
    if (!await lock.tryLock(true)) {
      lock.close();
      throw new Error(`another run uses ${directory}`);
    }
    const copy = new Copy(directory, lock, await readLines(`${directory}/measured.jsonl`));
    if (!await exists(`${directory}/complete`)) {
      for (const path of await tracked(root)) {
        for (const to of [copy.tree, copy.#work]) {
          await Deno.mkdir((to + path).replace(/[^/]*$/, ""), { recursive: true });
          await Deno.copyFile(root + path, to + path);
        }
      }
      await Deno.writeTextFile(`${directory}/complete`, "");
    }
    return copy;
  }

  /** All files below a directory, or the file itself, whose names end with `ending`; in a fixed order. */
  async files(path: string, ending: string): Promise<string[]> {
    if ((await Deno.stat(this.tree + path)).isFile) return [path];
    const found: string[] = [];
    for await (const { name, isDirectory } of Deno.readDir(this.tree + path)) {
      if (isDirectory) found.push(...await this.files(`${path}/${name}`, ending));
      else if (name.endsWith(ending)) found.push(`${path}/${name}`);
    }
    return found.sort();
  }

  /** A source without a fault. */
  read(path: string): Promise<string> {
    return Deno.readTextFile(this.tree + path);
  }

  /** Puts `text` in place of a source while `act` runs. */
  async with<T>(path: string, text: string, act: () => Promise<T>): Promise<T> {
    // An earlier run may have been ended before it took its fault out.
    const note = `${this.#directory}/changed`;
    const last = await Deno.readTextFile(note).catch(() => "");
    if (last !== "") await Deno.copyFile(this.tree + last, this.#work + last);
    await Deno.writeTextFile(note, path);
    await Deno.writeTextFile(this.#work + path, text);
    try {
      return await act();
    } finally {
      await Deno.copyFile(this.tree + path, this.#work + path);
    }
  }

  /** The tests of a directory that import `source` and can be relied on, the fastest first. */
  async testsOf(directory: string, source: string): Promise<TestFile[]> {
    const found: TestFile[] = [];
    for (const path of await this.files(directory, ".test.ts")) {
      if (LEFT_OUT.test(await this.read(path))) continue;
      if (!this.#imports.has(path)) this.#imports.set(path, await this.#importsOf(path));
      if (this.#imports.get(path)?.has(source) ?? true) found.push(await this.#measure(path));
    }
    return found.filter(({ ms }) => ms !== undefined).sort((a, b) => a.ms! - b.ms!);
  }

  /**
   * Runs a test file where the fault is. It counts as failed when it fails twice there and passes without the fault: a
   * busy machine makes tests fail as well.
   */
  async try({ path, ms }: TestFile): Promise<Result> {
    const limitOf = (without: number): number => without * PATIENCE.times + PATIENCE.more;
    const limit = limitOf(ms!);
    if (await this.#run(this.#work, path, limit) === "ok") return "ok";
    const result = await this.#run(this.#work, path, limit);
    if (result === "ok") return "ok";
    const begun = performance.now();
    if (await this.#run(this.tree, path, TOO_LONG) !== "ok") return "ok";
    const slower = limitOf(performance.now() - begun);
    return result === "late" && slower > limit ? await this.#run(this.#work, path, slower) : result;
  }

  /** Ends the test that runs. */
  stop(): void {
    this.#end?.();
  }

  /** Lets another run use the directory. */
  [Symbol.dispose](): void {
    this.stop();
    this.#lock.close();
  }

  async #measure(path: string): Promise<TestFile> {
    const known = this.#measured.get(path);
    if (known !== undefined) return known;
    let ms: number | undefined;
    for (let attempt = 0; attempt < 2 && ms === undefined; attempt++) {
      const begun = performance.now();
      if (await this.#run(this.tree, path, TOO_LONG) === "ok") ms = Math.round(performance.now() - begun);
    }
    if (ms === undefined) console.log(`left out, fails or is too slow without a fault: ${path}`);
    const file = { path, ms };
    this.#measured.set(path, file);
    await appendLine(`${this.#directory}/measured.jsonl`, file);
    return file;
  }

  async #importsOf(path: string): Promise<ReadonlySet<string> | undefined> {
    if (STARTS_PROGRAMS.test(await this.read(path))) return undefined;
    const command = new Deno.Command(Deno.execPath(), { args: ["info", "--json", path], cwd: this.tree });
    const { stdout } = await command.output();
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { local?: string }[] };
    const inside = modules.map(({ local }) => local ?? "").filter((local) => local.startsWith(this.tree));
    return new Set(inside.map((local) => local.slice(this.tree.length)));
  }

  /** Runs a test file with low priority in a process group of its own, so that what it starts ends with it. */
  async #run(cwd: string, path: string, limit: number): Promise<Result> {
    const deno = [Deno.execPath(), "test", "--no-check", "--lock=tests/deno.lock", "--frozen"];
    const child = new Deno.Command("nice", {
      args: ["-n", "10", ...deno, "--fail-fast", "-A", "--v8-flags=--max-old-space-size=2048", path],
      cwd,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    this.#end = () => {
      try {
        Deno.kill(-child.pid, "SIGKILL");
      } catch {
        // Nothing of it is left.
      }
    };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.stop();
    }, limit);
    const { code } = await child.status;
    clearTimeout(timer);
    this.stop();
    this.#end = undefined;
    return late ? "late" : code === 0 ? "ok" : "failed";
  }
}

/** Reads a file of one JSON value a line; nothing when there is no such file. */
export async function readLines<T>(path: string): Promise<T[]> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as T);
}

/** Adds a value to a file of one JSON value a line. */
export async function appendLine(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, `${JSON.stringify(value)}\n`, { append: true });
}

async function tracked(root: string): Promise<string[]> {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const { stdout } = await new Deno.Command("git", { args, cwd: root }).output();
  const paths = new TextDecoder().decode(stdout).split("\0").filter((path) => path !== "");
  const present = await Promise.all(paths.map((path) => exists(root + path)));
  return paths.filter((_, n) => present[n]);
}

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
