/** A wait counts when two looks have seen it at the same place. */
import { describe, expect, it } from 'vitest';
import { Scene, type Who } from '../testing/scene.js';
import { confirmed, explainSure, needsAnotherLook } from './confirm.js';
import { shortWaits } from './short.js';
import { explain } from './why.js';

const A: Who = { pid: 4711, device: 0 };

/** A stream that waits for SOB 8, which nobody signals, with submission `seq` at its head. */
function look(seq: number, value = 0) {
  return explain(seen(seq, value), null);
}

function seen(seq: number, value = 0) {
  const scene = new Scene();
  scene.client(A, 'loader');
  scene.submission(A, seq, 'DMA_0_0');
  scene.queue(A, 'DMA_0_0', [scene.monitor(3, 8, value, value + 1)], { seq });
  scene.waits(A, 'loader', seq);
  scene.signallers(0, 8, {});
  return scene.snapshot;
}

describe('two looks', () => {
  it('at the same wait: it is stuck', () => {
    const [first, second] = [look(7), look(7)];
    expect(needsAnotherLook(first)).toBe(true);
    expect(confirmed(first, second)).toBe(second);
    expect(second.causes).toMatchObject([{ kind: 'nobody signals' }]);
  });

  it('at the wait of another submission, or for another value: it moves', () => {
    for (const second of [look(8), look(7, 1)]) {
      expect(confirmed(look(7), second)).toMatchObject({ causes: [], moving: second.moving + 1 });
    }
  });

  it('what only the second has seen is told in lists without a verdict', async () => {
    const verdict = async (looks: ReturnType<typeof seen>[]) => {
      const take = async () => looks.shift() as ReturnType<typeof seen>;
      const { document, snapshot } = await explainSure(take, (one) => explain(one, null));
      return [...shortWaits(snapshot, document).values()][0];
    };
    expect(await verdict([seen(7), seen(7)])).toBe('nobody signals: SOB E_N 8 >= 1, is 0');
    expect(await verdict([seen(7), seen(8)])).toBe('SOB E_N 8 >= 1, is 0');
  });

  it('the first of which sees nothing needs no other', () => {
    expect(needsAnotherLook(explain(new Scene().snapshot, null))).toBe(false);
  });
});
