/** @pedrera/testkit: what tests that need real processes are made of. */
export { CLI_PATH, shimVariables } from '@pedrera/cli';
export { type TempDirectory, tempDirectory } from './temp-directory.js';
export { TestDaemon, type TestDaemonOptions } from './test-daemon.js';
export { TestProcess, type TestProcessOptions } from './test-process.js';
