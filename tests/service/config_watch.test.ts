import assert from "node:assert/strict";
import { type Config } from "../../src/service/config/mod.ts";
import { watchFile } from "../../src/service/config/watch.ts";
import { settle } from "../support/clock.ts";
import { type Change, Inbox, inDirectory, portFile, watching } from "./config_watch_support.ts";

Deno.test("config watch: a file that is written again is read again, and the changed keys are named", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    await watching(path, async ({ changes }) => {
      await Deno.writeTextFile(path, portFile(2));
      const { next, previous, changed } = await changes.next();
      assert.deepEqual([previous.quic.port, next.quic.port, changed], [1, 2, ["quic.port"]]);
      await Deno.writeTextFile(
        path,
        '{ "quic": { "port": 2, "maxStreams": 7 }, "log": { "level": "warn" } }',
      );
      assert.deepEqual((await changes.next()).changed, ["quic.maxStreams", "log.level"]);
    });
  }));

Deno.test("config watch: a file that another is renamed over is followed, time and again", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    await watching(path, async ({ changes }) => {
      for (const port of [2, 3, 4]) {
        await Deno.writeTextFile(`${dir}/.new`, portFile(port));
        await Deno.rename(`${dir}/.new`, path);
        assert.equal((await changes.next()).next.quic.port, port);
      }
    });
  }));

Deno.test("config watch: a file that is deleted and made again is followed", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    await watching(path, async ({ changes, problems, reload }) => {
      await Deno.remove(path);
      assert.equal(await reload(), false);
      assert.match((await problems.next()).join(), /there is no such file/);
      assert.equal(changes.length, 0);
      await Deno.writeTextFile(path, portFile(2));
      const { previous, next } = await changes.next();
      assert.deepEqual([previous.quic.port, next.quic.port], [1, 2]);
    });
  }));

Deno.test("config watch: the symbolic link of a ConfigMap is swapped: the configuration follows", () =>
  inDirectory(async (dir) => {
    // As the kubelet does it: skein.jsonc -> ..data/skein.jsonc, ..data -> ..v1, and ..data renamed over.
    const version = async (name: string, port: number) => {
      await Deno.mkdir(`${dir}/${name}`);
      await Deno.writeTextFile(`${dir}/${name}/skein.jsonc`, portFile(port));
      await Deno.symlink(name, `${dir}/..tmp`);
      await Deno.rename(`${dir}/..tmp`, `${dir}/..data`);
    };
    await version("..v1", 1);
    await Deno.symlink("..data/skein.jsonc", `${dir}/skein.jsonc`);
    await watching(`${dir}/skein.jsonc`, async ({ changes }) => {
      await version("..v2", 2);
      await Deno.remove(`${dir}/..v1`, { recursive: true });
      assert.equal((await changes.next()).next.quic.port, 2);
      await version("..v3", 3);
      assert.equal((await changes.next()).next.quic.port, 3);
    });
  }));

Deno.test("config watch: a bad file changes nothing and the next good one is compared with the last good one", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    await watching(path, async ({ changes, problems }) => {
      await Deno.writeTextFile(path, '{ "quic": { "port": 70000, "prot": 1 } }');
      const found = await problems.next();
      assert.equal(found.length, 2);
      assert(found.every((line) => line.startsWith("quic.")), found.join());
      await Deno.writeTextFile(path, '{ "quic": ');
      assert.match((await problems.next()).join(), /syntax error/);
      assert.equal(changes.length, 0);
      await Deno.writeTextFile(path, portFile(3));
      const { previous, next } = await changes.next();
      assert.deepEqual([previous.quic.port, next.quic.port], [1, 3]);
    });
  }));

Deno.test("config watch: a certificate that cannot be read is a problem of the new configuration, not a change", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    await watching(path, async ({ changes, problems }) => {
      await Deno.writeTextFile(path, `{ "quic": { "cert": "${dir}/no.pem", "key": "${dir}/no.key" } }`);
      assert.match((await problems.next()).join(), /^quic\.cert: .*no\.pem/);
      assert.equal(changes.length, 0);
    });
  }));

Deno.test("config watch: a change that cannot be put in force is reported, and tried again with the next one", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    const changes = new Inbox<Change>();
    const onChange = (next: Config, previous: Config, changed: readonly string[]) => {
      if (next.quic.port === 2) throw new Error("port 2 is taken");
      changes.put({ next, previous, changed });
    };
    await watching(path, async ({ problems }) => {
      await Deno.writeTextFile(path, portFile(2));
      assert.match((await problems.next()).join(), /^quic\.port: cannot be put in force: port 2 is taken/);
      await Deno.writeTextFile(path, portFile(3));
      assert.equal((await changes.next()).previous.quic.port, 1);
    }, { onChange });
  }));

