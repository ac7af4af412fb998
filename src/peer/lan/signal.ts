/**
 * Checks the shape of a signal that somebody on the local network has sent.
 *
 * @module
 */

import type { Signal } from "../ports.ts";

const TEXT = /^[A-Za-z0-9_-]{1,128}$/;
const ADDRESS = /^[0-9a-fA-F:.]{2,45}$/;
const MAX_CANDIDATES = 32;
const INTRODUCTION = ["fragment", "password", "certificate", "challenge", "signature"] as const;

/** Whether `value` is a signal. What is signed in it is checked elsewhere. */
export function isSignal(value: unknown): value is Signal {
  if (typeof value !== "object" || value === null) return false;
  const signal = value as Record<string, unknown>;
  if (!isText(signal.connection)) return false;
  switch (signal.type) {
    case "offer":
      return isIntroduction(signal);
    case "answer":
      return isIntroduction(signal) && isText(signal.answers);
    case "candidate":
      return areCandidates(signal.candidates) &&
        (signal.replace === undefined || typeof signal.replace === "boolean");
    case "close":
      return typeof signal.reason === "string" && signal.reason.length <= 200;
    default:
      return false;
  }
}

function isIntroduction(signal: Record<string, unknown>): boolean {
  return INTRODUCTION.every((field) => isText(signal[field])) && areCandidates(signal.candidates) &&
    (signal.signalPort === undefined || isPort(signal.signalPort)) &&
    (signal.nat === undefined || (typeof signal.nat === "object" && signal.nat !== null));
}

function areCandidates(value: unknown): boolean {
  return Array.isArray(value) && value.length <= MAX_CANDIDATES && value.every((candidate) => {
    const { kind, address } = candidate ?? {};
    return ["host", "reflexive", "relayed"].includes(kind) && typeof address?.hostname === "string" &&
      ADDRESS.test(address.hostname) && isPort(address.port);
  });
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536;
}

function isText(value: unknown): boolean {
  return typeof value === "string" && TEXT.test(value);
}
