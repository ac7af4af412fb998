/**
 * Settings from environment variables: `SKEIN_` and the key's words in upper case, `SKEIN_HTTP_ALLOWED_ORIGINS`.
 *
 * @module
 */

import { coerce, type Entry } from "./layers.ts";
import { nearest } from "../../protocol/nearest.ts";
import type { Problem } from "./problem.ts";
import { rootShape, type Setting, settings, type Shape, shapeAt } from "./shape.ts";

/** The prefix of every variable. */
const PREFIX = "SKEIN_";
/** The variable that names the configuration file; not a setting itself. */
export const CONFIG_VARIABLE = "SKEIN_CONFIG";
/** Variables of commands that are clients (`skein peer`): where the service is, and the token. No settings either. */
export const CLIENT_VARIABLES = { url: "SKEIN_URL", token: "SKEIN_TOKEN" } as const;
const NO_SETTINGS: readonly string[] = [CONFIG_VARIABLE, ...Object.values(CLIENT_VARIABLES)];

/** `maxIdleTimeout` is `MAX_IDLE_TIMEOUT`. */
function words(key: string): string {
  return key.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, "_").replaceAll(".", "_").toUpperCase();
}

/** The variable of a key: `quic.maxIdleTimeout` is `SKEIN_QUIC_MAX_IDLE_TIMEOUT`. */
export function variableOf(key: string): string {
  return key.includes("<name>")
    ? PREFIX + key.split("<name>").map(words).join("<NAME>")
    : PREFIX + words(key);
}

/** Settings inside a list have no variable: the whole list is given as JSON. */
function addressable(setting: Setting): boolean {
  return !setting.key.includes("[]");
}

/**
 * Finds the key of a variable in the schema, because `_` separates groups as well as words. Where users choose a name,
 * the shortest name that leaves a known key is taken.
 */
function resolve(rest: string, shape: Shape, path: readonly string[]): readonly string[] | undefined {
  for (const [name, field] of shape.fields) {
    const word = words(name);
    if (rest === word) return [...path, name];
    if (rest.startsWith(`${word}_`)) {
      const found = resolve(rest.slice(word.length + 1), field, [...path, name]);
      if (found !== undefined) return found;
    }
  }
  if (shape.rest !== undefined) {
    for (let at = rest.indexOf("_"); at > 0; at = rest.indexOf("_", at + 1)) {
      const found = resolve(rest.slice(at + 1), shape.rest, [...path, rest.slice(0, at).toLowerCase()]);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/**
 * The key of a variable: `SKEIN_QUIC_PORT` is `["quic", "port"]`; `undefined` when there is none.
 * Exported for tests.
 */
export function pathOfVariable(variable: string): readonly string[] | undefined {
  if (!variable.startsWith(PREFIX)) return undefined;
  return resolve(variable.slice(PREFIX.length), rootShape(), []);
}

/**
 * Whether Kubernetes made the variable for a Service called `skein` or `skein-...`. Such a variable is no setting, though
 * `SKEIN_PORT_8080_TCP` looks like one and `SKEIN_HTTP_PORT=tcp://...` has the name of one.
 */
function isServiceLink(variable: string, value: string): boolean {
  if (/_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$/.test(variable)) return true;
  return /_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/.test(variable) &&
    (/^(tcp|udp|sctp):\/\//.test(value) || /_PORT_\d+_/.test(variable));
}

/** The settings in `env`, and problems with names of variables. Empty values count as absent. */
export function readEnvironment(
  env: Readonly<Record<string, string>>,
): { entries: readonly Entry[]; problems: readonly Problem[] } {
  const entries: Entry[] = [];
  const problems: Problem[] = [];
  const put = (path: readonly string[], variable: string, value: string) => {
    const shape = shapeAt(path)!;
    entries.push({ path, value: coerce(value, shape), source: { layer: "environment", where: variable } });
  };
  // PORT, which platforms set, comes first, so that the more specific SKEIN_HTTP_PORT overrides it.
  if (env.PORT !== undefined && env.PORT !== "") put(["http", "port"], "PORT", env.PORT);
  // Sorted, so that a group comes before its members, which override it.
  for (const variable of Object.keys(env).filter((name) => name.startsWith(PREFIX)).sort()) {
    const value = env[variable]!;
    if (value === "" || NO_SETTINGS.includes(variable) || isServiceLink(variable, value)) continue;
    const path = pathOfVariable(variable);
    if (path !== undefined) {
      put(path, variable, value);
      continue;
    }
    const names = settings().filter(addressable).map((setting) => variableOf(setting.key));
    const suggestion = nearest(variable, [...names, CONFIG_VARIABLE]);
    problems.push({
      key: variable,
      message: `unknown variable; did you mean ${suggestion}?`,
      where: "environment",
    });
  }
  return { entries, problems };
}
