/**
 * The methods of the server API, on the hub and the sessions.
 *
 * @module
 */

import { settles } from "../../async/deadline.ts";
import type { BlobListOptions, MaybePromise, Published } from "../../engine/contract.ts";
import { type Hub, isBuiltIn, isDocument, type ServerRequest } from "../../hub/mod.ts";
import {
  BROADCAST_CHANNEL,
  inboxOf,
  keptOf,
  type PriorityName,
  ProtocolError,
  uuidv7,
} from "../../protocol/mod.ts";
import type { ApiDelete, ApiPublish, ApiPublished, ApiSaid } from "../../protocol/api/types.ts";
import type { FileRecord } from "../../files/mod.ts";
import type { DocumentLife } from "../erasure/documents.ts";
import type { UserExport } from "../erasure/export.ts";
import type { Erasures } from "../erasure/users.ts";
import type { EndpointWorker } from "../../webhooks/mod.ts";
import type { Revocations } from "../tokens/revocations.ts";
import type { ServerApi } from "./api_contract.ts";
import type { TokenEnds } from "./api_ends.ts";
import { createFunctionMethods, type FunctionList } from "./api_functions.ts";
import { createKeptMethods } from "./api_kept.ts";
import { createListMethods } from "./api_lists.ts";
import { createWebhookMethods } from "./api_webhooks.ts";
import { createSessionMethods, type SessionMethodsParts } from "./api_sessions.ts";

/** The sender of a message of the API when the call gives none. */
const SERVER = "server";

/** What the methods need. */
export interface ServerApiParts extends SessionMethodsParts {
  readonly listFiles: (options: BlobListOptions) => Promise<readonly FileRecord[]>;
  readonly documents: DocumentLife;
  readonly users: Erasures;
  readonly userExport: UserExport;
  /** Removes a file; false: it is not known. */
  readonly deleteFile: (fileId: string) => Promise<boolean>;
  readonly revocations: Revocations;
  readonly functions: FunctionList;
  /** The endpoints of webhooks. */
  readonly webhooks: () => readonly EndpointWorker[];
  readonly ends: TokenEnds;
  /** The state of the node. */
  readonly status: () => Readonly<Record<string, unknown>>;
}

/** Makes the server API. */
export function createServerApi(parts: ServerApiParts): Required<ServerApi> {
  return {
    ...createPublishMethods(parts.hub),
    ...createSessionMethods(parts),
    ...createAccessMethods(parts),
    ...createListMethods(parts.hub),
    ...createKeptMethods(parts.hub),
    ...createErasureMethods(parts),
    ...createFunctionMethods(parts.functions),
    ...createWebhookMethods(parts.webhooks),
    file_delete: async ({ file }) => ({ deleted: await parts.deleteFile(file) }),
    info: () => parts.status(),
  };
}

/** Milliseconds that a call waits for the end of an erasure: less than a method may take. */
const ERASE_PATIENCE = 8000;

function createErasureMethods(
  { listFiles, documents, users, userExport }: ServerApiParts,
): Required<Pick<ServerApi, "files" | "document_delete" | "user_export" | "user_erase">> {
  return {
    async files({ user, channel, after, limit = 1000 }) {
      const found = await listFiles({ userId: user, channel, after, limit: limit + 1 });
      return { files: found.slice(0, limit), more: found.length > limit };
    },
    document_delete: async ({ channel }) => ({ deleted: await documents.delete(channel) }),
    user_export: ({ user, cursor }) => userExport.page(user, cursor),
    async user_erase({ user }) {
      const erasing = users.erase(user);
      if (await settles(erasing, ERASE_PATIENCE)) return await erasing;
      return { user, done: false, messages: 0, documents: 0, files: 0 };
    },
  };
}

type Publishing = "publish" | "append" | "broadcast" | "direct" | "edit" | "delete";

