/**
 * What a test and a client process say to each other: steps called by name, and news the client tells unasked.
 *
 * Owns: the messages, and the client's side of them. Must not know what any step does.
 */
import { HlError } from '@pedrera/base';

/** The steps a client program offers. Arguments and results cross a process border, as JSON. */
export type Steps = Readonly<Record<string, (args: never) => Promise<unknown>>>;

export interface StepCall {
  readonly id: number;
  readonly step: string;
  readonly args: unknown;
}

export interface StepError {
  /** An errno name, or FAILED for what is none. */
  readonly code: string;
  readonly detail: string;
}

/** The end of a step, or with id NEWS something the program says of its own accord. */
export interface StepReply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: StepError;
}

export const NEWS = 0;

/** Answers the steps the parent process calls, side by side, until the parent goes away. */
export function serveSteps(steps: Steps): void {
  process.on('message', (call: StepCall) => void answer(steps[call.step], call));
  endWithParent();
}

/** Tells the parent what it did not ask for. */
export function tellNews(result: unknown): void {
  send({ id: NEWS, result });
}

export function endWithParent(): void {
  // house-rules: allow output-and-exit, a program's connections would keep it alive
  process.on('disconnect', () => process.exit(0));
}

async function answer(step: Steps[string] | undefined, { id, step: name, args }: StepCall): Promise<void> {
  try {
    if (step === undefined) {
      throw new Error(`this program has no step ${name}`);
    }
    send({ id, result: (await step(args as never)) ?? null });
  } catch (error) {
    send({ id, error: describe(error) });
  }
}

function describe(error: unknown): StepError {
  if (error instanceof HlError) {
    return { code: error.code, detail: error.detail ?? error.message };
  }
  return { code: 'FAILED', detail: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function send(reply: StepReply): void {
  if (process.connected) {
    process.send?.(reply, undefined, undefined, () => undefined);
  }
}
