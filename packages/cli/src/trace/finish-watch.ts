/**
 * Which submissions have ended, as a recording of its own tells while a replay goes on.
 *
 * Owns: who waits for which. Must not know why.
 */
import type { Recording } from '@pedrera/thunk';
import { TRACE_KIND } from '@pedrera/uapi';
import type { DaemonSession } from '../session.js';

const BYTES = 16 * 1024 * 1024;
const WAIT_MS = 1_000;

export interface SubmissionName {
  readonly device: number;
  readonly asid: number;
  readonly seq: number;
}

export class FinishWatch {
  readonly #recording: Recording;
  readonly #finished = new Set<string>();
  readonly #waiting = new Map<string, () => void>();
  readonly #over: Promise<void>;

  private constructor(recording: Recording) {
    this.#recording = recording;
    this.#over = this.#read();
  }

  static async start(session: DaemonSession): Promise<FinishWatch> {
    return new FinishWatch(await session.trace({ kinds: TRACE_KIND.SUBMISSIONS, bytes: BYTES }));
  }

  /** Resolves when it has ended. One waiter for each: another context may get its number, later. */
  finished(submission: SubmissionName): Promise<void> {
    const key = keyOf(submission);
    return this.#finished.delete(key) ? Promise.resolve() : new Promise((resolve) => this.#waiting.set(key, resolve));
  }

  async stop(): Promise<void> {
    await this.#recording.stop();
    await this.#over;
  }

  async #read(): Promise<void> {
    for (;;) {
      const batch = await this.#recording.read({ least: 1, waitMs: WAIT_MS });
      for (const record of this.#recording.decode(batch)) {
        if (record.kind !== 'finish') continue;
        const key = keyOf(record);
        const waiter = this.#waiting.get(key);
        this.#waiting.delete(key);
        if (waiter === undefined) this.#finished.add(key);
        else waiter();
      }
      if (batch.ended) return;
    }
  }
}

function keyOf({ device, asid, seq }: SubmissionName): string {
  return `${device}/${asid}/${seq}`;
}