function createPublishMethods(hub: Hub): Required<Pick<ServerApi, Publishing>> {
  return {
    publish: (params) => publish(hub, params),

    async append({ channel, target, epoch, at, text, data, final: end, from = SERVER }) {
      const content = text ?? data;
      if (typeof content !== "string" && !Array.isArray(content)) {
        throw new ProtocolError("bad_payload", "a text, or a list as data");
      }
      return {
        channel,
        target,
        length: await hub.append(channel, { target, epoch, at, content, end, from }, "api"),
      };
    },

    async broadcast({ channels, ...said }) {
      const names = channels ?? [BROADCAST_CHANNEL];
      // Made here, so that the whole call has one id.
      const { id = uuidv7() } = said;
      const published = [];
      for (const channel of names) published.push(await publish(hub, { ...said, id, channel }));
      return { published };
    },

    direct: ({ user, ...said }) => publish(hub, { ...said, channel: inboxOf(user) }),

    async edit({ channel, target, epoch, id, from, ...said }) {
      const priority = await priorityOf(hub, { channel, target, epoch });
      const content = keptOf({ priority: priority as PriorityName ?? "normal", ...said });
      return await keep(hub, channel, { id, from }, {
        type: "chat_edit",
        payload: { target, ...content },
        edit: { kind: "replace", target, content },
      });
    },

    async delete({ channel, target, epoch, id, from }) {
      await priorityOf(hub, { channel, target, epoch });
      return await keep(hub, channel, { id, from }, {
        type: "chat_delete",
        payload: { target },
        edit: { kind: "erase", target },
      });
    },
  };
}

function createAccessMethods(
  { revocations, ends }: ServerApiParts,
): Required<Pick<ServerApi, "revoke" | "block" | "unblock">> {
  return {
    async revoke({ jti, user, issuedBefore, keepFor }) {
      // `iat` counts whole seconds: a token of this second was made before as well.
      const before = jti === undefined ? issuedBefore ?? Math.floor(Date.now() / 1000) + 1 : undefined;
      const selector = { jti, user, issuedBefore: before };
      await revocations.revoke(selector, keepFor);
      return { connections: await ends.end(selector) };
    },

    async block({ user, expiresIn }) {
      await revocations.block(user, expiresIn);
      return { connections: await ends.end({ user }) };
    },

    async unblock({ user }) {
      const unblocked = await revocations.unblock(user);
      await ends.forget(user);
      return { unblocked };
    },
  };
}

function publish(hub: Hub, { channel, id, from, stream, ...said }: ApiPublish): MaybePromise<ApiPublished> {
  const content = stream === true ? { ...keptOf(said), stream: "open" } : keptOf(said);
  if (stream === true && (isBuiltIn(channel) || isDocument(channel) || !growsFrom(said))) {
    throw new ProtocolError("bad_payload", "stream: in a conversation, with a text or a list as data");
  }
  // A direct message names its recipient in the payload.
  const inbox = inboxOf("");
  const payload = channel.startsWith(inbox) ? { to: channel.slice(inbox.length), ...content } : content;
  return keep(hub, channel, { id, from }, { payload });
}

function growsFrom({ text, data }: Pick<ApiSaid, "text" | "data">): boolean {
  return text !== undefined || Array.isArray(data);
}

function keep(
  hub: Hub,
  channel: string,
  { id, from = SERVER }: {
    readonly id?: ApiSaid["id"] | undefined;
    readonly from?: string | undefined;
  },
  message: Pick<ServerRequest, "type" | "payload" | "edit">,
): MaybePromise<ApiPublished> {
  const told = ({ offset, epoch, duplicate }: Published) => ({ channel, offset, epoch, duplicate });
  const isNewId = id === undefined;
  const published = hub.publish({ origin: "api", from, channel, id: id ?? uuidv7(), isNewId, ...message });
  return published instanceof Promise ? published.then(told) : told(published);
}

/** The priority of a message that is to be changed. Rejects with ProtocolError when it cannot be. */
async function priorityOf(
  hub: Hub,
  { channel, target, epoch }: Pick<ApiDelete, "channel" | "target"> & { readonly epoch: string | undefined },
): Promise<unknown> {
  const { epoch: current, record } = await hub.message(channel, target);
  if (epoch !== undefined && epoch !== current) throw new ProtocolError("wrong_epoch");
  if (record?.type !== "chat_message" || record.payload.deleted !== undefined) {
    throw new ProtocolError("unknown_message");
  }
  return record.payload.priority;
}
