/** The handlers of every call in the table: a missing or an extra one does not compile. */
import type { HlError } from '@pedrera/base';
import type { Handlers, IoctlName } from '@pedrera/uapi';
import type { Session } from '../session.js';
import { CB_HANDLERS } from './cb.js';
import { CS_HANDLERS, countUnreadableChunks } from './cs.js';
import { INFO_HANDLERS } from './info.js';
import { INSPECT_HANDLERS } from './inspect.js';
import { MEMORY_HANDLERS } from './memory.js';
import { SESSION_HANDLERS } from './session.js';
import { SHARING_HANDLERS } from './sharing.js';

export const HANDLERS: Handlers<Session> = {
  ...SESSION_HANDLERS,
  ...INFO_HANDLERS,
  ...CB_HANDLERS,
  ...CS_HANDLERS,
  ...MEMORY_HANDLERS,
  ...SHARING_HANDLERS,
  ...INSPECT_HANDLERS,
};

/** What a call that a C program spelled wrong costs, where the contract counts it. */
export const DECODE_FAILURES: Partial<Record<IoctlName, (session: Session, error: HlError) => void>> = {
  CS: countUnreadableChunks,
};
