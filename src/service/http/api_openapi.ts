/**
 * The server API described in OpenAPI 3.1, made of its table.
 *
 * @module
 */

import { API_GROUPS } from "../../protocol/api/row.ts";
import { API, API_METHODS } from "../../protocol/api/table.ts";
import { failureSchema, streamed } from "../../protocol/api/results.ts";
import { takesId } from "./api.ts";

/** A schema of JSON Schema 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** One method of the description. */
export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  /** The first sentence, in plain text. */
  readonly summary: string;
  /** Markdown. */
  readonly description: string;
  /** Absent: each of the calls that it runs needs its own. */
  readonly "x-right"?: string;
  readonly parameters?: readonly unknown[];
  readonly requestBody: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, { readonly schema: JsonSchema; readonly example: unknown }>>;
  };
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly description: string;
        readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>>;
      }
    >
  >;
}

/** The description. */
export interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: Readonly<Record<string, unknown>>;
  readonly security: readonly unknown[];
}

const JSON_TYPE = "application/json";
/** The type of lines of JSON. */
export const LINES_TYPE = "application/x-ndjson";
const IDEMPOTENCY_KEY = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description:
    "The `id` of what is published, when the body has none: a call that is sent again has one effect.",
  schema: { type: "string", pattern: "^[!-~]{1,56}$" },
};

/** Makes the description. Loads the converter at first use. */
export async function openApi(version: string): Promise<OpenApi> {
  const { toJsonSchema } = await import("@valibot/to-json-schema");
  const schemaOf = (schema: unknown): JsonSchema => {
    const options = { typeMode: "input", errorMode: "ignore", target: "draft-2020-12" } as const;
    const { $schema: _, ...rest } = toJsonSchema(schema as never, options);
    return rest;
  };
  const failed = {
    description: "It failed: `name` and `code` are of the protocol's table of errors.",
    content: { [JSON_TYPE]: { schema: { $ref: "#/components/schemas/Failure" } } },
  };
  const paths: Record<string, { post: Operation }> = {};
  for (const method of API_METHODS) {
    const { group, right, text, params, result, example } = API[method];
    const schema = schemaOf(params);
    const body = method === "append" ? streamedForm(schemaOf) : undefined;
    const given = body === undefined ? schemaOf(result) : { anyOf: [schemaOf(result), body.result] };
    const told = { type: "object", properties: { result: given }, required: ["result"] };
    const parameters = [
      ...takesId(method) || method === "batch" || body !== undefined ? [IDEMPOTENCY_KEY] : [],
      ...body?.query ?? [],
    ];
    const lines = { schema, example };
    paths[`/api/${method}`] = {
      post: {
        operationId: method,
        tags: [group],
        summary: summaryOf(text),
        description: text,
        ...right === undefined ? {} : { "x-right": right },
        ...parameters.length === 0 ? {} : { parameters },
        requestBody: {
          required: (schema.required as unknown[] | undefined ?? []).length > 0,
          content: {
            [JSON_TYPE]: { schema, example },
            ...method === "publish" ? { [LINES_TYPE]: lines } : {},
            ...body?.content,
          },
        },
        responses: {
          "200": { description: "It is done.", content: { [JSON_TYPE]: { schema: told } } },
          default: failed,
        },
      },
    };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Skein server API",
      version,
      description:
        "For back ends: each method is a POST of a JSON object; the answer has `result` or `error`.",
    },
    tags: Object.entries(API_GROUPS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: {
        Failure: { type: "object", properties: { error: schemaOf(failureSchema) }, required: ["error"] },
      },
      securitySchemes: {
        key: { type: "apiKey", in: "header", name: "X-API-Key", description: "A key of `api.keys`." },
        bearer: { type: "http", scheme: "bearer" },
      },
    },
    security: [{ key: [] }, { bearer: [] }],
  };
}

/** The first sentence, or what of it stands before a colon, without its marks. Code may hold both. */
function summaryOf(text: string): string {
  const [first] = /^(?:`[^`]*`|[^`])*?(?=[.:](?: |$))/.exec(text)!;
  return first.replaceAll("`", "");
}

/** The form of `append` whose body is a whole message; its query is what `publish` takes beside the content. */
function streamedForm(schemaOf: (schema: unknown) => JsonSchema) {
  const { channel, id, from, priority } = schemaOf(API.publish.params).properties as Record<
    string,
    JsonSchema
  >;
  const query = Object.entries({ channel, id, from, priority }).map(([name, schema]) => ({
    name,
    in: "query",
    required: false,
    description: name === "channel"
      ? "With it the body is a message: each chunk is a piece, the end of the body is the end."
      : "Of a body that is a message, as in `publish`.",
    schema,
  }));
  const content = {
    "text/plain": { schema: { type: "string" }, example: "It is 42." },
    "application/octet-stream": {
      schema: { type: "string", contentMediaType: "application/octet-stream" },
      example: "It is 42.",
    },
  };
  return { query, content, result: schemaOf(streamed) };
}
