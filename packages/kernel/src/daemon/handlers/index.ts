/** The handlers of every call in the table: a missing or an extra one does not compile. */
import type { Handlers } from '@pedrera/uapi';
import type { Session } from '../session.js';
import { CB_HANDLERS } from './cb.js';
import { CS_HANDLERS } from './cs.js';
import { DEBUG_HANDLERS } from './debug.js';
import { DMA_BUF_HANDLERS } from './dma-buf.js';
import { FILE_HANDLERS } from './files.js';
import { IMPORTER_HANDLERS } from './importer.js';
import { INFO_HANDLERS } from './info.js';
import { INJECT_HANDLERS } from './inject.js';
import { INSPECT_HANDLERS } from './inspect.js';
import { MEMORY_HANDLERS } from './memory.js';
import { SESSION_HANDLERS } from './session.js';
import { SHARING_HANDLERS } from './sharing.js';
import { SYNC_FILE_HANDLERS } from './sync-file.js';
import { TRACE_HANDLERS } from './trace.js';

export const HANDLERS: Handlers<Session> = {
  ...SESSION_HANDLERS,
  ...INFO_HANDLERS,
  ...CB_HANDLERS,
  ...CS_HANDLERS,
  ...MEMORY_HANDLERS,
  ...SHARING_HANDLERS,
  ...DMA_BUF_HANDLERS,
  ...SYNC_FILE_HANDLERS,
  ...IMPORTER_HANDLERS,
  ...INSPECT_HANDLERS,
  ...FILE_HANDLERS,
  ...DEBUG_HANDLERS,
  ...INJECT_HANDLERS,
  ...TRACE_HANDLERS,
};
