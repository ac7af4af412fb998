/**
 * The types of the table of message types, as lists.
 *
 * @module
 */

import { CLIENT_TYPES, type ClientType, SERVER_TYPES, type ServerType } from "../../src/protocol/mod.ts";

/** Every type a client may send. */
export const clientTypes = Object.keys(CLIENT_TYPES) as ClientType[];
/** Every type a server may send. */
export const serverTypes = Object.keys(SERVER_TYPES) as ServerType[];
