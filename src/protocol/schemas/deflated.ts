/**
 * `deflated`: a message that holds a compressed one, in either direction, once both sides have said that they want it.
 *
 * @module
 */

import { bytesField, integer, type Schema, type Schemas, shape } from "./fields.ts";

/** A compressed message. */
export interface Deflated {
  /** The JSON text of a message in UTF-8, compressed (DEFLATE, RFC 1951). */
  data: Uint8Array;
  /** Bytes of that text. */
  size: number;
}

const deflated: Schema<Deflated> = shape({ data: bytesField(), size: integer(1) });

/** What a client sends. */
export interface DeflatedClientPayloads {
  deflated: Deflated;
}

/** Its schemas. */
export const DEFLATED_CLIENT: Schemas<DeflatedClientPayloads> = { deflated };

/** What a server sends. */
export interface DeflatedServerPayloads {
  deflated: Deflated;
}

/** Its schemas. */
export const DEFLATED_SERVER: Schemas<DeflatedServerPayloads> = { deflated };
