/**
 * The schema of the whole configuration, and the types inferred from it.
 *
 * @module
 */

import * as v from "valibot";
import { choice, text } from "../setting.ts";
import { auth } from "./auth.ts";
import { files } from "./files.ts";
import { certificates, http, quic } from "./listeners.ts";
import { admin, api, documents, drain, engine, log, metrics, namespaces } from "./operation.ts";
import { session } from "./session.ts";

export { NAMESPACE, type Namespace } from "./operation.ts";

/** What may stand in a configuration. */
export const ConfigSchema = v.strictObject({
  env: v.optional(
    choice(
      ["development", "production"],
      "`development` makes a certificate and a token secret of its own where none is configured; `production` refuses to start without them.",
      { restart: true },
    ),
    "development",
  ),
  node: v.optional(
    v.nullable(
      text("a name", "Name of this node in logs, metrics and `/stats`; `null` takes the host's name.", {
        restart: true,
      }),
    ),
    null,
  ),
  http: v.optional(http, {}),
  quic: v.optional(quic, {}),
  certificates: v.optional(certificates, {}),
  auth: v.optional(auth, {}),
  session: v.optional(session, {}),
  namespaces: v.optional(namespaces, {}),
  engine: v.optional(engine, {}),
  documents: v.optional(documents, {}),
  files: v.optional(files, {}),
  api: v.optional(api, {}),
  metrics: v.optional(metrics, {}),
  admin: v.optional(admin, {}),
  log: v.optional(log, {}),
  drain: v.optional(drain, {}),
});

/** The effective configuration: complete, durations in milliseconds, sizes in bytes. */
export type Config = v.InferOutput<typeof ConfigSchema>;

/** What a configuration file may hold. */
export type ConfigInput = v.InferInput<typeof ConfigSchema>;
