/**
 * The command line: `skein [COMMAND] [options]`. One file for each command, loaded when it is asked for.
 *
 * @module
 */

import { nearest } from "../../protocol/nearest.ts";
import { describeOptions, HELP, parseArguments, UsageError } from "./arguments.ts";
import { type Command, EXIT, type Io } from "./command.ts";
import { processIo } from "./io.ts";

interface Entry {
  readonly summary: string;
  load(): Promise<Command>;
}

/** Commands under one word: `skein peer send`. */
interface Group {
  readonly summary: string;
  /** What they have in common, some lines. */
  readonly text: string;
  readonly commands: Readonly<Record<string, Entry>>;
}

/** All commands. `serve` is the one without a name. */
const COMMANDS: Readonly<Record<string, Entry | Group>> = {
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
  peer: {
    summary: "Reach another machine directly, through NATs: send files, talk, find out what is in the way.",
    text: "Connections from machine to machine, encrypted from end to end. The service only introduces them.",
    commands: {
      id: {
        summary: "Print the id of this device, under which others reach it.",
        load: async () => (await import("./peer/id.ts")).peerId,
      },
      connect: {
        summary: "Connect to a peer, watch the path, and talk.",
        load: async () => (await import("./peer/connect.ts")).peerConnect,
      },
      send: {
        summary: "Send a file to a peer.",
        load: async () => (await import("./peer/send.ts")).peerSend,
      },
      receive: {
        summary: "Receive files from peers.",
        load: async () => (await import("./peer/receive.ts")).peerReceive,
      },
      doctor: {
        summary: "Find out what NAT this machine is behind, and which paths to peers to expect.",
        load: async () => (await import("./peer/doctor.ts")).peerDoctor,
      },
    },
  },
  user: {
    summary: "Export or erase what belongs to a user of a running service.",
    text: "What belongs to a user, by the API of a running service.",
    commands: {
      export: {
        summary: "Print it as lines of JSON.",
        load: async () => (await import("./user/export.ts")).userExport,
      },
      erase: {
        summary: "Erase it, for good.",
        load: async () => (await import("./user/erase.ts")).userErase,
      },
    },
  },
  functions: {
    summary: "Make, list and try functions: your own logic beside the messages.",
    text: "A function is a file of yours that the service runs: a bot, a filter, a schedule.",
    commands: {
      new: {
        summary: "Make a function from an example.",
        load: async () => (await import("./functions/new.ts")).functionsNew,
      },
      run: {
        summary: "Call a function once with an event, without a service.",
        load: async () => (await import("./functions/run.ts")).functionsRun,
      },
      list: {
        summary: "Print the functions of the running service.",
        load: async () => (await import("./functions/list.ts")).functionsList,
      },
      logs: {
        summary: "Print what a function of the running service printed last.",
        load: async () => (await import("./functions/logs.ts")).functionsLogs,
      },
    },
  },
  version: {
    summary: "Print the version.",
    load: async () => (await import("./version.ts")).version,
  },
};

function overview(): string {
  return `Skein: real-time messaging over WebTransport, QUIC and WebSocket.\n\n` +
    `Usage: skein [COMMAND] [options]\n\nCommands:\n${rows(COMMANDS)}\n` +
    `"skein COMMAND --help" says more about one. Exit codes: 0 good, 1 bad, 2 wrong usage.\n`;
}

function groupOverview(name: string, { text, commands }: Group): string {
  return `Usage: skein ${name} COMMAND [options]\n\n${text}\n\nCommands:\n${rows(commands)}\n` +
    `"skein ${name} COMMAND --help" says more about one.\n`;
}

function rows(entries: Readonly<Record<string, { readonly summary: string }>>): string {
  return Object.entries(entries).map(([name, { summary }]) => `  ${name.padEnd(16)}${summary}\n`).join("");
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
    const entry = entryOf(name, COMMANDS);
    const rest = named || name === "version" ? args.slice(1) : args;
    return "load" in entry
      ? await runCommand(name, await entry.load(), rest, io)
      : await runGroup(name, entry, rest, io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.err(`${error.message}\n`);
      return EXIT.usage;
    }
    io.err(`${error instanceof Error ? error.stack ?? error.message : String(error)}\n`);
    return EXIT.failed;
  }
}

async function runGroup(name: string, group: Group, args: readonly string[], io: Io): Promise<number> {
  const [word, ...rest] = args;
  if (word === undefined || word === "help" || word === "--help" || word === "-h") {
    io.out(groupOverview(name, group));
    return word === undefined ? EXIT.usage : EXIT.ok;
  }
  const entry = entryOf(word, group.commands);
  return await runCommand(`${name} ${word}`, await entry.load(), rest, io);
}

async function runCommand(
  name: string,
  command: Command,
  args: readonly string[],
  io: Io,
): Promise<number> {
  const parsed = parseArguments(args, command);
  if (parsed.options.has(HELP.name)) {
    io.out(help(name, command));
    return EXIT.ok;
  }
  return await command.run(parsed, io);
}

function entryOf<T>(name: string, entries: Readonly<Record<string, T>>): T {
  if (Object.hasOwn(entries, name)) return entries[name]!;
  const guess = nearest(name, Object.keys(entries));
  throw new UsageError(`${JSON.stringify(name)}: unknown command; did you mean ${guess}?`);
}
