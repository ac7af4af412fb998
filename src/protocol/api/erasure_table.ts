/**
 * The rows of the server API that are about files and what belongs to users.
 *
 * @module
 */

import * as v from "valibot";
import { channel, documentChannel, exactly, name, whole, words } from "./fields.ts";
import { deleted, erased, exported, file, page } from "./results.ts";
import type { ApiRow } from "./row.ts";
import type { ApiMethod, ApiParams, ApiResult } from "./types.ts";

type Erasing = Extract<
  ApiMethod,
  "file_delete" | "files" | "document_delete" | "user_export" | "user_erase"
>;

/** Files, and what belongs to users. */
export const ERASURE: { readonly [M in Erasing]: ApiRow<ApiParams<M>, ApiResult<M>> } = {
  file_delete: {
    group: "Files and documents",
    right: "manage",
    text: "Removes a file before its time.",
    params: exactly({ file: name(64) }),
    result: deleted,
    example: { file: "0190f3c2-0000-7000-8000-000000000000" },
  },
  files: {
    group: "Files and documents",
    right: "read",
    text: "Files in the order of their ids, of a user or in a channel when given.",
    params: exactly({
      user: v.exactOptional(name(128)),
      channel: v.exactOptional(channel()),
      after: v.exactOptional(name(64)),
      limit: v.exactOptional(whole(1, 1000)),
    }),
    result: page("files", file),
    example: { user: "ann", limit: 100 },
  },
  document_delete: {
    group: "Files and documents",
    right: "manage",
    text:
      "Deletes a document. Who has it open is told that its history is gone. For 30 days nobody can open or write it, or a client that had it would bring it back.",
    params: exactly({ channel: documentChannel() }),
    result: deleted,
    example: { channel: "doc:plan" },
  },
  user_export: {
    group: "Data of users",
    right: "manage",
    text:
      "What belongs to a user, in pages: messages, read positions, documents they made, files with their bytes. `cursor` is the `next` of the page before.",
    params: exactly({ user: name(128), cursor: v.exactOptional(words(2048)) }),
    result: exported,
    example: { user: "ann" },
  },
  user_erase: {
    group: "Data of users",
    right: "manage",
    text:
      "Erases what belongs to a user, ends their sessions and refuses the tokens they have. Of messages in channels a mark without content stays. `done` is false while it goes on: call it again, which has no other effect. It goes on after a restart.",
    params: exactly({ user: name(128) }),
    result: erased,
    example: { user: "ann" },
  },
};
