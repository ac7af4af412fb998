/**
 * Skein: real-time messaging over WebTransport, QUIC and WebSocket. `main.ts --help` says what it can do.
 *
 * @module
 */

import { run } from "./src/service/cli/mod.ts";

if (import.meta.main) Deno.exit(await run(Deno.args));
