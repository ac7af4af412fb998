/**
 * The receiving side of Standard Webhooks, by its own authors. A package of the tests is named here and not in
 * `deno.json`, because every task downloads what that names. See `ws.ts` for the way it is imported.
 *
 * @module
 */

const NAME = "npm:standardwebhooks@1.0.0";

/** The package's class: `verify` returns the parsed body, and throws when no signature fits or the time does not. */
export const { Webhook } = await import(NAME) as {
  Webhook: new (secret: string) => {
    verify(body: string, headers: Record<string, string>): unknown;
  };
};
