/**
 * For tests: a program with a little of everything. `node small-client.js [exit code] [byte to fill memory with]`
 *
 * Owns: nothing that outlives it. Finds its daemon by PEDRERA_SOCKET, as programs do.
 */
import { Dcore, HlError, openDevice, Queue } from '@pedrera/thunk';
import type { Handle } from '@pedrera/uapi';

const BYTES = 65_536;
const [exitCode = '0', fill = '7'] = process.argv.slice(2);

const device = await openDevice(0);
const host = await device.allocHost(BYTES);
const memory = await device.allocHbm(BYTES);
host.bytes.fill(Number(fill));
const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
const back = await device.createCommandBuffer();
back
  .waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue: Queue.DMA_1_0, fence: 0 })
  .linDma({ from: memory, to: host, size: BYTES });
const there = await device.createCommandBuffer();
there.linDma({ from: host, to: memory, size: BYTES }).signal(lease.object(0), 1);
const second = await device.submit({ queue: Queue.DMA_1_0, cb: back });
// Asked before the work is done, so that somebody is woken.
const done = second.wait();
const first = await device.submit({ queue: Queue.DMA_0_0, cb: there });
await Promise.all([first.wait(), done]);
try {
  await device.ioctl('CB_DESTROY', { handle: 0x7000_0000n as Handle<'cb'> });
} catch (error) {
  if (!(error instanceof HlError)) throw error;
}
process.stdout.write('small client\n');
await device.close();
process.exitCode = Number(exitCode);
