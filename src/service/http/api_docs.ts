/**
 * The description of the server API for people: a page without scripts, and the table in `API.md`.
 *
 * @module
 */

import { fieldsOf, type JsonSchema, type OpenApi, openApi, type Operation } from "./api_openapi.ts";

/** The style of the page. The Content-Security-Policy allows no style within it. */
export const DOCS_CSS = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
nav { columns: 12rem; margin: 1rem 0; }
nav a { display: block; }
section { border-top: 1px solid #8884; padding-top: 1rem; margin-top: 1rem; }
h2 { font-family: ui-monospace, monospace; margin: 0; font-size: 1.2rem; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0; }
td, th { text-align: left; vertical-align: top; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid #8883; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; overflow-wrap: anywhere; }
pre { background: #8882; padding: 0.6rem; overflow-x: auto; white-space: pre-wrap; }
.right { border: 1px solid #8888; border-radius: 0.6rem; padding: 0 0.5rem; font-size: 0.8rem; }
`;

/** The page. */
export function docsPage({ info, paths }: OpenApi): string {
  const operations = Object.values(paths).map(({ post }) => post);
  const links = operations.map(({ operationId: id }) => `<a href="#${id}">${id}</a>`).join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${
    escaped(info.title)
  }</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/api/docs.css"></head>
<body><h1>${escaped(info.title)}</h1><p>${inline(info.description)} Machines read
<a href="/api/openapi.json">/api/openapi.json</a>.</p><nav>${links}</nav>
${operations.map(section).join("\n")}
</body></html>
`;
}

function section(operation: Operation): string {
  const { operationId: id, description, "x-right": right } = operation;
  const { schema } = paramsOf(operation);
  return `<section id="${id}"><h2>${id}${rightOf(right)}</h2><p>${inline(description)}</p>
${table("Parameter", schema)}<pre>${escaped(curl(operation))}</pre>
${table("Result", resultOf(operation))}</section>`;
}

function rightOf(right: string | undefined): string {
  return right === undefined ? "" : ` <span class="right">${right}</span>`;
}

function table(head: string, schema: JsonSchema): string {
  const rows = fieldsOf(schema).map(({ name, type, isRequired, text }) =>
    `<tr><td><code>${escaped(name)}</code>${isRequired ? "" : "?"}</td><td>${inline(type)}</td><td>${
      inline(text)
    }</td></tr>`
  );
  if (rows.length === 0) return "";
  return `<table><tr><th>${head}</th><th>Type</th><th></th></tr>${rows.join("")}</table>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function inline(text: string): string {
  return escaped(text).replace(/`([^`]+)`/g, "<code>$1</code>");
}

function paramsOf({ requestBody }: Operation) {
  return requestBody.content["application/json"]!;
}

function resultOf({ responses }: Operation): JsonSchema {
  const { schema } = responses["200"]!.content["application/json"]!;
  const { result } = schema.properties as Record<string, JsonSchema>;
  // The first of several forms is that of the parameters.
  return (result!.anyOf as JsonSchema[] | undefined)?.[0] ?? result!;
}

function curl(operation: Operation): string {
  const body = JSON.stringify(paramsOf(operation).example);
  return `curl -H "X-API-Key: $KEY" http://localhost:8080/api/${operation.operationId} \\\n  -d '${body}'`;
}

/** The methods as Markdown, for \`API.md\`. */
export async function methodsMarkdown(): Promise<string> {
  const { paths } = await openApi("");
  return Object.values(paths).map(({ post }) => {
    const { operationId: id, description, "x-right": right } = post;
    const rows = fieldsOf(paramsOf(post).schema).map(({ name, type, isRequired, text }) =>
      `| \`${name}\`${isRequired ? "" : "?"} | ${
        `${type}${text === "" ? "" : `. ${text}`}`.replaceAll("|", "\\|")
      } |`
    );
    const params = rows.length === 0 ? "" : `\n| parameter | |\n| --- | --- |\n${rows.join("\n")}\n`;
    const results = fieldsOf(resultOf(post)).map(({ name }) => `\`${name}\``).join(", ");
    const gives = results === "" ? "" : `\nResult: ${results}.\n`;
    return `### ${id}\n\n${
      right === undefined ? "" : `Right: \`${right}\`. `
    }${description}\n${params}${gives}\n\`\`\`sh\n${curl(post)}\n\`\`\`\n`;
  }).join("\n");
}
