/**
 * Token checks as a module, with development mode's own key.
 *
 * @module
 */

import { type AuthSettings, createAuthenticator, type TokenAuthenticator } from "../../auth/mod.ts";
import type { Authenticator } from "../../session/mod.ts";
import type { EngineModule } from "../engine/module.ts";
import type { Config } from "../config/mod.ts";
import type { DevTokenRequest } from "../http/mod.ts";
import type { Logger } from "../log/mod.ts";
import { type Module, started } from "../module.ts";
import { DevelopmentKeys } from "./development.ts";
import { Revocations } from "./revocations.ts";
import { makesTokens, toAuthSettings } from "./settings.ts";

/** Follows `auth`, and at every reload the files with keys that it names. */
export class TokensModule implements Module {
  readonly name = "tokens";
  readonly keys = ["auth"] as const;
  readonly everyReload = true;
  readonly #engine: EngineModule;
  readonly #log: Logger;
  readonly #developmentKeys = new DevelopmentKeys();
  #settings: AuthSettings | undefined;
  #development = false;
  #revision = 0;
  #authenticator: TokenAuthenticator | undefined;
  #revocations: Revocations | undefined;

  constructor(engine: EngineModule, log: Logger) {
    this.#engine = engine;
    this.#log = log;
  }

  /** Checks tokens under the configuration in force. */
  readonly authenticator: Required<Authenticator> = {
    verify: async (token) => {
      const principal = await started(this.#authenticator, this.name).verify(token);
      await this.revocations.check(principal);
      return principal;
    },
    trusts: (principal) => started(this.#authenticator, this.name).trusts(principal),
  };

  /** What is refused although its signature is right. */
  get revocations(): Revocations {
    return this.#revocations ??= new Revocations(this.#engine.engine.values);
  }

  /** `principal` with other claims. Throws ProtocolError `bad_payload`. */
  readonly amend: TokenAuthenticator["amend"] = (principal, claims) =>
    started(this.#authenticator, this.name).amend(principal, claims);

  /** `principal` with more claims. Throws ProtocolError `bad_payload`. */
  readonly extend: TokenAuthenticator["extend"] = (principal, claims) =>
    started(this.#authenticator, this.name).extend(principal, claims);

  /** Rises when the keys, or anything else that decides which tokens are accepted, have changed. */
  get revision(): number {
    return this.#revision;
  }

  /** Makes a token for `POST /dev/token`; `undefined` when the service makes none under the configuration in force. */
  get devToken(): ((request: DevTokenRequest) => Promise<string>) | undefined {
    const settings = this.#settings;
    if (!this.#development || settings === undefined) return undefined;
    return (request) => this.#developmentKeys.token(request, settings);
  }

  start(config: Config): Promise<void> {
    return this.apply(config);
  }

  async apply(config: Config): Promise<void> {
    const configured = await toAuthSettings(config);
    const development = makesTokens(config);
    const settings = development ? this.#developmentKeys.extend(configured) : configured;
    if (this.#authenticator === undefined) {
      this.#authenticator = createAuthenticator(settings, {
        log: (level, event, fields) => this.#log.log(level, event, fields),
      });
    } else {
      this.#authenticator.reconfigure(settings);
    }
    if (JSON.stringify(settings) !== JSON.stringify(this.#settings)) this.#revision++;
    this.#settings = settings;
    this.#development = development;
  }

  async close(): Promise<void> {
    await this.#authenticator?.close();
  }

  status(): Record<string, unknown> {
    return { auth: this.#authenticator?.status() };
  }
}
