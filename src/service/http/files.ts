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
import { failureResponse } from "./failure.ts";

/** The credentials of a request; the bearer token counts when both are given. */
export interface FileCredentials {
  /** `Authorization: Bearer`. */
  readonly bearer: string | undefined;
  /** The query's `token`, as `file_link` made it. */
  readonly link: string | undefined;
}

/** Where files are read from. */
export interface FileAccess {
  /**
   * The file, when the credentials may read it. Rejects with ProtocolError: `unauthorized`, `invalid_token`,
   * `token_expired`, `permission_denied`, `unknown_file`, `not_available`.
   */
  admit(fileId: string, credentials: FileCredentials): Promise<FileRecord>;
  /** Opens it. */
  open(file: FileRecord): Promise<FileReader>;
}

/** Bytes read at once. */
const PIECE = 65_536;

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
export async function fileResponse(door: FileAccess, request: Request, fileId: string): Promise<Response> {
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
    "content-length": `${length}`,
    ...(range === undefined ? {} : { "content-range": `bytes ${start}-${start + length - 1}/${size}` }),
  };
  const status = range === undefined ? 200 : 206;
  if (isHead) return new Response(null, { status, headers: described });
  let reader: FileReader;
  try {
    reader = await door.open(file);
  } catch (error) {
    return refusal(error);
  }
  return new Response(bodyOf(reader, start, length), { status, headers: described });
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

/** A stream that reads as fast as the peer takes it, and closes the reader in every case. */
function bodyOf(reader: FileReader, start: number, length: number): ReadableStream<Uint8Array> {
  let at = start;
  const end = start + length;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const buffer = new Uint8Array(Math.min(PIECE, end - at));
        const got = buffer.length === 0 ? 0 : await reader.read(buffer, at);
        if (got === 0 && at < end) throw new Error("a kept file became shorter");
        at += got;
        if (got > 0) controller.enqueue(buffer.subarray(0, got));
        if (at < end) return;
        reader.close();
        controller.close();
      } catch (error) {
        reader.close();
        throw error;
      }
    },
    cancel: () => reader.close(),
  }, { highWaterMark: 0 });
}
