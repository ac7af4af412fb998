// @ts-check
/**
 * The page of the server API: Swagger UI with the description of this service. The key stays in this tab, where the
 * dashboard keeps it too.
 *
 * @module
 */

/**
 * @typedef {{
 *   description: string,
 *   "x-right"?: string,
 *   requestBody: { content: Record<string, { example: unknown }> },
 * }} Operation
 * @typedef {{ paths: Record<string, { post: Operation }>, components: any, security: unknown[] }} Description
 */

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

/** @param {string} text */
function say(text) {
  const line = document.getElementById("wait");
  if (line !== null) line.textContent = text;
}

try {
  const response = await fetch("/api/openapi.json", { signal: AbortSignal.timeout(20_000) });
  if (!response.ok) throw new Error(`the description: ${response.status}`);
  show(await response.json());
} catch (error) {
  say(`The methods cannot be shown: ${error instanceof Error ? error.message : error}`);
}

/** @param {Description} spec */
function show(spec) {
  const { SwaggerUIBundle } = /** @type {any} */ (globalThis);
  if (SwaggerUIBundle === undefined) throw new Error("the viewer is missing: run `deno task build:client`");
  for (const [path, { post }] of Object.entries(spec.paths)) complete(path, post);
  // One field for the key: which header brings it makes no difference.
  delete spec.components.securitySchemes.bearer;
  spec.security = [{ key: [] }];
  const ui = SwaggerUIBundle({
    spec,
    dom_id: "#methods",
    deepLinking: true,
    defaultModelsExpandDepth: -1,
    defaultModelExpandDepth: 3,
    displayRequestDuration: true,
    docExpansion: "list",
    filter: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    plugins: [keepKey],
    onComplete() {
      const key = sessionStorage.getItem("key");
      if (key !== null) ui.preauthorizeApiKey("key", key);
    },
  });
}

/**
 * Adds to a description what the viewer does not show: the right, and the call as a command.
 *
 * @param {string} path @param {Operation} operation
 */
function complete(path, operation) {
  const { "x-right": right, requestBody } = operation;
  const body = JSON.stringify(requestBody.content["application/json"]?.example);
  const command = `curl -H "X-API-Key: $KEY" ${location.origin}${path} \\\n  -d '${body}'`;
  if (right !== undefined) operation.description += `\n\nRight: \`${right}\``;
  operation.description += `\n\n\`\`\`sh\n${command}\n\`\`\``;
}

/** A plugin of the viewer: keeps the key over a reload, and forgets it when its user does. */
function keepKey() {
  /** @typedef {(payload: any) => unknown} Action */
  return {
    statePlugins: {
      auth: {
        wrapActions: {
          /** @param {Action} next */
          authorize: (next) => (/** @type {any} */ payload) => {
            if (typeof payload.key?.value === "string") {
              sessionStorage.setItem("key", payload.key.value.trim());
            }
            return next(payload);
          },
          /** @param {Action} next */
          logout: (next) => (/** @type {any} */ payload) => {
            sessionStorage.removeItem("key");
            return next(payload);
          },
        },
      },
    },
  };
}
