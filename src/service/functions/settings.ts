/**
 * The section `functions` of the configuration: an application's own logic.
 *
 * @module
 */

import * as v from "valibot";
import { asProblem, readSecret } from "../config/material.ts";
import type { Problem } from "../config/problem.ts";
import type { Rule, Values } from "../config/section.ts";
import { about, choice, duration, integer, size, text } from "../config/setting.ts";

const MIB = 1024 ** 2;
const NAME = /^[a-z][a-z0-9_-]{0,63}$/;
const SECRET = /^[A-Za-z_]\w{0,63}$/;
/** `api.example.org`, `*.example.org`, `10.0.0.7:8080`, `[fd00::1]:8080`. */
const HOST = /^(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?)(:\d{1,5})?$/;

const grant = v.strictObject({
  hosts: v.optional(v.array(v.pipe(v.string(), v.regex(HOST))), []),
  privateHosts: v.optional(v.array(v.pipe(v.string(), v.regex(HOST))), []),
  secrets: v.optional(v.array(v.pipe(v.string(), v.regex(SECRET))), []),
});

/** `functions`: where they are and what they may do. */
const functions = v.strictObject({
  directory: v.optional(
    v.nullable(text(
      "a path",
      "The folder with the functions, one file each (`hello.ts`). It is watched: changes need no restart.",
    )),
    null,
  ),
  timeout: v.optional(
    duration(10, 3_600_000, "How long a call of a function may take that says nothing else."),
    "10s",
  ),
  maxTimeout: v.optional(
    duration(10, 3_600_000, "How long a call may take, whatever the function says."),
    "5m",
  ),
  startTimeout: v.optional(duration(100, 300_000, "How long a function may take to load."), "10s"),
  memory: v.optional(
    size(
      64 * MIB,
      64 * 1024 * MIB,
      "Memory of a function's process, all of it; some 50 MiB are the runtime's own, most of them shared by all.",
    ),
    "160MiB",
  ),
  concurrency: v.optional(integer(1, 10_000, "Calls of one function at once."), 32),
  queue: v.optional(
    integer(0, 1_000_000, "Calls of one function that wait for their turn; more are refused."),
    1000,
  ),
  maxIsolates: v.optional(
    integer(1, 10_000, "Functions whose process is alive at once; the others start when they are called."),
    20,
  ),
  idle: v.optional(
    duration(1000, 86_400_000, "After which time without a call the process of a function is stopped."),
    "5m",
  ),
  onFailure: v.optional(
    choice(
      ["refuse", "allow"],
      'What becomes of a message that a function has to see before it is published (`when: "before"`) and does not, because it fails, takes too long, or has not loaded since the start. One that has not loaded sees what its last version saw; when no version ever loaded, all messages, unless it has a handler, imports no other file, and the word `before` does not stand in it.',
    ),
    "refuse",
  ),
  publishRate: v.optional(
    integer(1, 1_000_000, "Messages a second that one function may publish on this node."),
    100,
  ),
  maxDepth: v.optional(
    integer(
      1,
      100,
      "How often messages of functions may answer each other before that is refused as a loop.",
    ),
    5,
  ),
  secrets: v.optional(
    about(
      v.record(
        v.pipe(v.string(), v.regex(SECRET)),
        v.union([
          v.pipe(v.string(), v.minLength(1), v.maxLength(65_536)),
          v.strictObject({ file: v.pipe(v.string(), v.minLength(1)) }),
        ]),
      ),
      "json",
      'secrets by name, such as {"MODEL_KEY": {"file": "/run/secrets/model"}}',
      "Secrets for functions: a text, or the file that holds it.",
      { secret: true },
    ),
    {},
  ),
  grants: v.optional(
    about(
      v.record(v.pipe(v.string(), v.regex(NAME)), grant),
      "json",
      'by function, such as {"assistant": {"hosts": ["api.example.org"], "secrets": ["MODEL_KEY"]}}',
      "What each function may use: `hosts` it may fetch from (with a port when it is not the usual one, `*.` for every name below), `privateHosts` that may have addresses of private networks or of this machine, and `secrets`.",
    ),
    {},
  ),
});

/** What a configuration may hold. */
export const section = { functions: v.optional(functions, {}) };

/** What the configuration holds of it. */
export type FunctionsConfig = Values<typeof section>;

const timesFit: Rule<FunctionsConfig> = ({ functions: { timeout, maxTimeout } }, report) => {
  if (timeout > maxTimeout) {
    report("functions.timeout", "more than functions.maxTimeout", "functions.maxTimeout");
  }
};

const secretsExist: Rule<FunctionsConfig> = ({ functions: { grants, secrets } }, report) => {
  for (const [name, grant] of Object.entries(grants)) {
    for (const secret of grant.secrets) {
      if (!Object.hasOwn(secrets, secret)) {
        report("functions.grants", `${name}: functions.secrets has no ${secret}`, "functions.secrets");
      }
    }
  }
};

/** What must hold between settings. */
export const rules: readonly Rule<FunctionsConfig>[] = [timesFit, secretsExist];

/** What is wrong with the folder and the files of secrets. */
export async function material(config: FunctionsConfig): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  try {
    await readSecrets(config);
  } catch (error) {
    problems.push(asProblem(error, "functions.secrets"));
  }
  return problems;
}

/** All secrets by name. Rejects with MaterialError for a file that cannot be read. */
export async function readSecrets({ functions }: FunctionsConfig): Promise<Readonly<Record<string, string>>> {
  const entries = Object.entries(functions.secrets).map(async ([name, secret]) =>
    [name, typeof secret === "string" ? secret : await readSecret(secret.file, "functions.secrets")] as const
  );
  return Object.fromEntries(await Promise.all(entries));
}
