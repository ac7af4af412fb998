/**
 * `skein serve`
 *
 * @module
 */

import { BindError } from "../bind.ts";
import { makesCertificate } from "../certificates/settings.ts";
import type { Config } from "../config/mod.ts";
import { createLogger, type Logger } from "../log/mod.ts";
import type { Addresses } from "../service.ts";
import { HELP } from "./arguments.ts";
import { banner, networkAddresses } from "./banner.ts";
import { type Command, CONFIG, EXIT, loadFor, reportProblems } from "./command.ts";
import { makesTokens } from "../tokens/settings.ts";
import { untilSignalled } from "./signals.ts";
import { VERSION } from "./version_number.ts";

/** Serves until it is told to stop. */
export const serve: Command = {
  usage: "[options] [--KEY VALUE ...]",
  text:
    "Serves WebTransport, QUIC and WebSocket until SIGTERM or SIGINT, then drains; another one ends it\n" +
    "at once. SIGHUP reads the configuration again, or ends the service when its terminal is closed.\n" +
    "Every setting may be given as a flag: --quic.port 4433. `skein config-schema --markdown` lists them.",
  options: [CONFIG, HELP],
  settings: true,
  rest: 0,
  async run(args, io) {
    // The rest of the service loads while the configuration is read.
    const loading = import("../service.ts");
    loading.catch(() => {});
    const { config, problems, path } = await loadFor(args, io);
    if (config === undefined) {
      reportProblems(problems, io);
      return EXIT.failed;
    }
    const { materialProblems } = await import("../config/check.ts");
    const material = await materialProblems(config);
    if (material.length > 0) {
      reportProblems(material, io);
      return EXIT.failed;
    }
    const log = createLogger(config.log);
    const { startService } = await loading;
    let service: Awaited<ReturnType<typeof startService>>;
    try {
      service = await startService({
        config,
        ...path === undefined ? {} : { configPath: path },
        env: io.env,
        flags: args.flags,
        log,
        version: VERSION,
      });
    } catch (error) {
      log.error("could not start", error instanceof BindError ? { reason: error.message } : { error });
      return EXIT.failed;
    }
    // Signals first: a program that reads that the service runs may send one at once.
    const ended = untilSignalled(service, log);
    const { addresses } = service;
    if (inTerminal(config)) {
      io.err(banner({ version: VERSION, config, path, addresses, network: networkAddresses() }));
    } else {
      announce(addresses, config, path, log);
    }
    return await ended;
  },
};

/** Whether somebody reads along. */
function inTerminal({ log }: Config): boolean {
  return log.format !== "json" && Deno.stderr.isTerminal();
}

function announce(
  addresses: Addresses,
  config: Config,
  path: string | undefined,
  log: Logger,
): void {
  const at = ({ hostname, port }: { hostname: string; port: number }) =>
    `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  const { http, internal, quic } = addresses;
  // A wildcard address cannot be dialled.
  const host = ["::", "0.0.0.0"].includes(http.hostname) ? { hostname: "localhost", port: http.port } : http;
  log.info("serving", {
    page: `${config.http.tls === null ? "http" : "https"}://${at(host)}/`,
    http: at(http),
    quic: quic === undefined ? "off" : `${at(quic)}/udp`,
    internal: internal === undefined ? undefined : at(internal),
    config: path ?? "defaults",
    version: VERSION,
  });
  if (config.env === "production") return;
  log.warn("development mode, not for the open internet", {
    access: makesTokens(config) ? "anybody may have one from POST /dev/token" : "signed with auth.keys",
    certificate: makesCertificate(config) ? "made here, browsers accept it by its hash" : "quic.cert",
  });
}
