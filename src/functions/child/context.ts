/**
 * The context of a call: each of its methods asks the service.
 *
 * @module
 */

import type { Content, Context, Event, FetchInit, Json, Stream } from "../author/skein.ts";

/** What the service answers. */
export interface Reply {
  readonly value: unknown;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Asks the service for something. */
export type Ask = (op: string, args: Record<string, unknown>, bytes?: Uint8Array) => Promise<Reply>;

interface Parts {
  readonly name: string;
  readonly event: Event;
  readonly secrets: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly ask: Ask;
}

/** The context of one call. */
export function createContext({ name, secrets, signal, ask }: Parts): Context {
  const value = async <T>(op: string, args: Record<string, unknown>): Promise<T> =>
    (await ask(op, args)).value as T;
  return {
    name,
    signal,
    publish: (channel, content, { id } = {}) =>
      value("publish", { channel, content: contentOf(content), id }),
    reply: async (content, { public: isPublic } = {}) => {
      await ask("reply", { content: contentOf(content), public: isPublic === true });
    },
    stream: async (where) => {
      const args = typeof where === "string" ? { channel: where } : { public: where?.public };
      return streamOf(await value<number>("stream", args), ask);
    },
    progress: async (done, text) => void await ask("progress", { done, text }),
    history: (channel, options = {}) => value("history", { ...options, channel }),
    presence: (channel) => value("presence", { channel }),
    kv: {
      get: async <T extends Json>(key: string) =>
        (await value<{ value: T } | null>("kv_get", { name: key }))?.value,
      entry: async <T extends Json>(key: string) =>
        await value<{ value: T; revision: number } | null>("kv_get", { name: key }) ?? undefined,
      set: (key, content, options = {}) => value("kv_set", { ...options, name: key, value: content }),
      delete: (key) => value("kv_delete", { name: key }),
    },
    secret(key) {
      if (!Object.hasOwn(secrets, key)) throw new Error(`the secret ${key} is not granted to this function`);
      return secrets[key]!;
    },
    fetch: (url, init = {}) => fetchThrough(ask, `${url}`, init),
  };
}

function contentOf(content: Content): Content {
  return typeof content === "string" ? { text: content } : content;
}

function streamOf(stream: number, ask: Ask): Stream {
  return {
    append: async (text) => void await ask("stream_append", { stream, text }),
    end: async () => void await ask("stream_end", { stream, failed: false }),
    fail: async () => void await ask("stream_end", { stream, failed: true }),
  };
}

async function fetchThrough(ask: Ask, url: string, init: FetchInit): Promise<Response> {
  init.signal?.throwIfAborted();
  const { method = "GET", redirect = "follow" } = init;
  const headers = [...new Headers(init.headers)];
  const body = typeof init.body === "string" ? new TextEncoder().encode(init.body) : init.body ?? undefined;
  const { value } = await ask("fetch", { url, method, headers, redirect }, body);
  const answer = value as {
    id: number;
    url: string;
    status: number;
    headers: [string, string][];
    body: boolean;
  };
  const made = new Response(answer.body ? bodyOf(answer.id, ask, init.signal) : null, {
    status: answer.status,
    headers: answer.headers,
  });
  Object.defineProperty(made, "url", { value: answer.url });
  return made;
}

function bodyOf(
  id: number,
  ask: Ask,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      signal?.throwIfAborted();
      const { value, bytes } = await ask("fetch_read", { id });
      if (bytes.length > 0) controller.enqueue(bytes);
      if (value === "end") controller.close();
    },
    async cancel() {
      await ask("fetch_cancel", { id });
    },
  });
}
