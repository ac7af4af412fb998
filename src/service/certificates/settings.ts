/**
 * The section `certificates` of the configuration.
 *
 * @module
 */

import * as v from "valibot";
import type { NodeConfig } from "../process/settings.ts";
import type { QuicConfig } from "../quic/settings.ts";
import { list, text } from "../config/setting.ts";

/** `certificates`: what development mode makes when no certificate is configured. */
const certificates = v.strictObject({
  directory: v.optional(
    text(
      "a path",
      "Directory of the development certificate. Relative paths start at the working directory.",
    ),
    "certs",
  ),
  names: v.optional(
    list(
      "a list of host names and addresses",
      "Names and addresses the development certificate is for, beside `localhost`, `127.0.0.1` and `::1`.",
    ),
    [],
  ),
});

/** What a configuration may hold. */
export const section = { certificates: v.optional(certificates, {}) };

/** Whether the service makes a certificate for QUIC itself: in development mode, while none is configured. */
export function makesCertificate(config: NodeConfig & QuicConfig): boolean {
  return config.env === "development" && config.quic.cert === null;
}
