/**
 * The types of the server API that are about files and what belongs to users.
 *
 * @module
 */

/** A file. */
export interface ApiFile {
  fileId: string;
  userId: string;
  channel: string;
  name: string;
  type: string;
  /** Bytes. */
  size: number;
  sha256: string;
  /** Milliseconds since the epoch, like `expiresAt`. */
  createdAt: number;
  expiresAt: number;
}

/** Something that belongs to a user. `kind` says what it is: `message`, `read_position`, `document`, `file`, `file_data`. */
export interface ApiExported {
  kind: string;
  [field: string]: unknown;
}

/** A page of what belongs to a user. */
export interface ApiExport {
  items: ApiExported[];
  /** The `cursor` of the next page. Absent: this was the last one. */
  next?: string;
}

/** What was erased of a user. */
export interface ApiErased {
  user: string;
  /** False: it goes on. Another call waits for its end. */
  done: boolean;
  /** Counted by the call that began it, like `documents` and `files`. */
  messages: number;
  documents: number;
  files: number;
}
