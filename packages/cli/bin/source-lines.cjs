// Stacks of bundled code name the lines somebody wrote. Node's own way to do that (--enable-source-maps) reads every map
// when a file is loaded, which takes a tenth of a start; here a map is read when a stack is first looked at.
'use strict';
const { readFileSync } = require('node:fs');
const path = require('node:path');

/** @type {Map<string, import('node:module').SourceMap | undefined>} */
const maps = new Map();

/** @param {string} file */
function mapOf(file) {
  if (!maps.has(file)) {
    try {
      const { SourceMap } = require('node:module');
      maps.set(file, new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8'))));
    } catch {
      // Without its map a frame is shown as it is.
      maps.set(file, undefined);
    }
  }
  return maps.get(file);
}

/** A frame as V8 writes it, with the place in the source. @param {string} dir @param {NodeJS.CallSite} frame */
function textOf(dir, frame) {
  const text = String(frame);
  const name = frame.getFileName();
  if (name === null || name === undefined) return text;
  // Of what bundled.cjs has loaded without its directory.
  const file = path.resolve(dir, name);
  if (path.dirname(file) !== dir) return text;
  const [line, column] = [frame.getLineNumber() ?? 1, frame.getColumnNumber() ?? 1];
  const entry = mapOf(file)?.findEntry(line - 1, column - 1);
  if (entry === undefined || !('originalSource' in entry)) return text;
  const place = `${path.resolve(dir, entry.originalSource)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  return text.replace(`${name}:${line}:${column}`, place);
}

/** What `error.stack` says. @param {string} dir of the bundle @param {Error} error @param {NodeJS.CallSite[]} frames */
function stackOf(dir, error, frames) {
  return [`${error}`, ...frames.map((frame) => `    at ${textOf(dir, frame)}`)].join('\n');
}

module.exports = { stackOf };
