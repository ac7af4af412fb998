/**
 * The command line: `skein [COMMAND] [options]`. One file for each command, loaded when it is asked for.
 *
 * @module
 */

import { nearest } from "../config/nearest.ts";
import { describeOptions, HELP, parseArguments, UsageError } from "./arguments.ts";
import { type Command, EXIT, type Io } from "./command.ts";
import { processIo } from "./io.ts";

interface Entry {
  readonly summary: string;
  load(): Promise<Command>;
}

/** All commands. `serve` is the one without a name. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  serve: {
    summary: "Serve WebTransport, QUIC and WebSocket (the default).",
    load: async () => (await import("./serve.ts")).serve,
  },
  token: {
    summary: "Make a token, or check one.",
    load: async () => (await import("./token.ts")).token,
  },
  "check-config": {
    summary: "Say what is wrong with the configuration.",
    load: async () => (await import("./check_config.ts")).checkConfig,
  },
  "print-config": {
    summary: "Print the effective configuration and where each value came from.",
    load: async () => (await import("./print_config.ts")).printConfigCommand,
  },
  "config-schema": {
    summary: "Print what may be configured, as JSON Schema or Markdown.",
    load: async () => (await import("./config_schema.ts")).configSchema,
  },
  "gen-cert": {
    summary: "Make a certificate for development.",
    load: async () => (await import("./gen_cert.ts")).genCert,
  },
  "gen-key": {
    summary: "Make a key pair for tokens.",
    load: async () => (await import("./gen_key.ts")).genKey,
  },
  backup: {
    summary: "Copy the database while the service runs.",
    load: async () => (await import("./backup.ts")).backup,
  },
  doctor: {
    summary: "Find out whether this machine can serve.",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  version: {
    summary: "Print the version.",
    load: async () => (await import("./version.ts")).version,
  },
};

function overview(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(16)}${summary}\n`);
  return `Skein: real-time messaging over WebTransport, QUIC and WebSocket.\n\n` +
    `Usage: skein [COMMAND] [options]\n\nCommands:\n${rows.join("")}\n` +
    `"skein COMMAND --help" says more about one. Exit codes: 0 good, 1 bad, 2 wrong usage.\n`;
}

function help(name: string, command: Command): string {
  return `Usage: skein ${name} ${command.usage}\n\n${command.text}\n\nOptions:\n${
    describeOptions(command.options)
  }`;
}

/** Runs a command line and resolves with its exit code: 0 good, 1 bad, 2 wrong usage. Never rejects. */
export async function run(args: readonly string[], io: Io = processIo()): Promise<number> {
  try {
    const [first] = args;
    if (first === "help" || first === "--help" || first === "-h") {
      io.out(overview());
      return EXIT.ok;
    }
    const named = first !== undefined && !first.startsWith("-");
    const name = named ? first : first === "--version" ? "version" : "serve";
    if (!Object.hasOwn(COMMANDS, name)) {
      const guess = nearest(name, Object.keys(COMMANDS));
      throw new UsageError(`${JSON.stringify(name)}: unknown command; did you mean ${guess}?`);
    }
    const command = await COMMANDS[name]!.load();
    const parsed = parseArguments(named || name === "version" ? args.slice(1) : args, command);
    if (parsed.options.has(HELP.name)) {
      io.out(help(name, command));
      return EXIT.ok;
    }
    return await command.run(parsed, io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.err(`${error.message}\n`);
      return EXIT.usage;
    }
    io.err(`${error instanceof Error ? error.stack ?? error.message : String(error)}\n`);
    return EXIT.failed;
  }
}
