/**
 * Skein: real-time messaging over WebTransport, QUIC and WebSocket. `main.ts --help` says what it can do.
 *
 * @module
 */

import { ISOLATE_COMMAND, supervise } from "./src/service/functions/isolate.ts";

if (import.meta.main) {
  const [first, ...rest] = Deno.args;
  if (first === ISOLATE_COMMAND) await supervise(rest);
  // Only now: an isolate does without the rest of the program.
  const { run } = await import("./src/service/cli/mod.ts");
  Deno.exit(await run(Deno.args));
}
