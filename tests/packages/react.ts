/**
 * React, which the SDK's hooks are for: whoever uses them has it. A package of the tests is named here and not in `deno.json`, because every task downloads what that names.
 *
 * @module
 */

// @ts-types="npm:@types/react@^19.0.0"
export {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from "npm:react@^19.0.0";
