/**
 * The section `webhooks` of the configuration: back ends that decide, are told of events, and answer calls.
 *
 * @module
 */

import * as v from "valibot";
import { DECISIONS, type Endpoint, EVENTS, readSecret } from "../../webhooks/mod.ts";
import { asProblem, MaterialError, readSecret as readSecretFile } from "../config/material.ts";
import type { Problem } from "../config/problem.ts";
import type { Rule, Values } from "../config/section.ts";
import { about, choice, duration, flag, integer, list, text, url } from "../config/setting.ts";

/** Names of endpoints: what is kept for them is kept under the name. */
const NAME = /^[a-z][a-z0-9-]{0,31}$/;
/** Longest time of a request that decides: the service gives a decision five seconds. */
const MAX_DECISION = 4500;
const SECRET = "`whsec_` and 24 to 64 bytes in base64";

const events = about(
  v.pipe(v.array(v.picklist(EVENTS)), v.minLength(1)),
  "list",
  `a list of ${EVENTS.map((event) => `"${event}"`).join(", ")}`,
  "What it is asked (`connect`, `subscribe`, `publish`), told (`disconnect`, `join`, `leave`, `message`, `file`) and called for (`rpc`).",
);

const secrets = about(
  v.pipe(v.array(v.pipe(v.string(), v.check((secret) => readSecret(secret) !== undefined))), v.maxLength(4)),
  "list",
  `a list of at most 4 secrets: ${SECRET}`,
  "Keys that sign the requests (Standard Webhooks). Several while a key is replaced: each signs.",
  { secret: true },
);

const endpoint = v.strictObject({
  name: about(
    v.pipe(v.string(), v.regex(NAME)),
    "string",
    "1 to 32 lower-case letters, digits and `-`, a letter first",
    "Names the endpoint; what waits for it is kept under this name.",
  ),
  url: url(["https", "http"], "Where requests are sent. Plain `http` needs `allowPrivate`."),
  events,
  channels: v.optional(
    list('a list of channel patterns such as ["chat:*"]', "Only events about these channels."),
    ["*"],
  ),
  methods: v.optional(
    list('a list of patterns such as ["orders.*"]', "Methods of `rpc` that it answers."),
    ["*"],
  ),
  secrets: v.optional(secrets, []),
  secretsFile: v.exactOptional(
    text("a path", "File with the secrets, one on a line, in place of `secrets`."),
  ),
  timeout: v.optional(
    duration(100, 60_000, "How long a request may take; at most 4.5 s where it decides."),
    "3s",
  ),
  onFailure: v.optional(
    choice(["refuse", "allow"] as const, "What holds when a decision cannot be had."),
    "refuse",
  ),
  allowPrivate: v.optional(flag("Private addresses and this machine may be connected to."), false),
  concurrency: v.optional(
    integer(1, 1024, "Requests at once: of decisions and calls, and as many of notifications."),
    16,
  ),
  batch: v.optional(
    v.strictObject({
      size: v.optional(
        integer(1, 1000, "Notifications in one request at most; above 1 requests hold lists."),
        1,
      ),
      delay: v.optional(duration(0, 60_000, "How long a notification waits for others."), "100ms"),
    }),
    {},
  ),
  retry: v.optional(
    v.strictObject({
      attempts: v.optional(
        integer(
          1,
          100,
          "Attempts with a notification before it is given up, while the endpoint takes others.",
        ),
        12,
      ),
      minDelay: v.optional(duration(10, 3_600_000, "The delay before the second attempt; it doubles."), "1s"),
      maxDelay: v.optional(duration(10, 86_400_000, "The longest delay."), "10m"),
      maxAge: v.optional(
        duration(1000, 30 * 86_400_000, "After which time a notification is given up in any case."),
        "72h",
      ),
    }),
    {},
  ),
  queue: v.optional(
    integer(100, 10_000_000, "Notifications that wait at most; with more the oldest ones are lost."),
    100_000,
  ),
  deadLetters: v.optional(integer(1, 1_000_000, "Notifications that were given up and are kept."), 10_000),
});

/** `webhooks`: back ends over HTTP. */
const webhooks = v.strictObject({
  endpoints: v.optional(
    about(
      v.pipe(v.array(endpoint), v.maxLength(64)),
      "json",
      'a list of at most 64 endpoints such as [{"name": "shop", "url": "https://...", "events": ["message"], "secrets": ["whsec_..."]}]',
      "Back ends that are asked, told and called over HTTP.",
    ),
    [],
  ),
});

/** What a configuration may hold. */
export const section = { webhooks: v.optional(webhooks, {}) };

/** What the configuration holds of it. */
export type WebhooksConfig = Values<typeof section>;

const endpointsFit: Rule<WebhooksConfig> = ({ webhooks: { endpoints } }, report) => {
  endpoints.forEach((endpoint, index) => {
    const at = `webhooks.endpoints.${index}`;
    const { name, url, events, secrets, secretsFile, timeout, allowPrivate, retry } = endpoint;
    if (endpoints.findIndex((other) => other.name === name) < index) {
      report(`${at}.name`, `"${name}" is there twice`);
    }
    if ((secrets.length === 0) === (secretsFile === undefined)) {
      report(`${at}.secrets`, "must have secrets or secretsFile, and not both", `${at}.secretsFile`);
    }
    const { protocol, username, password, hash } = new URL(url);
    if (protocol === "http:" && !allowPrivate) {
      report(`${at}.url`, "must start with https://, or have allowPrivate", `${at}.allowPrivate`);
    }
    if (username !== "" || password !== "") report(`${at}.url`, "must hold no user name or password");
    if (hash !== "") report(`${at}.url`, "must hold no fragment");
    const decides = events.some((event) => (DECISIONS as readonly string[]).includes(event));
    if (decides && timeout > MAX_DECISION) {
      report(`${at}.timeout`, "must be 4.5s or less for an endpoint that decides", `${at}.events`);
    }
    if (retry.maxDelay < retry.minDelay) {
      report(`${at}.retry.maxDelay`, "must not be below minDelay", `${at}.retry.minDelay`);
    }
  });
};

/** What must hold between settings. */
export const rules: readonly Rule<WebhooksConfig>[] = [endpointsFit];

/** What is wrong with the files of the secrets. */
export async function material(config: WebhooksConfig): Promise<readonly Problem[]> {
  try {
    await toEndpoints(config);
    return [];
  } catch (error) {
    return [asProblem(error, "webhooks.endpoints")];
  }
}

/** The endpoints, with secrets read from their files. Rejects with MaterialError for a file that cannot be read. */
export async function toEndpoints({ webhooks }: WebhooksConfig): Promise<readonly Endpoint[]> {
  return await Promise.all(webhooks.endpoints.map(async ({ secretsFile, ...endpoint }, index) => {
    if (secretsFile === undefined) return endpoint;
    const at = `webhooks.endpoints.${index}.secretsFile`;
    const secrets = (await readSecretFile(secretsFile, at)).split(/\s+/).filter((line) => line !== "");
    if (secrets.length === 0 || secrets.some((secret) => readSecret(secret) === undefined)) {
      throw new MaterialError(at, `must hold secrets, one on a line: ${SECRET}`);
    }
    return { ...endpoint, secrets };
  }));
}
