/**
 * The service in a process of its own. It prints where it listens and runs until it is killed. The first argument is a
 * JSON object that is merged into the configuration of the bench; with `uncoalesced` as the second no delivery is ever
 * held back.
 *
 * @module
 */

import { DeliveryRate } from "../../../src/hub/coalescer.ts";
import { loadConfig } from "../../../src/service/config/load.ts";
import { type ConfigInput } from "../../support/config.ts";
import { createLogger } from "../../../src/service/log/mod.ts";
import { startService } from "../../../src/service/service.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { SECRET } from "./dial.ts";

const OFF = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 };

const certificate = await makeCertificate();
const over: ConfigInput = JSON.parse(Deno.args[0] ?? "{}");
const input: ConfigInput = {
  http: {
    hostname: "127.0.0.1",
    port: 0,
    perIp: { connections: 20_000, rate: 100_000, burst: 100_000 },
  },
  quic: {
    hostname: "127.0.0.1",
    port: 0,
    cert: certificate.cert,
    key: certificate.key,
    maxIdleTimeout: "2m",
  },
  auth: { keys: [{ alg: "HS256", secret: SECRET }] },
  session: {
    maxConnections: 20_000,
    maxOutbox: "16MiB",
    maxMessage: "128KiB",
    perIp: { connections: 20_000, rate: 100_000, burst: 100_000 },
    rates: { connection: OFF, user: OFF },
  },
  engine: { kind: "memory" },
  ...over,
};
if (Deno.args[1] === "uncoalesced") DeliveryRate.prototype.add = () => false;
const loaded = await loadConfig({ path: "bench.jsonc", text: JSON.stringify(input) });
if (loaded.config === undefined) throw new Error(JSON.stringify(loaded.problems));
const service = await startService({ config: loaded.config, log: createLogger({ level: "error" }) });
console.log(JSON.stringify({
  quicPort: service.addresses.quic?.port,
  httpPort: service.addresses.http.port,
  hash: certificate.hash.toBase64(),
}));
// Whoever measures may be killed: the service must not outlive it.
for await (const _ of Deno.stdin.readable) continue;
Deno.exit();
