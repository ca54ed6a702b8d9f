/** The daemon's log: lines for people on a terminal, JSON everywhere else. */

import { styleText } from 'node:util';

import { pino, type Logger } from 'pino';

import { BeelineError, printableName } from '../model/index.js';

export type { Logger } from 'pino';

export type LogFormat = 'text' | 'json';

/** Writes to standard error; standard output is for results. */
export function createLog(level: string, format: LogFormat, colours: boolean): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: serializeError },
  };
  if (format === 'json') {
    return pino(options, pino.destination({ dest: 2, sync: true }));
  }
  return pino(options, {
    write: (line: string) => {
      process.stderr.write(formatLine(JSON.parse(line) as LogLine, colours));
    },
  });
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

/** "10:08:01 info  published services=2" */
export function formatLine({ level, time, msg, ...fields }: LogLine, colours: boolean): string {
  const name = (pino.levels.labels[level] ?? 'info') as keyof typeof COLOURS;
  const label = name.padEnd(5);
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${formatValue(value)}`);
  const clock = time.slice(11, 19);
  const painted = colours ? styleText(COLOURS[name], label, { validateStream: false }) : label;
  return `${clock} ${painted} ${printableName([msg, ...rest].join(' '))}\n`;
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') {
    return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  }
  const error = value as { message?: unknown } | null;
  return typeof error?.message === 'string' ? JSON.stringify(error.message) : JSON.stringify(value);
}
