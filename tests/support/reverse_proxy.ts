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

/** Starts nginx; `http` is what stands in its `http` block, made for the port it shall listen on. */
export async function startNginx(http: (port: number) => string): Promise<ReverseProxy> {
  const directory = await Deno.makeTempDir({ prefix: "skein-nginx-" });
  const port = freePort();
  const config = `daemon off; master_process off; pid ${directory}/pid; error_log stderr warn;
    events { worker_connections 512; }
    http {
      access_log off;
      client_body_temp_path ${directory}/a; proxy_temp_path ${directory}/b; fastcgi_temp_path ${directory}/c;
      uwsgi_temp_path ${directory}/d; scgi_temp_path ${directory}/e;
      ${http(port)}
    }`;
  await Deno.writeTextFile(`${directory}/nginx.conf`, config);
  return await start("nginx", ["-p", directory, "-c", `${directory}/nginx.conf`], directory, port);
}

/** Starts Caddy with a Caddyfile made for the port it shall listen on. */
export async function startCaddy(caddyfile: (port: number) => string): Promise<ReverseProxy> {
  const directory = await Deno.makeTempDir({ prefix: "skein-caddy-" });
  const port = freePort();
  await Deno.writeTextFile(`${directory}/Caddyfile`, caddyfile(port));
  return await start("caddy", ["run", "--config", `${directory}/Caddyfile`], directory, port);
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
  for (let tries = 0; tries < 200 && !ended; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return { port, [Symbol.asyncDispose]: stop };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  await stop();
  throw new Error(`${program} does not listen:\n${said}`);
}
