/** API.md, tried: each command with curl as it stands there, against a running service. */

import assert from "node:assert/strict";
import { createServerClient } from "../../src/client/server/mod.ts";
import { API_METHODS } from "../../src/protocol/api/table.ts";
import { startTestService } from "../support/service.ts";

const KEY = "key-of-the-back-end-of-a-test";
const PAGE = new URL("../../src/service/http/API.md", import.meta.url);
/** What examples name and a new service does not have. */
const ABSENT: Readonly<Record<string, string>> = {
  send: "unknown_user",
  subscribe: "unknown_user",
  unsubscribe: "unknown_user",
  refresh: "unknown_user",
  connection: "unknown_user",
  function_logs: "bad_payload",
  webhook_dead: "bad_payload",
  webhook_resend: "bad_payload",
};

/** Commands by the heading that they stand under. */
function commandsOf(page: string): Map<string, string> {
  const commands = new Map<string, string>();
  for (const section of page.split(/^#{2,3} /m).slice(1)) {
    const heading = section.slice(0, section.indexOf("\n"));
    const command = /^```sh\n([^`]*curl[^`]*)^```/m.exec(section)?.[1];
    if (command !== undefined) commands.set(heading, command);
  }
  return commands;
}

async function shell(command: string, url: string): Promise<string> {
  const text = command.replaceAll("http://localhost:8080", url).replace("ask-a-model", "printf 'It is 42.'");
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", `set -o pipefail\n${text}`],
    env: { KEY },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const said = new TextDecoder().decode(stdout);
  assert.equal(code, 0, `${text}\n${said}${new TextDecoder().decode(stderr)}`);
  return said;
}

Deno.test("api page: every command with curl does what the page says", async () => {
  const service = await startTestService({ engine: { kind: "memory" }, api: { keys: [KEY] } });
  try {
    const commands = commandsOf(await Deno.readTextFile(PAGE));
    for (const method of API_METHODS) assert.ok(commands.has(method), `${method} has no command`);
    const api = createServerClient({ url: service.url, key: KEY });
    // The message at offset 1, which `append`, `edit` and `delete` name.
    await api.publish({ channel: "chat:general", text: "hello", stream: true });
    for (const [heading, command] of commands) {
      const answers = (await shell(command, service.url)).trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      );
      for (const { result, error } of answers) {
        if (error === undefined) assert.notEqual(result, undefined, heading);
        else assert.equal(error.name, ABSENT[heading], `${heading}: ${error.message}`);
      }
      if (heading === "In bulk") assert.equal(answers.length, 3);
    }
  } finally {
    await service.stop();
  }
});

Deno.test("api page: what is piped into curl is one message, said piece by piece", async () => {
  const service = await startTestService({ engine: { kind: "memory" }, api: { keys: [KEY] } });
  try {
    const command = commandsOf(await Deno.readTextFile(PAGE)).get("Streamed messages")!;
    const { result } = JSON.parse(await shell(command, service.url));
    const api = createServerClient({ url: service.url, key: KEY });
    const [message] = (await api.history({ channel: "chat:general" })).messages;
    assert.deepEqual(
      [message!.offset, message!.from, message!.payload],
      [result.offset, "assistant", { text: "It is 42.", stream: "ended" }],
    );
  } finally {
    await service.stop();
  }
});
