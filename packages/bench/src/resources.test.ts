/** Undoing, however the run ends. */
import { describe, expect, it } from 'vitest';
import { Resources } from './resources.js';

const undone: string[] = [];

function resource(name: string): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      undone.push(name);
    },
  };
}

function fresh(): Resources {
  undone.length = 0;
  return new Resources();
}

describe('Resources', () => {
  it('latest-first-down-to-the-mark', async () => {
    const resources = fresh();
    await resources.add(resource('a'));
    const { mark } = resources;
    await resources.add(resource('b'));
    await resources.add(resource('c'));
    expect(await resources.undo(mark)).toEqual([]);
    expect(undone).toEqual(['c', 'b']);
    await resources.undo();
    expect(undone).toEqual(['c', 'b', 'a']);
  });

  it('one-that-is-still-being-made', async () => {
    const resources = fresh();
    let made: (resource: AsyncDisposable) => void = () => {};
    void resources.add(
      new Promise<AsyncDisposable>((resolve) => {
        made = resolve;
      }),
    );
    const undoing = resources.undo();
    made(resource('late'));
    await undoing;
    expect(undone).toEqual(['late']);
  });

  it('one-that-could-not-be-made', async () => {
    const resources = fresh();
    await expect(resources.add(Promise.reject<AsyncDisposable>(new Error('no')))).rejects.toThrow('no');
    expect(await resources.undo()).toEqual([]);
  });

  it('problems-do-not-stop-it', async () => {
    const resources = fresh();
    await resources.add(resource('a'));
    await resources.add({ [Symbol.asyncDispose]: () => Promise.reject(new Error('stuck')) });
    expect(await resources.undo()).toEqual([new Error('stuck')]);
    expect(undone).toEqual(['a']);
  });

  it('added-after-the-end', async () => {
    const resources = fresh();
    await resources.close();
    await expect(resources.add(resource('a'))).rejects.toThrow('ended');
    expect(undone).toEqual(['a']);
  });
});
