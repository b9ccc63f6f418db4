/**
 * The time-out of the oldest unfinished submission (uapi.md 4.7).
 *
 * Owns: when the timer runs, and what its expiry leads to. One for each context: under `exclusive` a device has one
 * context at a time, so its oldest submission is the device's; under `shared` nobody may pay for another's time-out.
 * Must not know how a reset is done.
 */
import type { Timer } from '@pedrera/base';
import { NOTIFIER_EVENT } from '@pedrera/uapi';
import type { Context } from './context.js';
import type { Submission } from './submission.js';

export class Tdr {
  readonly #context: Context;
  #armed: { timer: Timer; deadlineNs: number } | undefined;
  #headSinceNs = 0;
  #stopped = false;

  constructor(context: Context) {
    this.#context = context;
  }

  /** A submission is on its queues; `alone`: none before it is unfinished. */
  started(submission: Submission, alone: boolean): void {
    submission.skipResetOnTimeout ||= this.#context.device.skipResetOnTimeout;
    // One that was deferred may come before others that run already: its time starts now.
    if (alone || (this.#context.deferred !== undefined && this.isHead(submission))) {
      this.#headSinceNs = submission.submittedNs;
      this.#arm(submission);
    }
  }

  /** It is the one whose time counts. */
  isHead(submission: Submission): boolean {
    return this.#watched() === submission;
  }

  /** The oldest submission has finished; the next one's time starts now. */
  headFinished(finished: Submission, nowNs: number): void {
    // One whose time-out left the device in need of a reset arms nobody's timer any more (uapi.md 4.7).
    if (finished.timedOut || this.#stopped) {
      return;
    }
    this.#headSinceNs = nowNs;
    const head = this.#watched();
    if (head !== undefined) {
      this.#arm(head);
    }
  }

  /** The submission whose time runs, and how much of it is left; Infinity without a time-out. */
  running(nowNs: number): { readonly submission: Submission; readonly leftNs: number } | undefined {
    const submission = this.#watched();
    if (submission === undefined || submission.expired || this.#stopped) {
      return undefined;
    }
    return { submission, leftNs: Math.max(0, this.#headSinceNs + submission.timeoutNs - nowNs) };
  }

  /** No timer runs any more: the context's work is being ended. */
  stop(): void {
    this.#stopped = true;
    this.#armed?.timer.cancel();
    this.#armed = undefined;
  }

  /** The oldest submission that has a timer: of a staged group only the first part has one, and none that is deferred. */
  #watched(): Submission | undefined {
    const head = this.#context.pending.oldest();
    if (head === undefined || (head.hasTimer && !head.deferred)) {
      return head;
    }
    for (const submission of this.#context.pending.unfinished()) {
      if (submission.hasTimer && !submission.deferred) {
        return submission;
      }
    }
    return undefined;
  }

  /** Timers are lazy: one that fires early for the present head is simply set again. */
  #arm(head: Submission): void {
    const deadlineNs = this.#headSinceNs + head.timeoutNs;
    if (
      this.#stopped ||
      head.expired ||
      !head.hasTimer ||
      deadlineNs === Number.POSITIVE_INFINITY ||
      (this.#armed !== undefined && this.#armed.deadlineNs <= deadlineNs)
    ) {
      return;
    }
    this.#armed?.timer.cancel();
    this.#armed = { deadlineNs, timer: this.#context.device.clock.at(deadlineNs, () => this.#fired()) };
  }

  #fired(): void {
    this.#armed = undefined;
    // Completions may lie ready while their interrupt is still on its way.
    this.#context.device.drainInterrupts();
    const head = this.#watched();
    if (head === undefined || this.#stopped || head.expired) {
      return;
    }
    if (this.#headSinceNs + head.timeoutNs > this.#context.device.clock.nowNs()) {
      this.#arm(head);
      return;
    }
    head.expired = true;
    this.#expire(head);
  }

  #expire(head: Submission): void {
    const { device } = this.#context;
    const detail = `submission ${head.seq} did not finish within ${Math.round(head.timeoutNs / 1e6) / 1e3} s`;
    const { asid, pid } = this.#context;
    device.log.error({ device: device.index, asid, pid }, detail);
    device.eventLog.add({
      kind: 'time-out',
      severity: 'error',
      device: device.index,
      asid,
      pid,
      seq: head.seq,
      text: detail,
    });
    // The device answers in the order it was asked: the dump shows what was there before anything is ended.
    void device.stateDumps.take();
    if (head.skipResetOnTimeout) {
      this.#tell(head, false);
      return;
    }
    head.timedOut = true;
    if (!device.settings.resetOnLockup) {
      this.#tell(head, false);
      device.life.needsReset = true;
    } else if (device.policy.ownsDevice) {
      this.#reset(head, detail);
    } else {
      this.#expireShared(head, detail).catch((error: unknown) =>
        device.log.error({ device: device.index, err: error }, 'a time-out was not carried out'),
      );
    }
  }

  /** Whose engine hangs, takes the device with him; else the device is well, and only this context's work ends. */
  async #expireShared(head: Submission, detail: string): Promise<void> {
    if (await hasHungStream(this.#context)) {
      this.#reset(head, detail);
      return;
    }
    this.#tell(head, false);
    await this.#context.stop({ error: 'ETIMEDOUT', detail, submission: head });
  }

  #reset(head: Submission, detail: string): void {
    this.#tell(head, true);
    this.#context.device.requestReset({ kind: 'tdr', submission: head, detail });
  }

  /** Only the first time-out since the device was opened is recorded and told (uapi.md 4.7). */
  #tell(head: Submission, resets: boolean): void {
    const { device } = this.#context;
    const mask = NOTIFIER_EVENT.CS_TIMEOUT | (resets ? NOTIFIER_EVENT.DEVICE_RESET : 0);
    const timestampNs = device.clock.nowNs();
    let first = false;
    for (const captures of device.capturesFor(this.#context)) {
      // The last one decides: the context's own, where it has one.
      first = captures.csTimeout.write(() => ({ timestampNs, seq: head.seq }));
    }
    if (first) {
      device.tell(mask, this.#context);
    }
  }
}

/** Whether a stream of the context stands at an engine that makes no more progress until it is reset. */
async function hasHungStream({ device, asid }: Context): Promise<boolean> {
  const { streams } = await device.hardware.snapshot();
  return streams.some((stream) => stream.asid === asid && stream.state === 'hung');
}