Deno.test("config watch: a change that comes while another is put in force waits for its end", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    const started = new Inbox<number>(), order: string[] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const onChange = async ({ quic: { port } }: Config, previous: Config) => {
      order.push(`${previous.quic.port} to ${port} begins`);
      started.put(port);
      await gate;
      order.push(`${port} is in force`);
    };
    await watching(path, async ({ reload }) => {
      await Deno.writeTextFile(path, portFile(2));
      assert.equal(await started.next(), 2);
      await Deno.writeTextFile(path, portFile(3));
      const later = reload();
      // Reads the same file afterwards: without a turn for each, the reload above would be as far by now.
      await watching(path, async (control) => {
        for (let i = 0; i < 5; i++) assert.equal(await control.reload(), true);
      });
      open();
      assert.equal(await later, true);
    }, { onChange });
    assert.deepEqual(order, ["1 to 2 begins", "2 is in force", "2 to 3 begins", "3 is in force"]);
  }));

Deno.test("config watch: environment and flags stay over the file when it is read again", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    await watching(path, async ({ changes }) => {
      await Deno.writeTextFile(path, '{ "quic": { "port": 5, "maxStreams": 9 } }');
      const { next, changed } = await changes.next();
      assert.deepEqual([next.quic.port, next.quic.maxStreams, changed], [77, 9, ["quic.maxStreams"]]);
    }, { env: { SKEIN_QUIC_PORT: "66" }, flags: { "quic.port": "77" } });
  }));

Deno.test("config watch: a touch or a new comment changes nothing", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/skein.jsonc`;
    await Deno.writeTextFile(path, portFile(1));
    const unchanged = new Inbox<true>();
    await watching(path, async ({ changes, problems }) => {
      await Deno.utime(path, new Date(), new Date());
      await Deno.writeTextFile(path, `// new\n${portFile(1)}`);
      await unchanged.next();
      assert.deepEqual([changes.length, problems.length, unchanged.length], [0, 0, 0]);
    }, { onUnchanged: () => unchanged.put(true) });
  }));

Deno.test("config watch: a file in a directory that cannot be watched is polled", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/later/skein.jsonc`;
    const seen = new Inbox<string>();
    const watch = await watchFile(path, {
      onChange: async () => seen.put(await Deno.readTextFile(path)),
      poll: 20,
    });
    try {
      await Deno.mkdir(`${dir}/later`);
      await Deno.writeTextFile(`${dir}/new`, "here");
      await Deno.rename(`${dir}/new`, path);
      assert.equal(await seen.next(), "here");
    } finally {
      await watch.close();
    }
  }));

Deno.test("config watch: after close nothing is called any more, and closing twice is fine", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/file`;
    await Deno.writeTextFile(path, "1");
    let calls = 0;
    const watch = await watchFile(path, { onChange: () => void calls++, poll: 10 });
    await Deno.writeTextFile(path, "2");
    await watch.check();
    assert.equal(calls, 1);
    await watch.close();
    await watch.close();
    await Deno.writeTextFile(path, "3");
    await watch.check();
    assert.equal(calls, 1);
  }));

Deno.test("config watch: one look at a time, and none is under way after close", () =>
  inDirectory(async (dir) => {
    const path = `${dir}/file`;
    await Deno.writeTextFile(path, "1");
    const watch = await watchFile(path, { onChange: () => {}, poll: 1 });
    const { stat } = Deno, started = new Inbox<true>(), later = new Inbox<true>();
    const { promise: gate, resolve: answer } = Promise.withResolvers<void>();
    let asked = 0, answered = 0;
    // A file system that does not answer at once.
    Deno.stat = async (of) => {
      (asked++ === 0 ? started : later).put(true);
      await gate;
      const found = await stat(of);
      answered++;
      return found;
    };
    try {
      await started.next();
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
      assert.equal(later.length, 0, "asked again while the first question stands");
      const closed = watch.close();
      let isOver = false;
      // Whoever closes it as well is told the same.
      const again = watch.close().then(() => isOver = true);
      await settle();
      assert.equal(isOver, false);
      answer();
      await Promise.all([closed, again]);
      assert.deepEqual([asked, answered], [1, 1]);
    } finally {
      Deno.stat = stat;
    }
  }));
