/**
 * What the methods of the server API do: the part of its table that is the service's (`protocol/api/table.ts` is the
 * other one).
 *
 * @module
 */

import type { ApiMethod, ApiParams, ApiResult } from "../../protocol/api/types.ts";

/**
 * The methods but `batch`, which runs others. One that is absent is answered as unknown. The caller is told of rejections
 * with ProtocolError; other errors are logged and answered as `internal`.
 */
export type ServerApi = {
  readonly [M in Exclude<ApiMethod, "batch">]?: (
    params: ApiParams<M>,
  ) => ApiResult<M> | Promise<ApiResult<M>>;
};
