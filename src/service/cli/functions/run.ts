/**
 * `skein functions run`
 *
 * @module
 */

import {
  type Call,
  DeployedFunction,
  FunctionError,
  type HttpSink,
  readSource,
  Slots,
} from "../../../functions/mod.ts";
import { FunctionFetch } from "../../functions/fetch.ts";
import { readSecrets } from "../../functions/settings.ts";
import { HELP, type Option, UsageError } from "../arguments.ts";
import { type Command, CONFIG, EXIT, type Io, loadFor, reportProblems, valueOf } from "../command.ts";
import { PrintingHost } from "./printing_host.ts";

const EVENT: Option = {
  name: "event",
  value: "FILE",
  text:
    'The event, as JSON: {"kind": "command", "command": "start", "args": {}, "from": "ann"} (the body of a request: a text); - for standard input.',
};

/** Calls a function once, without a service. */
export const functionsRun: Command = {
  usage: "[options] NAME --event FILE [--KEY VALUE ...]",
  text:
    "Calls the function NAME of functions.directory (else ./functions) once with an event, in an isolate as in the\n" +
    "service, and prints what it says, does and returns. Nothing is published; its values are forgotten. Secrets and\n" +
    "hosts are those that the configuration grants.",
  options: [EVENT, CONFIG, HELP],
  settings: true,
  rest: 1,
  async run(args, io) {
    const [name] = args.rest;
    const file = valueOf(args, EVENT.name);
    if (name === undefined) throw new UsageError("functions run: needs the NAME of a function");
    if (file === undefined) throw new UsageError("--event: needs a FILE with the event, or -");
    const { config, problems } = await loadFor(args, io);
    if (config === undefined) {
      reportProblems(problems, io);
      return EXIT.failed;
    }
    const event = await readEvent(file, io);
    const { grants, ...limits } = config.functions;
    const secrets = await readSecrets(config);
    const fetcher = new FunctionFetch();
    const deployed = new DeployedFunction(name, {
      limits: () => limits,
      slots: new Slots(() => 1),
      host: new PrintingHost(
        io,
        (request, signal) => fetcher.fetch(grants[name], request, limits.maxTimeout, signal),
      ),
      log: (_name, { level, text }) => io.err(`${level}: ${text}\n`),
      started: () => {},
    });
    try {
      const granted = Object.fromEntries((grants[name]?.secrets ?? []).map((key) => [key, secrets[key]!]));
      await deployed.load(await readSource(limits.directory ?? "functions", `${name}.ts`), granted);
      const streamed = printedResponse(io);
      const call: Call = { ...event, answers: printedAnswers(io), sink: streamed.sink };
      const { value, http } = await deployed.call(call);
      if (http !== undefined) {
        streamed.sink.head(http.status, http.headers);
        await streamed.sink.piece(http.body);
      }
      if (!streamed.end()) io.out(`returned: ${JSON.stringify(value) ?? "nothing"}\n`);
      return EXIT.ok;
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error;
      io.err(`${error.kind}: ${error.message}\n`);
      return EXIT.failed;
    } finally {
      await deployed.close(0);
      fetcher.close();
    }
  },
};

/** The event of a file; the body of a request, which is a text there, travels beside it. */
async function readEvent(file: string, io: Io): Promise<Pick<Call, "event" | "body">> {
  let event: unknown;
  try {
    event = JSON.parse(file === "-" ? await io.input() : await Deno.readTextFile(file));
  } catch (error) {
    throw new UsageError(`--event: ${file}: ${(error as Error).message}`);
  }
  if (typeof event !== "object" || event === null || typeof (event as { kind?: unknown }).kind !== "string") {
    throw new UsageError(`--event: ${file}: an object with a kind, such as {"kind": "command", ...}`);
  }
  const whole = { session: "session", from: "ann", args: {}, ...event };
  if (!isRequest(whole)) return { event: whole as unknown as Call["event"] };
  const { body = "", ...request } = whole;
  if (typeof body !== "string") throw new UsageError(`--event: ${file}: body: a text`);
  const defaults = { method: "GET", path: "", query: {}, headers: {}, address: "127.0.0.1" };
  const made = { ...defaults, ...request, body: new Uint8Array() };
  return { event: made, body: new TextEncoder().encode(body) };
}

function isRequest(event: object): event is { readonly kind: "http"; readonly body?: unknown } {
  return (event as { kind?: unknown }).kind === "http";
}

/** Prints a `Response`, whether it comes whole or in pieces. `end`: whether there was one. */
function printedResponse(io: Io): { readonly sink: HttpSink; end(): boolean } {
  const decoder = new TextDecoder();
  let begun = false;
  return {
    sink: {
      head(status, headers) {
        begun = true;
        io.out(
          `returned: HTTP ${status}\n${headers.map(([name, value]) => `${name}: ${value}\n`).join("")}\n`,
        );
      },
      piece(bytes) {
        io.out(decoder.decode(bytes, { stream: true }));
        return Promise.resolve();
      },
    },
    end() {
      if (begun) io.out(`${decoder.decode()}\n`);
      return begun;
    },
  };
}

function printedAnswers(io: Io): NonNullable<Call["answers"]> {
  return {
    reply: (content, isPublic) =>
      io.out(`${isPublic ? "said to all" : "answered"}: ${JSON.stringify(content)}\n`),
    open: (isPublic) => ({
      append: (text) => io.out(`${isPublic ? "streamed to all" : "streamed"}: ${JSON.stringify(text)}\n`),
      end: (failed) => io.out(failed ? "stream: failed\n" : "stream: ended\n"),
    }),
    progress: (done, text) => io.out(`progress: ${JSON.stringify({ done, text })}\n`),
  };
}
