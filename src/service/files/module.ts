/**
 * Files as a module.
 *
 * @module
 */

import type { FileStore } from "../../files/mod.ts";
import type { Config } from "../config/mod.ts";
import type { EngineModule } from "../engine/module.ts";
import type { HubModule } from "../hub/module.ts";
import type { Logger } from "../log/mod.ts";
import { gauge, type Series } from "../metrics/series.ts";
import { type Module, started } from "../module.ts";
import type { TokensModule } from "../tokens/module.ts";
import { ServiceFiles } from "./service_files.ts";

/** Files, which the engine keeps; follows `files`. */
export class FilesModule implements Module {
  readonly name = "files";
  readonly keys = ["files"] as const;
  readonly series: readonly Series[] = fileSeries(() => this.#files?.store.status());
  readonly #engine: EngineModule;
  readonly #hub: HubModule;
  readonly #tokens: TokensModule;
  readonly #log: Logger;
  #files: ServiceFiles | undefined;

  constructor(engine: EngineModule, hub: HubModule, tokens: TokensModule, log: Logger) {
    this.#engine = engine;
    this.#hub = hub;
    this.#tokens = tokens;
    this.#log = log;
  }

  /** What handlers and HTTP need of files. */
  get files(): ServiceFiles {
    return started(this.#files, this.name);
  }

  start(config: Config): void {
    this.#files = new ServiceFiles({
      engine: this.#engine.engine,
      settings: config.files,
      hub: this.#hub.hub,
      verify: this.#tokens.authenticator.verify,
      failed: (error, stage) => this.#log.error("file failure", { stage, error }),
    });
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

/** Left out until the engine knows of files: with `sqlite` until the first one has come. */
function fileSeries(status: () => ReturnType<FileStore["status"]>): readonly Series[] {
  return [
    gauge("skein_files", "Complete files.", () => status()?.files),
    gauge(
      "skein_files_partial",
      "Uploads that are not complete, interrupted ones included.",
      () => status()?.partial,
    ),
    gauge(
      "skein_files_bytes",
      "Bytes of complete files; a content that several files share counts once.",
      () => status()?.bytes,
    ),
    gauge("skein_file_uploads", "Uploads under way.", () => status()?.uploads),
    gauge("skein_file_readers", "Files that are open to be read.", () => status()?.readers),
  ];
}
