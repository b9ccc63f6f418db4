/** Sync files and submissions that wait for fences, as scenarios say them. Owns no scenario. */
import { ERRNO, type ErrnoCode } from '@pedrera/base';
import { DMABUF_SYNC_FLAGS, POLL_EVENTS, type Req, type Res } from '@pedrera/uapi';
import { type Client, type Job, submission } from '../client.js';
import { fence, type Packet, program, release } from '../packets.js';

export const { READ, WRITE } = DMABUF_SYNC_FLAGS;
/** What a sync file says of a fence: pending, done, ended with the work of who died. */
export const PENDING = 0;
export const DONE = 1;
export const LEFT_BEHIND = -ERRNO.EIO;
export const OUT_OF_TIME = -ERRNO.ETIMEDOUT;

/** Of a queue whose stream stands until another queue lets it go on. */
export const STUCK_QUEUE = 0;
const FREEING_QUEUE = 1;
const GATE = 0;

/** A job that does not end before the other one has run. */
export async function gated(client: Client, ...packets: readonly Packet[]) {
  return {
    stuck: await client.job(program(fence(GATE), ...packets), STUCK_QUEUE),
    free: await client.job(program(release(STUCK_QUEUE, GATE)), FREEING_QUEUE),
  };
}

/** A sync file of a submission, and a token of it. */
export async function syncFileOf(client: Client, seq: number): Promise<{ fd: number; token: string }> {
  const { fd } = await client.call('SYNC_FILE_CREATE', { seq });
  const { token } = await client.call('DMABUF_TOKEN', { fd });
  return { fd, token };
}

/** Undefined when whoever made the token is gone. */
export async function openToken(client: Client, token: string): Promise<number | undefined> {
  return (await client.attempt('DMABUF_OPEN', { token }, ['ENOENT'])).res?.fd;
}

export async function statusOf(client: Client, fd: number): Promise<number> {
  return (await client.call('SYNC_FILE_INFO', { fd, flags: 0, pad: 0, numFences: 0 })).status;
}

/** Until it has signalled, however long that takes; how. Counts what came of it. */
export async function signalled(client: Client, fd: number): Promise<number> {
  const { revents } = await client.call('DESCRIPTOR_POLL', { fd, events: POLL_EVENTS.IN, timeoutMs: -1 });
  client.expect(revents === POLL_EVENTS.IN, `a poll for ever of a sync file answered ${revents}`);
  const status = await statusOf(client, fd);
  client.expect(status !== PENDING, 'a sync file that was IN is pending');
  client.note(`fence ${status}`);
  return status;
}

export interface Synced {
  readonly buffers?: Req<'CS_SYNCED'>['buffers'];
  readonly waitFor?: readonly number[];
  readonly exportFence?: boolean;
}

/** CS_SYNCED; undefined when it was refused in one of the ways named. */
export async function trySynced(
  client: Client,
  jobs: readonly Job[],
  { buffers = [], waitFor = [], exportFence = false }: Synced,
  allowed: readonly ErrnoCode[] = [],
): Promise<Res<'CS_SYNCED'> | undefined> {
  const req = { submission: submission(jobs, 0, {}), buffers, waitFor: [...waitFor], exportFence };
  const { res } = await client.attempt('CS_SYNCED', req, allowed);
  if (res !== undefined) {
    client.note(res.held ? 'held' : 'not held');
  }
  return res;
}

/** Has to be taken. */
export async function synced(client: Client, jobs: readonly Job[], with_: Synced): Promise<Res<'CS_SYNCED'>> {
  return (await trySynced(client, jobs, with_)) as Res<'CS_SYNCED'>;
}
