/** CB: command buffers (uapi.md 3). */
import { errno } from '@pedrera/base';
import { CB_FLAGS, commandBufferHandle, type Handlers, MAX_CB_SIZE, MIN_CB_SIZE } from '@pedrera/uapi';
import { CommandBuffer, HostBuffer } from '../../core/command-buffer.js';
import type { Session } from '../session.js';

type CbCalls = Pick<Handlers<Session>, 'CB_CREATE' | 'CB_DESTROY' | 'CB_INFO'>;

export const CB_HANDLERS: CbCalls = {
  CB_CREATE(session, { size, flags }) {
    const file = session.openFile;
    if (size > MAX_CB_SIZE) {
      throw errno('EINVAL', `a command buffer has at most ${MAX_CB_SIZE} bytes, not ${size}`);
    }
    if ((flags & CB_FLAGS.MAP) !== 0) {
      // The driver's inner EINVAL is swallowed on the way (uapi.md 3.2).
      throw errno('ENOMEM', 'Gaudi maps no command buffers into device addresses (flag MAP)');
    }
    const buffer = new CommandBuffer(file, file.requireContext, Math.max(size, MIN_CB_SIZE));
    return { handle: commandBufferHandle(buffer.id) };
  },

  CB_DESTROY(session, { handle }) {
    // Timestamp buffers go the same way: the driver looks at the number only (uapi.md 5.9).
    const object = session.openFile.peekHandle(handle);
    if (object instanceof HostBuffer) {
      throw errno('EINVAL', `handle 0x${handle.toString(16)} names a ${object.kind}, not a command buffer`);
    }
    object.destroy();
    return {};
  },

  CB_INFO(session, { handle, flags }) {
    const buffer = session.openFile.peekCommandBuffer(handle);
    if ((flags & CB_FLAGS.GET_DEVICE_VA) !== 0) {
      throw errno('EINVAL', 'no command buffer of Gaudi has a device address');
    }
    // A submission copies the buffer and lets go of it before CS returns (uapi.md 3.5).
    return { usageCount: buffer.csCount, deviceVa: 0 };
  },
};
