/** The content of a stored file: a line with title, version and checksum, then JSON. Pure. */

import { createHash } from 'node:crypto';

import { z, type ZodType } from 'zod';

import { type Moment, shiftBetween, shiftFromWall } from './moment.js';

/** One kind of stored file. */
export interface Format<Value> {
  /** The first word of the file: `beeline-state`. */
  readonly title: string;
  /** Raised with every change that older programs would misunderstand. */
  readonly version: number;
  readonly schema: ZodType<Value>;
  /** The content as a plural noun, for messages: `drains`. */
  readonly noun: string;
  /**
   * Converts the JSON of a file that an older program wrote without the first line. The schema checks the result.
   * Undefined: such files are damaged.
   */
  readonly fromPlain?: (json: unknown) => unknown;
  /** For content with times, which are milliseconds since the machine started; undefined: it has none. */
  readonly times?: {
    /** Adds so many milliseconds to every time. */
    readonly shift: (value: Value, ms: number) => Value;
    /** The version whose times were the wall clock's, as in files without the first line. */
    readonly wallVersion: number;
  };
}

/** The body of a file whose content has times. */
const timed = z.strictObject({
  written: z.strictObject({ boot: z.string(), bootMs: z.number(), wallMs: z.number() }),
  value: z.unknown(),
});

export function encode<Value>({ title, version, times }: Format<Value>, value: Value, now: Moment): Buffer {
  const body = Buffer.from(`${JSON.stringify(times === undefined ? value : { written: now, value })}\n`);
  return Buffer.concat([Buffer.from(`${title} ${version} ${checksum(title, version, body)}\n`), body]);
}

/** @throws Error if a bit is not as it was written, or the content does not match the schema */
export function decode<Value>(format: Format<Value>, bytes: Buffer, now: Moment): Value {
  const { title: wanted, version: known, fromPlain, times } = format;
  const end = bytes.indexOf('\n');
  const [title, version, sum] = bytes.subarray(0, Math.max(0, end)).toString('latin1').split(' ');
  if (fromPlain !== undefined && title !== wanted) {
    return fromWall(format, fromPlain(parse(bytes)), now);
  }
  if (end < 0 || title !== wanted) {
    throw new Error(`it does not begin with ${wanted}`);
  }
  const wasWall = times !== undefined && version === String(times.wallVersion);
  if (version !== String(known) && !wasWall) {
    throw new Error(`it is of version ${version ?? '?'}, and this program reads version ${known}`);
  }
  const body = bytes.subarray(end + 1);
  if (sum !== checksum(wanted, Number(version), body)) {
    throw new Error('it was damaged or cut off');
  }
  const json = parse(body);
  if (wasWall) {
    return fromWall(format, json, now);
  }
  if (times === undefined) {
    return check(format, json);
  }
  const { written, value } = requireShape(timed, json);
  return times.shift(check(format, value), shiftBetween(written, now));
}

/** Checks content whose times, if it has any, are the wall clock's. */
function fromWall<Value>(format: Format<Value>, json: unknown, now: Moment): Value {
  const value = check(format, json);
  return format.times?.shift(value, shiftFromWall(now)) ?? value;
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new Error('it was damaged or cut off', { cause: error });
  }
}

function check<Value>({ schema }: Format<Value>, json: unknown): Value {
  return requireShape(schema, json);
}

function requireShape<Value>(schema: ZodType<Value>, json: unknown): Value {
  const { success, data, error } = schema.safeParse(json);
  if (!success) {
    const [issue] = error.issues;
    const place = issue?.path.map(String).join('.') ?? '';
    throw new Error(`its content is invalid${place === '' ? '' : ` at ${place}`}`, { cause: error });
  }
  return data;
}

/** SHA-256 over the first words too, so that no version is mistaken for another. */
function checksum(title: string, version: number, body: Buffer): string {
  return createHash('sha256').update(`${title} ${version}\n`).update(body).digest('hex');
}
