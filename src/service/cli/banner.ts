/**
 * What `serve` writes into a terminal once it serves: where it is reached, on lines of their own.
 *
 * @module
 */

import { makesCertificate } from "../certificates/settings.ts";
import type { Config } from "../config/mod.ts";
import { WEBSOCKET_PATH } from "../http/client_info.ts";
import type { Addresses } from "../service.ts";
import { makesTokens } from "../tokens/settings.ts";

/** What the banner tells. */
export interface BannerFacts {
  readonly version: string;
  readonly config: Config;
  /** The configuration file; `undefined` without one. */
  readonly path: string | undefined;
  readonly addresses: Addresses;
  /** Addresses of this machine under which others reach it. */
  readonly network: readonly string[];
}

interface Endpoint {
  readonly hostname: string;
  readonly port: number;
}

/** The lines, each with its end. */
export function banner({ version, config, path, addresses, network }: BannerFacts): string {
  const { http, internal, quic } = addresses;
  const secure = config.http.tls !== null;
  const web = secure ? "https" : "http";
  const rows: [string, string][] = [];
  for (const host of hostsOf(http.hostname, network)) {
    rows.push([rows.length === 0 ? "Page" : "", `${web}://${at(host, http)}/`]);
  }
  const [host] = hostsOf(http.hostname, []);
  rows.push(["WebSocket", `${secure ? "wss" : "ws"}://${at(host!, http)}${WEBSOCKET_PATH}`]);
  rows.push(["QUIC", quic === undefined ? "off" : `${at(hostsOf(quic.hostname, [])[0]!, quic)} (UDP)`]);
  if (internal !== undefined) {
    rows.push(["Internal", `http://${at(hostsOf(internal.hostname, [])[0]!, internal)}/`]);
  }
  if (config.admin.enabled) {
    const dashboard = internal === undefined
      ? `${web}://${at(host!, http)}`
      : `http://${at(hostsOf(internal.hostname, [])[0]!, internal)}`;
    rows.push(["Dashboard", `${dashboard}/admin`]);
  }
  rows.push(["Config", path ?? "none, all defaults"]);
  const lines = [
    "",
    `Skein ${version}`,
    "",
    ...rows.map(([name, value]) => `  ${name.padEnd(11)}${value}`),
    "",
  ];
  if (config.env !== "production") lines.push("  Development mode, not for the open internet.");
  if (makesTokens(config)) lines.push("  Anybody may have a token from POST /dev/token.");
  if (makesCertificate(config)) {
    lines.push("  The certificate of QUIC is made here; browsers accept it by its hash.");
  }
  lines.push("  Ctrl-C ends the service.", "");
  return lines.map((line) => `${line}\n`).join("");
}

/** Addresses of this machine in its networks, the first few; those of containers and virtual machines are left out. */
export function networkAddresses(): readonly string[] {
  try {
    return Deno.networkInterfaces()
      .filter(({ name, family, address }) =>
        family === "IPv4" && !/^(lo|docker|br-|veth|virbr|cni|flannel)/.test(name) &&
        !/^(127|169\.254)\./.test(address)
      )
      .map(({ address }) => address)
      .slice(0, 3);
  } catch {
    // Not permitted: the local address has to do.
    return [];
  }
}

/** The hosts under which a listener is reached: a wildcard address cannot be dialled. */
function hostsOf(hostname: string, network: readonly string[]): readonly string[] {
  return hostname === "::" || hostname === "0.0.0.0" ? ["localhost", ...network] : [hostname];
}

function at(host: string, { port }: Endpoint): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
