import assert from "node:assert/strict";
import { loadConfig } from "../../src/service/config/load.ts";
import { problemLine } from "../../src/service/config/problem.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);

function read(name: string): Promise<string> {
  return Deno.readTextFile(new URL(name, DEPLOY));
}

/** The text of a literal block (`name: |`) in YAML. */
function blockOf(yaml: string, name: string): string {
  const lines = yaml.split("\n");
  const at = lines.findIndex((line) => line.trim() === `${name}: |`);
  assert(at >= 0, `${name} is not there`);
  const depth = /^ */.exec(lines[at + 1]!)![0].length;
  const end = lines.findIndex((line, index) =>
    index > at && line.trim() !== "" && /^ */.exec(line)![0].length < depth
  );
  return lines.slice(at + 1, end).map((line) => line.slice(depth)).join("\n");
}

async function good(text: string, env: Record<string, string> = {}) {
  const { config, problems } = await loadConfig({ path: "sample", text, env });
  assert.deepEqual(problems.map(problemLine), []);
  return config!;
}

Deno.test("deploy: the sample configuration for development is good, and is development", async () => {
  const config = await good(await read("development.jsonc"));
  assert.equal(config.env, "development");
});

Deno.test("deploy: the sample configuration for production is good where production is demanded", async () => {
  const config = await good(await read("production.jsonc"), { SKEIN_ENV: "production" });
  assert.equal(config.env, "production");
  assert.notDeepEqual(config.http.allowedOrigins, ["*"]);
  assert.notEqual(config.http.internal, null);
});

Deno.test("deploy: the configuration in the Kubernetes manifest is good and drains within the grace period", async () => {
  const yaml = await read("kubernetes.yaml");
  const config = await good(blockOf(yaml, "skein.jsonc"), { SKEIN_ENV: "production" });
  const grace = Number(/terminationGracePeriodSeconds: (\d+)/.exec(yaml)?.[1]);
  assert(config.drain.deadline < grace * 1000, `${config.drain.deadline} ms in ${grace} s`);
  for (const port of [config.http.port, config.http.internal?.port, config.quic.port]) {
    assert(yaml.includes(`containerPort: ${port}`), `${port}`);
  }
});

Deno.test("deploy: what the samples have in comments is valid too", async () => {
  for (const name of ["development.jsonc", "production.jsonc"]) {
    // An example in a comment is a line that begins with a quoted key.
    const text = (await read(name)).replaceAll(/^( *)\/\/ ("[A-Za-z]+": )/gm, "$1$2");
    const { problems } = await loadConfig({ path: name, text });
    const lines = problems.map(problemLine).filter((line) => !line.includes("given twice"));
    assert.deepEqual(lines, []);
  }
});

Deno.test("deploy: the image and the manifest are of the version and the runtime of this repository", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(new URL("../deno.json", DEPLOY)));
  assert((await read("kubernetes.yaml")).includes(`image: skein:${manifest.version}`));
  assert((await read("Dockerfile")).includes(`deno@${Deno.version.deno}`), "the pinned Deno");
});
