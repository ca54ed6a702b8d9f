/** The content of a stored file: a line with title, version and checksum, then JSON. Pure. */

import { createHash } from 'node:crypto';

import type { ZodType } from 'zod';

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
}

export function encode<Value>({ title, version }: Format<Value>, value: Value): Buffer {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  return Buffer.concat([Buffer.from(`${title} ${version} ${checksum(title, version, body)}\n`), body]);
}

/** @throws Error if a bit is not as it was written, or the content does not match the schema */
export function decode<Value>(format: Format<Value>, bytes: Buffer): Value {
  const { title: wanted, version: known, fromPlain } = format;
  const end = bytes.indexOf('\n');
  const [title, version, sum] = bytes.subarray(0, Math.max(0, end)).toString('latin1').split(' ');
  if (fromPlain !== undefined && title !== wanted) {
    return check(format, fromPlain(parse(bytes)));
  }
  if (end < 0 || title !== wanted) {
    throw new Error(`it does not begin with ${wanted}`);
  }
  if (version !== String(known)) {
    throw new Error(`it is of version ${version ?? '?'}, and this program reads version ${known}`);
  }
  const body = bytes.subarray(end + 1);
  if (sum !== checksum(wanted, known, body)) {
    throw new Error('it was damaged or cut off');
  }
  return check(format, parse(body));
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new Error('it was damaged or cut off', { cause: error });
  }
}

function check<Value>({ schema }: Format<Value>, json: unknown): Value {
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
