import assert from "node:assert/strict";
import { SkeinClient } from "../../src/client/mod.ts";
import { sampleBytes } from "../files/support.ts";
import { startTestService } from "../support/service.ts";

for (const enableQuic of [false, true]) {
Deno.test(`sdk disk full ${enableQuic}`, async () => {
  const service = await startTestService();
  const sender = new SkeinClient({ url: service.url, getToken: () => service.token("ann"), headStart: 300, enableQuic });
  const dir = service.config.files.directory;
  try {
    await sender.connect();
    const bytes = sampleBytes(9_000_000);
    // begin, so that partial exists; find key
    const channel = sender.channel("chat:files");
    const first = channel.upload(new Blob([bytes]));
    while (first.progress.acknowledged === 0) await new Promise((r) => setTimeout(r, 1));
    first.pause();
    await new Promise((r) => setTimeout(r, 300));
    const [name] = [...Deno.readDirSync(`${dir}/partial`)].map(({ name }) => name);
    console.log(name, first.progress);
    Deno.renameSync(`${dir}/partial/${name}`, `${dir}/kept`);
    Deno.symlinkSync("/dev/full", `${dir}/partial/${name}`);
    first.resume();
    await new Promise((r) => setTimeout(r, 3000));
    console.log("full", first.progress);
    Deno.removeSync(`${dir}/partial/${name}`);
    Deno.renameSync(`${dir}/kept`, `${dir}/partial/${name}`);
    const end = await Promise.race([first.done.then(() => "done", (e) => String(e)), new Promise((r) => setTimeout(() => r("HANGS"), 8000))]);
    console.log(end, first.progress);
  } finally {
    await sender.close();
    await service.stop();
  }
});
}
