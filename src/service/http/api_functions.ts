/**
 * The methods of the server API that are about functions.
 *
 * @module
 */

import type { ApiFunction, ApiFunctionLine } from "../../protocol/api/function_types.ts";
import { ProtocolError } from "../../protocol/mod.ts";
import type { ServerApi } from "./api_contract.ts";

/** The functions of this node, as far as the API is concerned. */
export interface FunctionList {
  /** All of them, those that never loaded too. */
  list(): readonly ApiFunction[];
  /** What a function printed after the line `after`; undefined: there is no such function. */
  lines(
    name: string,
    after: number,
  ): { readonly lines: readonly ApiFunctionLine[]; readonly last: number } | undefined;
}

/** Makes the methods. */
export function createFunctionMethods(
  functions: FunctionList,
): Required<Pick<ServerApi, "functions" | "function_logs">> {
  return {
    functions: () => ({ functions: [...functions.list()] }),
    function_logs({ function: name, after = 0 }) {
      const found = functions.lines(name, after);
      if (found === undefined) throw new ProtocolError("bad_payload", "function: no such function");
      return { lines: [...found.lines], last: found.last };
    },
  };
}
