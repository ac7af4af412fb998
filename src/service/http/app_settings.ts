/**
 * The sections `api`, `metrics` and `admin` of the configuration: what operators and back ends reach.
 *
 * @module
 */

import * as v from "valibot";
import type { Values } from "../config/section.ts";
import { about, flag } from "../config/setting.ts";
import type { NodeConfig } from "../process/settings.ts";
import { AddressList } from "./addresses.ts";
import type { HttpSettings } from "./deps.ts";
import type { HttpConfig } from "./settings.ts";

const secret = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{16,256}$/));
const RIGHTS = ["publish", "manage", "read"] as const;

/** `api`: the server API. */
const api = v.strictObject({
  keys: v.optional(
    about(
      v.pipe(
        v.array(v.union([secret, v.strictObject({ key: secret, rights: v.array(v.picklist(RIGHTS)) })])),
        v.maxLength(64),
      ),
      "list",
      'a list of at most 64 keys of 16 to 256 printable ASCII characters, or of `{"key": ..., "rights": ["publish", "manage", "read"]}`',
      "Keys for `/api`, `/metrics`, `/stats` and `/admin`, given as `X-API-Key` or `Authorization: Bearer`. A key alone has all rights; `read` is for listings and figures, `publish` for messages, `manage` for the rest. Several are accepted at once, so that they can be changed one after the other. Without any, these are only on `http.internal`.",
      { secret: true },
    ),
    [],
  ),
});

/** `metrics`: who may read figures. */
const metrics = v.strictObject({
  public: v.optional(
    flag("Serve `/metrics` and `/stats` on the public listener to everybody, without a key."),
    false,
  ),
});

/** `admin`: the dashboard. */
const admin = v.strictObject({
  enabled: v.optional(flag("Serve the dashboard `/admin`."), true),
});

/** What a configuration may hold. */
export const section = {
  api: v.optional(api, {}),
  metrics: v.optional(metrics, {}),
  admin: v.optional(admin, {}),
};

/** What the configuration holds of it. */
export type AppConfig = Values<typeof section>;

/** The settings of the HTTP app. */
export function toHttpSettings(config: AppConfig & HttpConfig & NodeConfig): HttpSettings {
  return {
    development: config.env === "development",
    allowedOrigins: config.http.allowedOrigins,
    trustedProxies: new AddressList(config.http.trustedProxies),
    apiKeys: config.api.keys,
    internal: config.http.internal !== null,
    metricsPublic: config.metrics.public,
    sourceMaps: config.http.sourceMaps ?? config.env === "development",
    adminEnabled: config.admin.enabled,
  };
}
