/** Counts never go wrong silently, and what is not let go is found. */
import { describe, expect, it } from 'vitest';
import { LeakTracker, RefCounted } from './refcount.js';

class Thing extends RefCounted {
  released = 0;
  protected override release(): void {
    this.released += 1;
  }
}

describe('RefCounted', () => {
  it('releases once, with the last reference', () => {
    const thing = new Thing('thing');
    expect(thing.get()).toBe(thing);
    thing.put();
    expect([thing.refs, thing.released]).toEqual([1, 0]);
    thing.put();
    expect([thing.refs, thing.released]).toEqual([0, 1]);
  });

  it('put below zero and get after release throw', () => {
    const thing = new Thing('thing');
    thing.put();
    expect(() => thing.put()).toThrow('without a reference');
    expect(() => thing.get()).toThrow('after the last put');
    expect(thing.released).toBe(1);
  });

  it('a scoped reference is given back when the scope is left by an exception', () => {
    const thing = new Thing('thing');
    expect(() => {
      using ref = thing.get();
      expect(ref.refs).toBe(2);
      throw new Error('out');
    }).toThrow('out');
    expect(thing.refs).toBe(1);
  });
});

describe('LeakTracker', () => {
  it('counts what lives, by kind', () => {
    const tracker = new LeakTracker();
    const a = new Thing('a', tracker);
    const b = new Thing('b', tracker);
    new Thing('b', tracker).put();
    expect(tracker.counts()).toEqual({ a: 1, b: 1 });
    expect(tracker.live('b')).toHaveLength(1);
    expect(() => tracker.assertEmpty()).toThrow('leaked: 1 a, 1 b');
    a.put();
    b.put();
    expect(tracker.live()).toEqual([]);
    tracker.assertEmpty();
  });

  it('records birth places only when asked', () => {
    const bare = new LeakTracker();
    bare.created('x');
    expect(bare.live()[0]?.born).toBeUndefined();
    const thorough = new LeakTracker({ recordStacks: true });
    thorough.created('x');
    expect(thorough.live()[0]?.born).toContain('refcount.test');
    expect(() => thorough.assertEmpty()).toThrow('refcount.test');
  });

  it('a double release is noticed', () => {
    const tracker = new LeakTracker();
    const id = tracker.created('x');
    tracker.released(id);
    expect(() => tracker.released(id)).toThrow('twice');
  });
});
