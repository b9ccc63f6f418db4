/** The daemon's log: JSON lines, pretty on a terminal; one child logger a client. */
import { createRequire } from 'node:module';
import { type Logger, pino } from 'pino';

export interface LogOptions {
  readonly level: string;
  readonly file: string | undefined;
  /** For people at a terminal; ignored when a file is named. */
  readonly pretty: boolean;
}

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export function createLog({ level, file, pretty }: LogOptions): Logger {
  if (pretty && file === undefined) {
    // Loaded only here: it costs start-up time that no daemon in the background should pay.
    const prettyStream = createRequire(import.meta.url)('pino-pretty') as (options: object) => NodeJS.WritableStream;
    return pino({ level }, prettyStream({ ignore: 'hostname', sync: true, destination: 1 }));
  }
  return pino({ level }, pino.destination({ dest: file ?? 1, sync: true, mkdir: false }));
}
