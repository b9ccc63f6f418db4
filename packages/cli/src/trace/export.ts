/**
 * `pedrera trace export`: a recording in a form others read.
 *
 * Owns: where the export goes. Must not know the forms (perfetto.ts, trace-text.ts).
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Context } from '../command.js';
import { EXIT, type ExitCode } from '../exit.js';
import { plural } from '../text/units.js';
import { TraceFile } from './file.js';
import { PerfettoExport } from './perfetto.js';
import { traceLines } from './trace-text.js';

export interface ExportOptions {
  readonly output: string | undefined;
  readonly format: 'perfetto' | 'text';
}

const GATHERED_CHARACTERS = 256 * 1024;

export async function runExport(context: Context, file: string, options: ExportOptions): Promise<ExitCode> {
  const recording = new TraceFile(file);
  const header = { ...recording.header, startedNs: recording.earliestNs() };
  const { output, format } = options;
  const target = output ?? (format === 'perfetto' ? `${file.replace(/\.pedrera-trace$/, '')}.json` : undefined);
  const sink = new TextSink(context, target);
  try {
    if (format === 'text')
      for (const line of traceLines({
        startedNs: header.startedNs,
        totals: recording.totals,
        records: recording.records(),
      }))
        sink.write(`${line}\n`);
    else for (const text of new PerfettoExport(header).export(recording.records())) sink.write(text);
  } finally {
    sink.close();
  }
  if (target !== undefined) {
    const { records, lost } = recording.totals;
    const document = { schema: 'pedrera.trace-export/1', file: target, format, records, lost };
    const hint = format === 'perfetto' ? '; open it in ui.perfetto.dev' : '';
    context.output.result(document, () => `${plural(records, 'record')} into ${target}${hint}`);
  }
  return EXIT.ok;
}

/** Gathers small pieces; to standard output when no file is named. */
class TextSink {
  readonly #context: Context;
  readonly #fd: number | undefined;
  #gathered = '';

  constructor(context: Context, file: string | undefined) {
    this.#context = context;
    this.#fd = file === undefined ? undefined : openSync(file, 'w', 0o600);
  }

  write(text: string): void {
    this.#gathered += text;
    if (this.#gathered.length >= GATHERED_CHARACTERS) this.#flush();
  }

  close(): void {
    this.#flush();
    if (this.#fd !== undefined) closeSync(this.#fd);
  }

  #flush(): void {
    const bytes = Buffer.from(this.#gathered);
    this.#gathered = '';
    if (this.#fd === undefined) this.#context.output.file({ text: bytes.toString() }, bytes);
    else for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
  }
}
