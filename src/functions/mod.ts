/**
 * Functions: an application's own logic, each in an isolate of its own.
 *
 * @module
 */

export {
  type Answers,
  type AnswerStream,
  type BodyReader,
  type Call,
  type Caller,
  type Event,
  FunctionError,
  type FunctionHost,
  type HttpSink,
  type IncomingResponse,
  type Json,
  type LogLine,
  type Outcome,
  type OutgoingRequest,
  type SaidContent,
} from "./contract.ts";
export { DeployedFunction, type FunctionLimits, type FunctionParts } from "./function.ts";
export { type Manifest, type Matches, parseManifest } from "./manifest.ts";
export { parseSchedule } from "./schedule.ts";
export { Slots } from "./slots.ts";
export { readSource, type Source, TYPES_FILE } from "./source.ts";
