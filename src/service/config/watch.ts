/**
 * Watches the content of a file, however it is changed: written, renamed over, deleted and made again, or reached
 * through a symbolic link that is replaced, as Kubernetes does with ConfigMaps.
 *
 * @module
 */

/** Options of `watchFile`. */
export interface WatchOptions {
  /**
   * Called after the content has changed, and once when the file has been gone for the time between two polls. One call
   * at a time.
   */
  readonly onChange: () => void | Promise<void>;
  /** Milliseconds without events before the file is looked at. @default 60 */
  readonly quiet?: number;
  /** Milliseconds between checks without an event: network file systems send none. @default 2000 */
  readonly poll?: number;
}

/** A file that is being watched. */
export interface FileWatch {
  /** Checks the file now; resolves when that is done. */
  check(): Promise<void>;
  /** Ends it: no call of `onChange` begins afterwards. Resolves when one under way has ended, and no look at the file is. */
  close(): Promise<void>;
}

/** Changes whenever the content may have changed, and is cheap to get. `undefined`: there is no such file. */
async function stamp(path: string): Promise<string | undefined> {
  try {
    const real = await Deno.realPath(path);
    const { ino, ctime, mtime, size } = await Deno.stat(real);
    return `${real} ${ino} ${ctime?.getTime()} ${mtime?.getTime()} ${size}`;
  } catch {
    return undefined;
  }
}

async function digest(path: string): Promise<string | undefined> {
  try {
    const hash = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
    return new Uint8Array(hash).toHex();
  } catch {
    return undefined;
  }
}

function directoryOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at < 0 ? "." : at === 0 ? "/" : path.slice(0, at);
}

/**
 * Watches `path`; resolves once changes will be noticed. The file need not exist yet. Never rejects: where the system
 * cannot watch, the file is checked every `poll` milliseconds.
 */
export async function watchFile(path: string, options: WatchOptions): Promise<FileWatch> {
  const { onChange, quiet = 60, poll: pollInterval = 2000 } = options;
  let closed = false;
  let seen = await stamp(path);
  let content = await digest(path);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> = Promise.resolve();
  /** The file was gone at the last poll. `reported`: `onChange` was called for that. */
  let gone: boolean | "reported" = false;

  const call = async () => {
    try {
      await onChange();
    } catch {
      // The caller reports its own failures; watching goes on.
    }
  };
  const look = async () => {
    const now = await stamp(path);
    if (closed || now === seen) return;
    const fresh = now === undefined ? undefined : await digest(path);
    // A file that went away between the two looks is looked at again by the next event or poll.
    if (closed || (now !== undefined && fresh === undefined)) return;
    seen = now;
    if (fresh === undefined || fresh === content) return;
    content = fresh;
    await call();
  };
  const reportGone = async () => {
    if (closed || await stamp(path) !== undefined) return;
    // When the file comes back it is read, whatever it holds.
    content = undefined;
    await call();
  };
  const check = () => running = running.then(look);
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined;
      void check();
    }, quiet);
  };
  // Not at once: a file that is just being written is empty, or half of itself.
  const poll = async () => {
    const now = await stamp(path);
    if (closed) return;
    if (timer === undefined && now !== seen) soon();
    if (now !== undefined) gone = false;
    else if (gone === false) gone = seen !== undefined || content !== undefined;
    else if (gone === true) {
      gone = "reported";
      running = running.then(reportGone);
    }
  };

  // The directory is watched: a watch on a file ends when the file is replaced.
  let watcher: Deno.FsWatcher | undefined;
  try {
    watcher = Deno.watchFs(directoryOf(path), { recursive: false });
  } catch {
    watcher = undefined;
  }
  const events = watcher;
  const reading = events === undefined ? Promise.resolve() : (async () => {
    try {
      for await (const _event of events) if (!closed) soon();
    } catch {
      // The directory is gone or the system gave up: polling goes on.
    }
  })();
  // One at a time: on a network file system that does not answer they would pile up.
  let polling: Promise<void> | undefined;
  const interval = setInterval(() => {
    polling ??= poll().finally(() => polling = undefined);
  }, pollInterval);
  // The file may have changed between the first look and the start of the watch.
  await check();

  const end = async (): Promise<void> => {
    closed = true;
    clearTimeout(timer);
    clearInterval(interval);
    try {
      events?.close();
    } catch {
      // It had ended already.
    }
    await reading;
    await polling;
    await running;
  };
  let ending: Promise<void> | undefined;
  // Whoever closes it a second time waits for the same end.
  return { check, close: () => ending ??= end() };
}
