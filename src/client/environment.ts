/**
 * What the SDK is told by the runtime around it: whether there is a network, which one, and whether anybody looks.
 *
 * @module
 */

/** What may happen around a client. `visible` is the user coming back. */
export type EnvironmentEvent = "online" | "offline" | "network" | "visible";

/** The runtime around a client. */
export interface Environment {
  /** QUIC may come through and then stall: WebSocket is dialled first until a probe has said otherwise. @default false */
  readonly quicIsDoubtful?: boolean;
  /** False when the runtime knows that there is no network. */
  online(): boolean;
  /** A word for the network now, to tell it from others; "" where it cannot be told. */
  network(): string;
  /** Calls `fn` at each event; returns what stops that. */
  watch(fn: (event: EnvironmentEvent) => void): () => void;
}

interface NetworkInformation extends EventTarget {
  readonly type?: string;
}

/** The page or program around; in runtimes that tell nothing, nothing ever happens. */
export function systemEnvironment(): Environment {
  const { navigator, document } = globalThis as { navigator?: Navigator; document?: Document };
  const connection = (navigator as { connection?: NetworkInformation } | undefined)?.connection;
  return {
    // WebKit's WebTransport is reported never to give streams' credit back.
    quicIsDoubtful: navigator?.vendor?.startsWith("Apple") === true,
    online: () => navigator?.onLine !== false,
    network: () => connection?.type ?? "",
    watch(fn) {
      const undo: (() => void)[] = [];
      const listen = (target: EventTarget | undefined, type: string, listener: () => void): void => {
        if (typeof target?.addEventListener !== "function") return;
        target.addEventListener(type, listener);
        undo.push(() => target.removeEventListener(type, listener));
      };
      listen(globalThis, "online", () => fn("online"));
      listen(globalThis, "offline", () => fn("offline"));
      // A page that comes back from the browser's cache was frozen: like one that becomes visible.
      listen(globalThis, "pageshow", () => fn("visible"));
      listen(document, "resume", () => fn("visible"));
      listen(document, "visibilitychange", () => {
        if (document?.visibilityState === "visible") fn("visible");
      });
      listen(connection, "change", () => fn("network"));
      return () => {
        for (const each of undo) each();
      };
    },
  };
}
