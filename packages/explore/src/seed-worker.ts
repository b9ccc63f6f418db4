/** A thread of `Workers`: takes pieces of seeds of one scenario after the other, and says what they came to. */
import { parentPort } from 'node:worker_threads';
import { Lab } from './lab.js';
import { SCENARIOS } from './scenarios/all.js';
import { type Piece, type PieceResult, runPiece } from './seeds.js';

/** What a thread is told. */
export interface Order extends Piece {
  readonly scenario: string;
}

let lab: Lab | undefined;
let current = '';

async function carryOut(order: Order): Promise<PieceResult> {
  if (lab === undefined || current !== order.scenario) {
    lab?.[Symbol.dispose]();
    current = order.scenario;
    const scenario = SCENARIOS.find(({ name }) => name === order.scenario);
    if (scenario === undefined) {
      throw new Error(`no scenario is called ${order.scenario}`);
    }
    lab = new Lab(scenario);
  }
  return runPiece(lab, order);
}

parentPort?.on('message', (order: Order) => {
  carryOut(order).then(
    (result) => parentPort?.postMessage(result),
    // On the event loop, where nobody hears it: the end of the thread, which is reported.
    (error: unknown) =>
      setImmediate(() => {
        throw error;
      }),
  );
});
