/**
 * Files as a module.
 *
 * @module
 */

import type { FileStore } from "../../files/mod.ts";
import type { Config } from "../config/mod.ts";
import type { HubModule } from "../hub/module.ts";
import type { Logger } from "../log/mod.ts";
import { gauge, type Series } from "../metrics/series.ts";
import { type Module, started } from "../module.ts";
import type { TokensModule } from "../tokens/module.ts";
import { ServiceFiles } from "./service_files.ts";

/** The store of files; follows `files`. */
export class FilesModule implements Module {
  readonly name = "files";
  readonly keys = ["files"] as const;
  readonly series: readonly Series[] = fileSeries(() => this.#files?.store.status());
  readonly #hub: HubModule;
  readonly #tokens: TokensModule;
  readonly #log: Logger;
  #files: ServiceFiles | undefined;

  constructor(hub: HubModule, tokens: TokensModule, log: Logger) {
    this.#hub = hub;
    this.#tokens = tokens;
    this.#log = log;
  }

  /** What handlers and HTTP need of files. */
  get files(): ServiceFiles {
    return started(this.#files, this.name);
  }

  async start(config: Config): Promise<void> {
    this.#files = new ServiceFiles({
      settings: config.files,
      namespace: this.#hub.hub.namespace,
      verify: this.#tokens.authenticator.verify,
      failed: (error, stage) => this.#log.error("file failure", { stage, error }),
    });
    await this.#files.store.resume();
  }

  apply(config: Config): void {
    this.files.settings = config.files;
  }

  sweep(now: number): void {
    this.#files?.store.sweep(now);
  }

  async close(): Promise<void> {
    await this.#files?.store.close();
  }

  status(): Record<string, unknown> {
    return { files: this.files.store.status() ?? null };
  }
}

/** Left out until files were used for the first time. */
function fileSeries(status: () => ReturnType<FileStore["status"]>): readonly Series[] {
  return [
    gauge("skein_files", "Files that are whole.", () => status()?.files),
    gauge("skein_files_partial", "Files of which parts are missing.", () => status()?.partial),
    gauge(
      "skein_files_bytes",
      "Bytes of files on disk; a content that several files share counts once.",
      () => status()?.bytes,
    ),
    gauge("skein_file_uploads", "Uploads under way.", () => status()?.uploads),
    gauge("skein_file_readers", "Files that are open to be read.", () => status()?.readers),
  ];
}
