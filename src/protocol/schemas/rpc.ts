/**
 * `rpc` -> `rpc_response`: a call that the application's own logic answers.
 *
 * @module
 */

import * as v from "valibot";
import { jsonField, type Schema, type Schemas, shape, token } from "./fields.ts";

/** A call. */
export interface Rpc {
  /** 1 to 64 characters. */
  method: string;
  /** Any JSON value. @default nothing */
  data?: unknown;
}

/** What it was answered with. */
export interface RpcResponse {
  /** Any JSON value. @default nothing */
  data?: unknown;
}

const rpc: Schema<Rpc> = shape({ method: token(64), data: v.exactOptional(jsonField()) });

const rpcResponse: Schema<RpcResponse> = shape({ data: v.exactOptional(jsonField()) });

/** What a client sends. */
export interface RpcClientPayloads {
  rpc: Rpc;
}

/** Its schemas. */
export const RPC_CLIENT: Schemas<RpcClientPayloads> = { rpc };

/** What a server sends. */
export interface RpcServerPayloads {
  rpc_response: RpcResponse;
}

/** Its schemas. */
export const RPC_SERVER: Schemas<RpcServerPayloads> = { rpc_response: rpcResponse };
