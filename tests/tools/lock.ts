/**
 * The two lock files. `tests/deno.lock` has all packages; `deno.lock` is the part that the service and the SDK need.
 * Deno downloads every package that a lock file names: with one file a server would download the browsers' drivers.
 *
 * @module
 */

/** A package in a lock file. */
export interface LockedPackage {
  readonly integrity?: string;
  readonly dependencies?: readonly string[];
  readonly optionalDependencies?: readonly string[];
  readonly optionalPeers?: readonly string[];
}

/** A lock file of Deno, as far as it matters here. */
export interface Lock {
  readonly version: string;
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<Record<string, LockedPackage>>;
  readonly workspace?: unknown;
}

/**
 * The lock file reduced to some packages (`name@version` as in `npm`) and all that they need. Throws when a package is
 * not in the lock file.
 */
export function reduceLock(lock: Lock, packages: Iterable<string>): Lock {
  const kept = new Set<string>();
  const keep = (id: string): void => {
    if (kept.has(id)) return;
    const locked = lock.npm[id];
    if (locked === undefined) throw new Error(`the lock file has no package ${id}`);
    kept.add(id);
    // What is optional is native code for some platforms; none of it is needed.
    for (const dependency of locked.dependencies ?? []) keep(find(lock, dependency));
  };
  for (const id of packages) keep(id);
  const ofKept = <T>(record: Readonly<Record<string, T>>, id: (key: string, value: T) => string) =>
    Object.fromEntries(Object.entries(record).filter(([key, value]) => kept.has(id(key, value))));
  return {
    ...lock,
    specifiers: ofKept(lock.specifiers, (specifier, version) => `${nameOf(specifier.slice(4))}@${version}`),
    npm: ofKept(lock.npm, (id) => id),
  };
}

/** A dependency has its version only where the lock file holds several. */
function find(lock: Lock, dependency: string): string {
  if (dependency in lock.npm) return dependency;
  const found = Object.keys(lock.npm).filter((id) => nameOf(id) === dependency);
  if (found.length !== 1) throw new Error(`the lock file has ${found.length} packages for ${dependency}`);
  return found[0]!;
}

/** `@scope/name` of `@scope/name@1.2.3_peer@4`. */
function nameOf(id: string): string {
  return /^@?[^@]+/.exec(id)![0];
}

/** The packages of a module graph, from the output of `deno info --json`. */
export function packagesOf(info: string): string[] {
  const { modules } = JSON.parse(info) as { modules: { npmPackage?: string }[] };
  return modules.flatMap(({ npmPackage }) => npmPackage === undefined ? [] : [npmPackage]);
}
