/**
 * The methods of the server API as Markdown, for its page in the repository.
 *
 * @module
 */

import { type JsonSchema, openApi, type Operation } from "../../src/service/http/api_openapi.ts";

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

/** The methods in the order of the table, each with its command. */
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

/** One field of an object, in words. */
interface Field {
  readonly name: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly text: string;
}

/** The fields of an object. */
function fieldsOf({ properties = {}, required = [] }: JsonSchema): Field[] {
  return Object.entries(properties as Record<string, JsonSchema>).map(([name, schema]) => ({
    name,
    type: typeOf(schema),
    isRequired: (required as string[]).includes(name),
    text: typeof schema.description === "string" ? schema.description : "",
  }));
}

function typeOf(schema: JsonSchema): string {
  const { type, items, anyOf, pattern, maxLength, minimum, maximum } = schema;
  if ("const" in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map((each) => JSON.stringify(each)).join(" or ");
  if (Array.isArray(anyOf)) return anyOf.map((each) => typeOf(each)).join(" or ");
  if (type === "array") return `list of ${typeOf(items as JsonSchema)}`;
  if (type === undefined) return "any JSON";
  if (typeof pattern === "string") return `${type} like \`${pattern}\``;
  if (typeof maxLength === "number") return `${type}, at most ${maxLength} characters`;
  if (type !== "integer") return String(type);
  return maximum === Number.MAX_SAFE_INTEGER
    ? `integer from ${minimum}`
    : `integer from ${minimum} to ${maximum}`;
}
