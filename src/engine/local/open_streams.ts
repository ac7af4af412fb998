/**
 * Which streamed messages may still grow, and when their senders will have been silent for too long.
 *
 * @module
 */

/** The place of a streamed message. */
export interface StreamPlace {
  readonly channel: string;
  readonly target: number;
}

interface OpenStream extends StreamPlace {
  patience: number;
  /** In milliseconds of the engine's clock. */
  due: number;
}

/** The streams that are open. */
export class OpenStreams {
  readonly #streams = new Map<string, OpenStream>();
  readonly #now: () => number;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A message was begun, or has grown: its sender has `patience` milliseconds again. */
  touch(channel: string, target: number, patience: number): void {
    const due = this.#now() + patience;
    const known = this.#streams.get(keyOf(channel, target));
    if (known === undefined) this.#streams.set(keyOf(channel, target), { channel, target, patience, due });
    else Object.assign(known, { patience, due });
  }

  /** A message grows no more. */
  remove(channel: string, target: number): void {
    this.#streams.delete(keyOf(channel, target));
  }

  /** The messages of a channel grow no more. */
  forget(channel: string): void {
    for (const [key, stream] of this.#streams) if (stream.channel === channel) this.#streams.delete(key);
  }

  /** Those whose senders were silent for too long. */
  due(): StreamPlace[] {
    const now = this.#now();
    return [...this.#streams.values()].filter(({ due }) => due <= now);
  }
}

// No channel name holds a line break.
function keyOf(channel: string, target: number): string {
  return `${channel}\n${target}`;
}
