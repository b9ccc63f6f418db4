/** Recording what goes on in the daemon. This project's own calls; what is recorded is in ../trace.ts, how it is spelled in ../trace-layout.ts. */
import { defineIoctl, row } from '../ioctl.js';
import { bool8, bytes, flags, u32, u53 } from '../kinds.js';
import { MAX_TRACE_READ } from '../limits.js';
import { TRACE_KIND } from '../trace.js';
import { OWN_NR } from './blocks.js';

export const TRACE_START = defineIoctl({
  name: 'TRACE_START',
  nr: OWN_NR.TRACE,
  op: 0,
  access: 'any',
  duringReset: true,
  req: { kinds: flags(TRACE_KIND), pid: u32, bytes: u32 },
  res: { id: u32, timeNs: u53 },
  errors: [
    row('EINVAL', 'kinds', 'no kind of record, or one that does not exist'),
    row('EINVAL', 'bytes', 'less or more memory than a recording may have'),
    row('ENOSPC', 'recordings', 'as many recordings as the daemon makes at once are under way'),
  ],
  doc: 'Begins a recording of the kinds in `kinds`, of one process or of all (0). `bytes` is the memory for records that were not read yet: when it is full, records are lost and counted; nobody is slowed down. Calls of the connection that records are not recorded. The recording ends with TRACE_STOP or with the connection.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});

export const TRACE_READ = defineIoctl({
  name: 'TRACE_READ',
  nr: OWN_NR.TRACE,
  op: 1,
  access: 'any',
  duringReset: true,
  req: { id: u32, least: u32, waitMs: u32 },
  res: { bytes: bytes(MAX_TRACE_READ), lost: u53, ended: bool8 },
  errors: [
    row('ENOENT', 'id', 'no recording of this connection has the number'),
    row('EBUSY', 'reading', 'another read of the recording is waiting'),
    row('EINVAL', 'wait', 'a longer wait than is allowed'),
  ],
  doc: 'Takes records out of a recording: whole ones, oldest first. Answers as soon as there are `least` bytes, or after `waitMs` with what there is, or when the recording has ended. `lost` counts all records that were lost; `ended` says that the recording has ended and nothing is left of it.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});

export const TRACE_STOP = defineIoctl({
  name: 'TRACE_STOP',
  nr: OWN_NR.TRACE,
  op: 2,
  access: 'any',
  duringReset: true,
  req: { id: u32 },
  res: { stopped: u32, records: u53, lost: u53 },
  errors: [row('ENOENT', 'id', 'no recording under way has the number')],
  doc: 'Ends one recording, or all with 0, whoever began them; what they hold can still be read. Says how many were ended, and what they had recorded and lost together.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});
