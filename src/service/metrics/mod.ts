/**
 * Metrics: what happens, counted and exposed.
 *
 * @module
 */

export { type Log, QUIET_PERIOD, type Thresholds } from "./diagnostics.ts";
export type { Figures, TransportFigures } from "./figures.ts";
export type { HistogramSummary } from "./histogram.ts";
export { createObserver, type ObserverOptions, type ServiceObserver } from "./observer.ts";
export type { ProcessFigures } from "./process.ts";
export type { OutboxDepth, Sources } from "./state.ts";
