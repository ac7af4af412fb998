/**
 * `GET /files/<id>`: a file or a part of it, for a bearer token that may read it or for the token of a link. Browsers
 * must never run a file as a page of this origin.
 *
 * @module
 */

import {
  disposition,
  type FileReader,
  type FileRecord,
  isKnown,
  parseRange,
  rangeCounts,
  servedType,
} from "../../files/mod.ts";
import { ProtocolError } from "../../protocol/mod.ts";
import { type AnswerSource, PIECE } from "./answers.ts";
import { answerWith, type Ctx } from "./context.ts";
import type { FileAccess, FileCredentials, HttpDeps } from "./deps.ts";
import { failureResponse } from "./failure.ts";

/** Fields of every answer. Caches must revalidate, because rights may be withdrawn, and must not change the bytes. */
const ALWAYS = {
  "accept-ranges": "bytes",
  "cache-control": "private, no-cache, no-transform",
  // An uploaded file must not run, load or send anything in a browser.
  "content-security-policy": "default-src 'none'; sandbox",
  "vary": "Authorization",
};

/** Header fields that pages of other origins may send, and read. */
export const FILE_CORS: Readonly<Record<string, string>> = {
  "access-control-allow-headers": "authorization, range, if-none-match, if-range",
  "access-control-expose-headers": "accept-ranges, content-disposition, content-length, content-range, etag",
};

/** Answers GET and HEAD for a file. */
export async function fileResponse(
  door: FileAccess,
  c: Ctx,
  deps: Pick<HttpDeps, "answers">,
  fileId: string,
): Promise<Response> {
  const request = c.req.raw;
  let file: FileRecord;
  try {
    file = await door.admit(fileId, credentialsOf(request));
  } catch (error) {
    return refusal(error);
  }
  const { size, sha256, type, name } = file;
  const etag = `"${Uint8Array.fromHex(sha256).toBase64({ alphabet: "base64url", omitPadding: true })}"`;
  const own = {
    ...ALWAYS,
    etag,
    "last-modified": new Date(file.createdAt).toUTCString(),
  };
  const { headers } = request;
  const isHead = request.method === "HEAD";
  if (isKnown(headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers: own });
  // Ranges are defined for GET only (RFC 9110 §14.2).
  const range = !isHead && rangeCounts(headers.get("if-range"), etag)
    ? parseRange(headers.get("range"), size)
    : undefined;
  if (range === "unsatisfiable") {
    return new Response(null, {
      status: 416,
      headers: { ...own, "content-range": `bytes */${size}`, "content-length": "0" },
    });
  }
  const { start, length } = range ?? { start: 0, length: size };
  const described = {
    ...own,
    "content-type": servedType(type),
    "content-disposition": disposition(name, type),
    ...(range === undefined ? {} : { "content-range": `bytes ${start}-${start + length - 1}/${size}` }),
  };
  const status = range === undefined ? 200 : 206;
  if (isHead) {
    return new Response(null, { status, headers: { ...described, "content-length": `${length}` } });
  }
  let reader: FileReader;
  try {
    reader = await door.open(file);
  } catch (error) {
    return refusal(error);
  }
  return answerWith(sourceOf(reader, start, length), c, deps, described, status);
}

function credentialsOf(request: Request): FileCredentials {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  const link = new URL(request.url).searchParams.get("token");
  return { bearer, link: link ?? undefined };
}

function refusal(error: unknown): Response {
  if (!(error instanceof ProtocolError)) throw error;
  const answer = failureResponse(error);
  if (answer.status === 401) answer.headers.set("www-authenticate", "Bearer");
  answer.headers.set("vary", "Authorization");
  return answer;
}

function sourceOf(reader: FileReader, start: number, length: number): AnswerSource {
  return {
    length,
    held: Math.min(length, PIECE),
    async read(at, size) {
      const buffer = new Uint8Array(size);
      return buffer.subarray(0, await reader.read(buffer, start + at));
    },
    close: () => reader.close(),
  };
}
