/**
 * How the process of an isolate is told what it is, and with which codes it ends.
 *
 * @module
 */

/** The word on the command line of the compiled program that makes it an isolate. */
export const ISOLATE_COMMAND = "function-isolate";

/** It had more memory than it may. */
export const EXIT_MEMORY = 71;
/** It could not begin, or its worker broke. */
export const EXIT_BROKEN = 72;
