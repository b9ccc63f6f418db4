/**
 * A process that takes each descriptor that comes over a Unix socket, closes it and answers with a message: what passing one costs at the
 * least. Argument: the path.
 */
import { closeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { HlError } from '@pedrera/base';
import { encodeFrame, SideChannel } from '@pedrera/wire';
import { bindToParent, tellParent } from './worker.js';

/** Between two looks whether the parent is gone. */
const PATIENCE_MS = 500;
const ANSWER = encodeFrame([1, 0, []]);

bindToParent();
const channel = SideChannel.connect(process.argv[2] ?? '');
tellParent({ ready: true });
for (;;) {
  try {
    closeSync(channel.receiveDescriptor(PATIENCE_MS).fd);
    channel.write(ANSWER);
  } catch (error) {
    if (!(error instanceof HlError && error.code === 'ETIMEDOUT')) throw error;
    await turn();
  }
}
