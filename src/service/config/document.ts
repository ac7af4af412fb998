/**
 * The documentation of the configuration, made from its schema: a table, and a JSON Schema for editors.
 *
 * @module
 */

import { variableOf } from "./environment.ts";
import { ABOUT } from "./setting.ts";
import { ConfigSchema } from "./schema.ts";
import { type Setting, settings } from "./shape.ts";

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function fallbackOf(setting: Setting): string {
  if (setting.key.startsWith("namespaces.<name>.")) return "as in `default`";
  if (setting.required) return "none, required";
  return setting.fallback === undefined ? "none" : `\`${JSON.stringify(setting.fallback)}\``;
}

/** A Markdown table with every setting: key, default, what it does, what is allowed. */
export function configMarkdown(): string {
  const rows = settings().map((setting) => {
    const { text, allowed, restart } = setting.about;
    const note = restart ? " A change needs a restart." : "";
    const values = cell(setting.nullable ? `${allowed}, or null` : allowed);
    return `| \`${setting.key}\` | ${fallbackOf(setting)} | ${cell(text)}${note} | ${values} |`;
  });
  const head = "| Key | Default | What it does | Allowed |\n| --- | --- | --- | --- |\n";
  return `${head}${rows.join("\n")}\n`;
}

/** The variable of each setting that has one, by key. */
export function variables(): ReadonlyMap<string, string> {
  return new Map(
    settings().filter(({ key }) => !key.includes("[]")).map(({ key }) => [key, variableOf(key)]),
  );
}

/** A JSON Schema (draft 7) of what a file may hold. Loads the converter at first use. */
export async function configJsonSchema(): Promise<Record<string, unknown>> {
  const { toJsonSchema } = await import("@valibot/to-json-schema");
  const schema = toJsonSchema(ConfigSchema, { typeMode: "input", errorMode: "ignore" });
  // Our own metadata is no keyword of JSON Schema.
  const text = JSON.stringify(schema, (key, value) => key === ABOUT && isNote(value) ? undefined : value);
  const { $schema, properties, ...others } = JSON.parse(text);
  return {
    $schema,
    title: "Skein configuration",
    ...others,
    properties: {
      $schema: { type: "string", description: "The schema of this file, for editors." },
      ...properties,
    },
  };
}

function isNote(value: unknown): boolean {
  return typeof value === "object" && value !== null && "allowed" in value && "restart" in value;
}
