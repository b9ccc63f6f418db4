/** The gate by itself, on a virtual clock. */
import { VirtualClock } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { WaitGate } from './wait-gate.js';

const FOREVER = Number.POSITIVE_INFINITY;

describe('WaitGate', () => {
  it('lets-in-as-many-as-there-is-room-for-then-one-for-one', async () => {
    const gate = new WaitGate(2, new VirtualClock());
    expect([gate.enter(FOREVER), gate.enter(FOREVER)]).toEqual([true, true]);
    const order: string[] = [];
    const third = Promise.resolve(gate.enter(FOREVER)).then((entered) => order.push(`third ${entered}`));
    const fourth = Promise.resolve(gate.enter(FOREVER)).then((entered) => order.push(`fourth ${entered}`));
    gate.leave();
    await third;
    expect(order).toEqual(['third true']);
    gate.leave();
    await fourth;
    gate.leave();
    gate.leave();
    expect([gate.enter(FOREVER), gate.enter(FOREVER)]).toEqual([true, true]);
    expect(gate.enter(FOREVER)).toBeInstanceOf(Promise);
  });

  it('gives-up-at-the-deadline-and-keeps-no-place', async () => {
    const clock = new VirtualClock();
    const gate = new WaitGate(0.5, clock);
    expect(gate.enter(FOREVER)).toBe(true);
    const late = gate.enter(1000);
    const patient = gate.enter(FOREVER);
    clock.advance(1000);
    expect(await late).toBe(false);
    gate.leave();
    expect(await patient).toBe(true);
    expect(clock.pending).toBe(0);
  });
});
