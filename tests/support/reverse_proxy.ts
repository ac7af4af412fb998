/** Reverse proxies as processes, for tests. */

import { find } from "./needs.ts";

/** A proxy that runs. */
export interface ReverseProxy extends AsyncDisposable {
  readonly port: number;
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** How often one is started, each time on another port: something else may have taken the port meanwhile. */
const TRIES = 4;

/** Starts nginx; `http` is what stands in its `http` block, made for the port it shall listen on. */
export function startNginx(http: (port: number) => string): Promise<ReverseProxy> {
  return startOnFreePort(
    "nginx",
    (directory) => ["-p", directory, "-c", `${directory}/config`],
    (port, directory) =>
      `daemon off; master_process off; pid ${directory}/pid; error_log stderr warn;
    events { worker_connections 512; }
    http {
      access_log off;
      client_body_temp_path ${directory}/a; proxy_temp_path ${directory}/b; fastcgi_temp_path ${directory}/c;
      uwsgi_temp_path ${directory}/d; scgi_temp_path ${directory}/e;
      ${http(port)}
    }`,
  );
}

/** Starts Caddy with a Caddyfile made for the port it shall listen on. */
export function startCaddy(caddyfile: (port: number) => string): Promise<ReverseProxy> {
  const args = (directory: string) => ["run", "--adapter", "caddyfile", "--config", `${directory}/config`];
  return startOnFreePort("caddy", args, caddyfile);
}

async function startOnFreePort(
  program: "nginx" | "caddy",
  args: (directory: string) => string[],
  config: (port: number, directory: string) => string,
): Promise<ReverseProxy> {
  for (let attempt = 1;; attempt++) {
    const directory = await Deno.makeTempDir({ prefix: `skein-${program}-` });
    const port = freePort();
    await Deno.writeTextFile(`${directory}/config`, config(port, directory));
    try {
      return await start(program, args(directory), directory, port);
    } catch (error) {
      if (attempt === TRIES) throw error;
    }
  }
}

async function start(
  program: "nginx" | "caddy",
  args: string[],
  directory: string,
  port: number,
): Promise<ReverseProxy> {
  const child = new Deno.Command(find(program)!, {
    args,
    env: { HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) said = (said + decoder.decode(chunk)).slice(-4000);
  })();
  let ended = false;
  void child.status.then(() => ended = true);
  const stop = async (): Promise<void> => {
    if (!ended) child.kill("SIGTERM");
    await child.status;
    await reading;
    await Deno.remove(directory, { recursive: true });
  };
  for (let tries = 0; tries < 1_500 && !ended; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      // Whoever took the port answers as well; a proxy that could not have it ends.
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (ended) break;
      return { port, [Symbol.asyncDispose]: stop };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  await stop();
  throw new Error(`${program} does not listen:\n${said}`);
}
