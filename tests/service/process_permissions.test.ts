/** What the service can find out of its process with the permissions it has in production. */

import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("process: with named permissions figures are right or left out", async () => {
  const script = new URL("./process_figures.ts", import.meta.url).pathname;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=server", "--no-prompt", "--no-check", "--no-lock", script],
    cwd: ROOT,
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const { metrics, status } = JSON.parse(new TextDecoder().decode(stdout));
  const value = (name: string) => new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1];
  for (const name of ["resident_memory_bytes", "heap_bytes", "cpu_seconds_total", "lowest_free_descriptor"]) {
    assert.ok(Number(value(`skein_process_${name}`)) > 0, name);
  }
  assert.ok(status.process.residentBytes > 1e6);
  assert.equal(String(status.descriptors.lowestFree), value("skein_process_lowest_free_descriptor"));
  // Deno lets a process read /proc with all permissions only: then there is no figure, and no 0 in its place.
  for (const [name, figure] of [["open", "open_descriptors"], ["limit", "max_descriptors"]] as const) {
    assert.equal(value(`skein_process_${figure}`), undefined);
    assert.equal(name in status.descriptors, false);
  }
});
