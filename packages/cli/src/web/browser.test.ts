/** A browser that does not read what it is sent. */
import { EventEmitter } from 'node:events';
import type { LiveMessage } from '@pedrera/web';
import { describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { crowd } from '../testing/crowd.js';
import { Browser } from './browser.js';
import type { Feed, Watcher } from './feed.js';
import { Looks } from './looks.js';

class Socket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  readonly sent: LiveMessage[] = [];
  readonly closed: number[] = [];
  terminated = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as LiveMessage);
  }
  close(code: number): void {
    this.closed.push(code);
  }
  terminate(): void {
    this.terminated = true;
  }
}

function connected() {
  const socket = new Socket();
  const watchers = new Set<Watcher>();
  const feed = { add: (one: Watcher) => watchers.add(one), remove: (one: Watcher) => watchers.delete(one) };
  const browser = new Browser(socket as unknown as WebSocket, feed as unknown as Feed);
  return { socket, watchers, browser };
}

describe('a browser', () => {
  it('that is slow misses looks, but no event', () => {
    const { socket, browser } = connected();
    const looks = new Looks();
    const snapshot = crowd({ clients: 3 });
    browser.onLook(looks.add({ ...snapshot, events: snapshot.events?.slice(0, 1) ?? [] }), 500);
    socket.bufferedAmount = 2 ** 21;
    browser.onLook(looks.add({ ...snapshot, events: snapshot.events?.slice(0, 2) ?? [] }), 500);
    expect(socket.sent).toHaveLength(1);
    socket.bufferedAmount = 0;
    browser.onLook(looks.add(snapshot), 500);
    expect(socket.sent.map(({ events }) => events.map(({ number }) => number))).toEqual([[1], [2, 3]]);
  });

  it('that never reads is let go', () => {
    const { socket, browser } = connected();
    const look = new Looks().add(crowd({ clients: 1 }));
    socket.bufferedAmount = 2 ** 21;
    for (let i = 0; i < 50; i++) browser.onLook(look, 500);
    expect(socket.sent).toEqual([]);
    expect(socket.closed[0]).toBe(1013);
    expect(socket.terminated).toBe(true);
  });

  it('that has gone is not told anything', () => {
    const { socket, watchers, browser } = connected();
    expect(watchers.size).toBe(1);
    socket.readyState = 3;
    browser.onGone('x');
    socket.emit('close');
    expect(watchers.size).toBe(0);
    expect(socket.sent).toEqual([]);
  });
});
