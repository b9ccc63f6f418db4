/**
 * Brings a checkout to where its commands run: dependencies installed, TypeScript built. Quick when nothing changed,
 * quiet when nothing is wrong. This file only checks the Node version; its syntax and its static imports stay at what
 * Node 12 parses. The work is in setup-steps.mjs.
 *
 *   node scripts/setup.mjs [--no-build]
 */
import nodeComplaint from './node-version.cjs';

const sentence = nodeComplaint(process.versions.node);
if (sentence !== null) {
  console.error(sentence);
  process.exit(1);
}

import('./setup-steps.mjs')
  .then((steps) => steps.setup({ build: process.argv.indexOf('--no-build') < 0 }))
  .catch((error) => {
    console.error(error.isSetupFailure === true ? error.message : error);
    process.exit(1);
  });
