/**
 * Packs the SDK for npm: `deno task build:npm` writes `dist/skein-client-<version>.tgz`. The package holds the files
 * the SDK is made of, as JavaScript with types, and nothing of the server.
 *
 * @module
 */

// deno-lint-ignore-file rooms/portable rooms/imports -- makes the package and is no part of it

const ROOT = decodeURIComponent(new URL("../../../", import.meta.url).pathname);
const DOORS = {
  ".": "./src/client/mod.ts",
  "./native": "./src/client/native.ts",
  "./compression": "./src/client/compression.ts",
  "./yjs": "./src/client/yjs.ts",
  "./encryption": "./src/client/documents/encryption.ts",
  "./quic/browser": "./src/quic/browser.ts",
};
const DEPENDENCIES = ["valibot", "yjs", "y-protocols/awareness"];

interface Project {
  readonly version: string;
  readonly license: string;
  readonly unstable: readonly string[];
  readonly compilerOptions: Record<string, unknown>;
  readonly imports: Record<string, string>;
  readonly minimumDependencyAge?: string;
}

async function deno(cwd: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(120_000),
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`deno ${args[0]} failed:\n${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** Every file of ours that the doors reach, named from the repository's root. */
async function files(): Promise<Set<string>> {
  const found = new Set<string>();
  for (const door of Object.values(DOORS)) {
    const graph = JSON.parse(await deno(ROOT, "info", "--json", door)) as {
      modules: { specifier: string }[];
    };
    for (const { specifier } of graph.modules) {
      const path = specifier.startsWith("file://") ? decodeURIComponent(new URL(specifier).pathname) : "";
      if (path.startsWith(`${ROOT}src/`)) found.add(path.slice(ROOT.length));
    }
  }
  return found;
}

/** Packs into `output`, a directory; resolves with the tarball's path. */
export async function packForNpm(output: string): Promise<string> {
  const project = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as Project;
  const { version, license, unstable, compilerOptions, minimumDependencyAge } = project;
  const stage = await Deno.makeTempDir({ prefix: "skein-npm-" });
  try {
    for (const file of await files()) {
      await Deno.mkdir(`${stage}/${file.slice(0, file.lastIndexOf("/"))}`, { recursive: true });
      await Deno.copyFile(`${ROOT}${file}`, `${stage}/${file}`);
    }
    await Deno.copyFile(`${ROOT}LICENSE`, `${stage}/LICENSE`);
    await Deno.copyFile(`${ROOT}src/client/README.md`, `${stage}/README.md`);
    const imports = Object.fromEntries(DEPENDENCIES.map((name) => [name, project.imports[name]]));
    const config = {
      name: "@skein/client",
      version,
      license,
      exports: DOORS,
      unstable,
      compilerOptions,
      imports,
    };
    await Deno.writeTextFile(
      `${stage}/deno.json`,
      JSON.stringify({ ...config, nodeModulesDir: "none", minimumDependencyAge }),
    );
    await Deno.mkdir(output, { recursive: true });
    const tarball = `${output}/skein-client-${version}.tgz`;
    // Without explicit types in the public API the packer leaves all types out and only says so: that is a failure.
    await deno(stage, "publish", "--dry-run", "--allow-dirty", "--quiet");
    await deno(stage, "pack", "--allow-dirty", "--quiet", "--output", tarball);
    return tarball;
  } finally {
    await Deno.remove(stage, { recursive: true });
  }
}

if (import.meta.main) console.log(await packForNpm(`${ROOT}dist`));
