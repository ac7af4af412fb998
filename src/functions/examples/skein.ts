/**
 * What functions import. In a folder of your own this file is a copy of `../author/skein.ts`, which the service brings
 * with it anyway; here it is that file.
 *
 * @module
 */

export * from "../author/skein.ts";
