/**
 * The store of files, and what handlers and HTTP need of it.
 *
 * @module
 */

import { coarseClock } from "../../async/clock.ts";
import type { Engine } from "../../engine/contract.ts";
import { FileStore } from "../../files/mod.ts";
import { admitReader, type FileService } from "../../handlers/mod.ts";
import type { Hub } from "../../hub/mod.ts";
import { clientRow, ERRORS, type Principal, ProtocolError } from "../../protocol/mod.ts";
import type { Middleware } from "../../router/types.ts";
import type { Config } from "../config/mod.ts";
import type { FileAccess } from "../http/deps.ts";
import { toFileLimits } from "./settings.ts";

/** Milliseconds after a message during which uploads are slowed down, so that the next message is not delayed. */
const QUIET_AFTER = 500;

/** What files need of the rest of the service. */
export interface ServiceFilesOptions {
  readonly engine: Pick<Engine, "blobs" | "values">;
  readonly settings: Config["files"];
  readonly hub: Pick<Hub, "namespace" | "admissions" | "isOn">;
  /** Checks a bearer token. */
  readonly verify: (token: string) => Promise<Principal>;
  readonly failed: (error: unknown, stage: string) => void;
}

/** The files of a service. */
export class ServiceFiles implements FileService, FileAccess {
  readonly store: FileStore;
  /** The configuration of files in force. */
  settings: Config["files"];
  readonly #options: ServiceFilesOptions;
  readonly #clock = coarseClock();
  #heardAt = -Infinity;

  constructor(options: ServiceFilesOptions) {
    this.#options = options;
    this.settings = options.settings;
    const { blobs, values } = options.engine;
    this.store = new FileStore({
      blobs,
      values,
      limits: this.limits,
      failed: options.failed,
      busy: () => this.#clock.now() - this.#heardAt < QUIET_AFTER,
    });
  }

  /** Notes that somebody sends messages: uploads are slowed down for a while. */
  readonly listen: Middleware = ({ message: { type } }, next) => {
    const row = clientRow(type);
    if (row?.lane !== "file" && row?.upkeep !== true) this.#heardAt = this.#clock.now();
    return next();
  };

  readonly limits = () => toFileLimits(this.settings);
  readonly enabled = () => this.settings.enabled;
  readonly linkLifetime = () => this.settings.linkLifetime;

  readonly admit: FileAccess["admit"] = async (fileId, { bearer, link }) => {
    if (!this.enabled()) throw new ProtocolError("not_available", "files are switched off");
    if (bearer !== undefined) {
      const principal = await this.#options.verify(bearer);
      const file = await this.store.get(fileId);
      try {
        await admitReader(this.#options.hub, principal, file, undefined);
      } catch (error) {
        if (!(error instanceof ProtocolError) || ERRORS[error.error].temporary) throw error;
        // Whatever the reason is, another request would not change it.
        throw new ProtocolError("permission_denied", error.detail);
      }
      return file;
    }
    if (link === undefined) throw new ProtocolError("unauthorized", "a token is needed");
    await this.store.checkLink(fileId, link);
    return await this.store.get(fileId);
  };

  readonly open: FileAccess["open"] = (file) => this.store.open(file);
}
