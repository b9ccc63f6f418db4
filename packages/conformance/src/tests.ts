/** All conformance tests, by family. */
import { cProgram } from './families/c-program.js';
import { cb } from './families/cb.js';
import { copyRule } from './families/copy-rule.js';
import { csDefault } from './families/cs-default.js';
import { csPackets } from './families/cs-packets.js';
import { csStaged } from './families/cs-staged.js';
import { csStreams } from './families/cs-streams.js';
import { debug } from './families/debug.js';
import { descriptors } from './families/descriptors.js';
import { dmaBuf } from './families/dma-buf.js';
import { exported } from './families/export.js';
import { fences } from './families/fences.js';
import { files } from './families/files.js';
import { importer } from './families/importer.js';
import { info } from './families/info.js';
import { inspection } from './families/inspection.js';
import { memory } from './families/memory.js';
import { node } from './families/node.js';
import { own } from './families/own.js';
import { reset } from './families/reset.js';
import { resetEvents } from './families/reset-events.js';
import { trace } from './families/trace.js';
import { wait } from './families/wait.js';
import type { ConformanceTest } from './framework/conformance-test.js';

const LISTS = [
  node,
  info,
  cb,
  csDefault,
  csPackets,
  csStaged,
  csStreams,
  wait,
  memory,
  exported,
  dmaBuf,
  descriptors,
  fences,
  debug,
  reset,
  resetEvents,
  copyRule,
  files,
  own,
  inspection,
  importer,
  trace,
  cProgram,
];

export const TESTS: readonly ConformanceTest[] = LISTS.flatMap(({ tests }) => tests);
