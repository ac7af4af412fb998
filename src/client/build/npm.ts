/**
 * Packs the SDK for npm: `deno task build:npm` writes `dist/skein-client-<version>.tgz`. The package holds the files
 * the SDK is made of, as JavaScript with types, and nothing of the server. Its name and doors are those of `deno.json`.
 *
 * @module
 */

// deno-lint-ignore-file rooms/portable rooms/imports -- makes the package and is no part of it

const ROOT = decodeURIComponent(new URL("../../../", import.meta.url).pathname);
/** Doors of the repository that are for Deno alone, or of no use without the server. */
const NOT_PACKED = ["./quic", "./quic/peer", "./peer", "./protocol"];
const DEPENDENCIES = ["valibot", "ts-mls/"];
/**
 * What the application has, or does without: there must be one Yjs and one React in it. The version with which types are
 * checked is that of `deno.json`, or the one given here.
 */
const PEERS = { yjs: undefined, "y-protocols/awareness": undefined, react: ">=18" };
/** A second build, for `require`: the one for `import` would load another Yjs than the application has. */
const YJS_FOR_REQUIRE = "src/client/yjs.cjs";

interface Project {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly unstable: readonly string[];
  readonly compilerOptions: Record<string, unknown>;
  readonly imports: Readonly<Record<string, string>>;
  readonly minimumDependencyAge?: string;
}

/** `package.json` as the packer writes it. */
interface Manifest {
  exports: Record<string, Record<string, string>>;
  dependencies: Record<string, string>;
  [key: string]: unknown;
}

async function run(program: string, cwd: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(120_000),
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${program} ${args[0]} failed:\n${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

const deno = (cwd: string, ...args: string[]): Promise<string> => run(Deno.execPath(), cwd, ...args);

/** Every file of ours that the doors reach, named from the repository's root. */
async function files(doors: Iterable<string>): Promise<Set<string>> {
  const found = new Set<string>();
  for (const door of doors) {
    const graph = JSON.parse(await deno(ROOT, "info", "--no-lock", "--json", door)) as {
      modules: { specifier: string }[];
    };
    for (const { specifier } of graph.modules) {
      const path = specifier.startsWith("file://") ? decodeURIComponent(new URL(specifier).pathname) : "";
      if (path.startsWith(`${ROOT}src/`)) found.add(path.slice(ROOT.length));
    }
  }
  return found;
}

/** The provider for Yjs as one file for `require`, written to `file`. */
async function bundleForRequire(file: string): Promise<void> {
  const options = ["--quiet", "--no-lock", "--format=cjs", "--platform=deno", "--external=/npm/*"];
  const imports = `--import-map=${ROOT}src/client/build/cjs_imports.json`;
  await deno(ROOT, "bundle", ...options, imports, "-o", file, "src/client/yjs.ts");
  const text = (await Deno.readTextFile(file))
    // An import map maps to files only: `/npm/` stands for packages.
    .replaceAll('require("/npm/', 'require("')
    .replace(
      "var import_meta = {};",
      'var import_meta = { url: require("node:url").pathToFileURL(__filename).href };',
    );
  if (text.includes("/npm/") || !text.includes("pathToFileURL")) {
    throw new Error("the bundle for require has changed");
  }
  await Deno.writeTextFile(file, text);
}

/** `package.json` with what the packer does not know of. */
function completed(manifest: Manifest): Manifest {
  const peers: Record<string, string> = {};
  for (const [specifier, range] of Object.entries(PEERS)) {
    const name = specifier.split("/")[0]!;
    peers[name] = range ?? manifest.dependencies[name]!;
    delete manifest.dependencies[name];
  }
  const { types, import: forImport } = manifest.exports["./yjs"]!;
  manifest.exports["./yjs"] = {
    types: types!,
    import: forImport!,
    require: `./${YJS_FOR_REQUIRE}`,
    default: forImport!,
  };
  return {
    ...manifest,
    description: "The client of Skein: real-time messaging over QUIC and WebSocket",
    sideEffects: false,
    engines: { node: ">=20" },
    peerDependencies: peers,
    peerDependenciesMeta: Object.fromEntries(Object.keys(peers).map((name) => [name, { optional: true }])),
  };
}

/** Packs into `output`, a directory; resolves with the tarball's path. */
export async function packForNpm(output: string): Promise<string> {
  const project = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as Project;
  const { name, version, license, unstable, compilerOptions, minimumDependencyAge } = project;
  const exports = Object.fromEntries(
    Object.entries(project.exports).filter(([door]) => !NOT_PACKED.includes(door)),
  );
  const stage = await Deno.makeTempDir({ prefix: "skein-npm-" });
  try {
    for (const file of await files(Object.values(exports))) {
      await Deno.mkdir(`${stage}/${file.slice(0, file.lastIndexOf("/"))}`, { recursive: true });
      await Deno.copyFile(`${ROOT}${file}`, `${stage}/${file}`);
    }
    await Deno.copyFile(`${ROOT}LICENSE`, `${stage}/LICENSE`);
    await Deno.copyFile(`${ROOT}src/client/README.md`, `${stage}/README.md`);
    const imports = Object.fromEntries(
      [...DEPENDENCIES, ...Object.keys(PEERS)].map((each) => [each, project.imports[each]]),
    );
    // The repository names its React with the packages of the tests.
    imports.react = "npm:react@^19.0.0";
    const config = { name, version, license, exports, unstable, compilerOptions, imports };
    await Deno.writeTextFile(
      `${stage}/deno.json`,
      JSON.stringify({ ...config, nodeModulesDir: "none", minimumDependencyAge }),
    );
    // Without explicit types in the public API the packer leaves all types out and only says so: that is a failure.
    await deno(stage, "publish", "--dry-run", "--allow-dirty", "--quiet");
    await deno(stage, "pack", "--allow-dirty", "--quiet", "--output", `${stage}/packed.tgz`);
    await run("tar", stage, "xzf", "packed.tgz");
    const manifest = `${stage}/package/package.json`;
    const complete = completed(JSON.parse(await Deno.readTextFile(manifest)));
    await Deno.writeTextFile(manifest, JSON.stringify(complete, null, 2) + "\n");
    await bundleForRequire(`${stage}/package/${YJS_FOR_REQUIRE}`);
    await Deno.mkdir(output, { recursive: true });
    // As npm names it.
    const tarball = `${output}/${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
    await run("tar", stage, "czf", tarball, "package");
    return tarball;
  } finally {
    await Deno.remove(stage, { recursive: true });
  }
}

if (import.meta.main) console.log(await packForNpm(`${ROOT}dist`));
