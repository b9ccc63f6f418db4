/** Looks into the daemon over one connection. */
import { errno } from '@pedrera/base';
import { SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { expect, it } from 'vitest';
import { connectDaemon } from './inspect.js';
import { FakeDaemon } from './testing/fake-daemon.js';

/** As the real one: it keeps one snapshot a connection, of three pages; page 0 begins another. */
function tellInPages(daemon: FakeDaemon): void {
  let asked = -1;
  let next = 0;
  daemon.answers.INSPECT_SNAPSHOT = ({ page, pid }) => {
    if (page === 0) {
      asked = pid;
    } else if (page !== next || pid !== asked) {
      throw errno('EINVAL', `page ${page}; page ${next} comes next`);
    }
    next = page === 2 ? 0 : page + 1;
    const event = { number: 10 * pid + page };
    return { snapshot: { schema: 'pedrera.snapshot/1', timeNs: pid, events: [event] } as unknown as Snapshot, next };
  };
}

it('looks made at the same time do not get the pages of each other', async () => {
  await using daemon = await FakeDaemon.start();
  tellInPages(daemon);
  await using client = await connectDaemon({ socketPath: daemon.socketPath });
  const looks = await Promise.all([1, 2, 3].map((pid) => client.inspect({ sections: SNAPSHOT_SECTION.EVENTS, pid })));
  expect(looks.map(({ events = [] }) => events.map(({ number }) => number))).toEqual([
    [10, 11, 12],
    [20, 21, 22],
    [30, 31, 32],
  ]);
});

it('a look that fails does not keep the next one from being made', async () => {
  await using daemon = await FakeDaemon.start();
  tellInPages(daemon);
  const answer = daemon.answers.INSPECT_SNAPSHOT;
  daemon.answers.INSPECT_SNAPSHOT = (req) => {
    if (req.pid === 1) {
      throw errno('ESRCH', 'no process 1');
    }
    return answer?.(req) as never;
  };
  await using client = await connectDaemon({ socketPath: daemon.socketPath });
  const looks = [1, 2].map((pid) => client.inspect({ sections: SNAPSHOT_SECTION.EVENTS, pid }));
  await expect(looks[0]).rejects.toMatchObject({ code: 'ESRCH' });
  expect((await looks[1])?.events).toHaveLength(3);
});
