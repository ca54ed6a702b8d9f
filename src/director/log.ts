/** The daemon's log: lines for people on a terminal and in systemd's journal, JSON everywhere else. */

import { fstatSync } from 'node:fs';
import { styleText } from 'node:util';

import { pino, type Logger } from 'pino';

import { BeelineError, printableName, printableText } from '../model/index.js';
import { LogSink } from './log-sink.js';

export type { Logger } from 'pino';

const STDERR = 2;

export type LogFormat = 'text' | 'json';

/** Syslog's severities (syslog(3)), by pino's level. */
const PRIORITIES: Readonly<Record<string, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 };

/** How lines of text look: with colours or without them on a terminal, or with the priorities that journald reads. */
export type TextStyle = 'plain' | 'coloured' | 'journal';

export interface Log {
  readonly logger: Logger;
  readonly sink: LogSink;
}

/** Writes to standard error; standard output is for results. */
export function createLog(level: string, format: LogFormat, style: TextStyle): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: serializeError },
  };
  const sink = new LogSink(STDERR, {
    onLost: (lines) => {
      logger.warn({ lines }, 'lines of the log were lost, since they could not be written');
    },
  });
  const write = (line: string): void => {
    sink.write(format === 'json' ? line : formatLine(JSON.parse(line) as LogLine, style));
  };
  const logger = pino(options, { write });
  // What waits gets a last chance.
  process.once('exit', () => {
    sink.flush();
  });
  return { logger, sink };
}

/** Whether standard error leads to systemd's journal (JOURNAL_STREAM, systemd.exec(5)). */
export function leadsToJournal({ JOURNAL_STREAM: journal }: NodeJS.ProcessEnv): boolean {
  const { dev, ino } = fstatSync(STDERR, { bigint: true });
  return journal === `${dev}:${ino}`;
}

/** Shortens errors that a user can mend to code and message. Other errors keep their stack. */
export function serializeError(error: unknown): unknown {
  if (error instanceof BeelineError) {
    const { code, message, hint } = error;
    return { type: error.name, code, message, ...(hint !== undefined && { hint }) };
  }
  return error instanceof Error ? pino.stdSerializers.err(error) : error;
}

interface LogLine extends Record<string, unknown> {
  readonly level: number;
  readonly time: string;
  readonly msg: string;
}

const COLOURS = { fatal: 'red', error: 'red', warn: 'yellow', info: 'green', debug: 'gray', trace: 'gray' } as const;

/** "10:08:01 info  published services=2"; for the journal, which has the time: "<6>published services=2" */
export function formatLine({ level, time, msg, ...fields }: LogLine, style: TextStyle): string {
  const name = (pino.levels.labels[level] ?? 'info') as keyof typeof COLOURS;
  const text = [msg, ...Object.entries(fields).map(([key, value]) => `${key}=${formatValue(value)}`)].join(' ');
  if (style === 'journal') {
    // Each line is a message there.
    return printableText(text).replace(/^/gm, `<${PRIORITIES[name]!}>`).concat('\n');
  }
  const label = name.padEnd(5);
  const shown = style === 'coloured' ? styleText(COLOURS[name], label, { validateStream: false }) : label;
  return `${time.slice(11, 19)} ${shown} ${printableName(text)}\n`;
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') {
    return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  }
  const error = value as { message?: unknown } | null;
  return typeof error?.message === 'string' ? JSON.stringify(error.message) : JSON.stringify(value);
}
