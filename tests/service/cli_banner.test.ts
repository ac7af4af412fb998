import assert from "node:assert/strict";
import { banner, networkAddresses } from "../../src/service/cli/banner.ts";
import { loadConfig } from "../../src/service/config/load.ts";

async function lines(
  text: string,
  addresses: Parameters<typeof banner>[0]["addresses"],
  network: readonly string[] = [],
): Promise<string[]> {
  const { config, problems } = await loadConfig({ text });
  assert.deepEqual(problems, []);
  const shown = banner({ version: "1.2.3", config: config!, path: "skein.jsonc", addresses, network });
  return shown.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

const EVERYWHERE = { hostname: "::", port: 8080 };

Deno.test("banner: a wildcard address is shown as localhost and the addresses of the network", async () => {
  const quic = { hostname: "::", port: 4433 };
  const all = { http: EVERYWHERE, internal: undefined, quic };
  assert.deepEqual(await lines("{}", all, ["192.0.2.7", "198.51.100.1"]), [
    "Skein 1.2.3",
    "Page       http://localhost:8080/",
    "http://192.0.2.7:8080/",
    "http://198.51.100.1:8080/",
    "WebSocket  ws://localhost:8080/connection/websocket",
    "QUIC       localhost:4433 (UDP)",
    "Dashboard  http://localhost:8080/admin",
    "Config     skein.jsonc",
    "Development mode, not for the open internet.",
    "Anybody may have a token from POST /dev/token.",
    "The certificate of QUIC is made here; browsers accept it by its hash.",
    "Ctrl-C ends the service.",
  ]);
});

Deno.test("banner: production with TLS shows secure addresses and the internal listener", async () => {
  const config = `{
    "env": "production", "quic": { "enabled": false },
    "auth": { "keys": [{ "alg": "HS256", "secret": "${"s".repeat(32)}" }] },
    "http": { "tls": { "cert": "c.pem", "key": "k.pem" }, "internal": {} }
  }`;
  const addresses = {
    http: { hostname: "2001:db8::1", port: 443 },
    internal: { hostname: "127.0.0.1", port: 9090 },
    quic: undefined,
  };
  assert.deepEqual(await lines(config, addresses, ["192.0.2.7"]), [
    "Skein 1.2.3",
    "Page       https://[2001:db8::1]:443/",
    "WebSocket  wss://[2001:db8::1]:443/connection/websocket",
    "QUIC       off",
    "Internal   http://127.0.0.1:9090/",
    "Dashboard  http://127.0.0.1:9090/admin",
    "Config     skein.jsonc",
    "Ctrl-C ends the service.",
  ]);
});

Deno.test("banner: the addresses of the network are none of loopback", () => {
  for (const address of networkAddresses()) assert.doesNotMatch(address, /^(127|169\.254)\.|:/);
});
