/** The shapes of values that only health checks have: times, statuses, texts for the wire, names, programs. */

import { z } from 'zod';

import { type CheckTiming, parseIp, type StatusRange } from '../model/index.js';
import { re2Problem } from './re2.js';
import { ipAddress, wholeNumber } from './schema-values.js';

const SHORTEST_SECONDS = 0.1;
/** A day. */
const MOST_SECONDS = 86_400;

export function secondsFrom(low: number, high = MOST_SECONDS): z.ZodNumber {
  const error = `must be seconds from ${low} to ${high}`;
  return z.number({ error }).min(low, { error }).max(high, { error });
}

export const seconds = secondsFrom(SHORTEST_SECONDS);

const MOST_JITTER = 0.5;
const JITTER_FORM = `must be a part from 0 to ${MOST_JITTER}`;

/** How the keys for times are described, by whose they are. */
export function timingShape(
  defaults: Readonly<Record<keyof CheckTiming, string>>,
): Record<keyof CheckTiming, z.ZodOptional<z.ZodNumber>> {
  const optional = (type: z.ZodNumber, description: string): z.ZodOptional<z.ZodNumber> =>
    type.optional().meta({ description });
  const results = wholeNumber(1, 1000);
  return {
    interval: optional(seconds, `Seconds from one run of a check to the next. ${defaults.interval}`),
    timeout: optional(seconds, `Seconds after which a check fails. ${defaults.timeout}`),
    fastInterval: optional(
      seconds,
      `The interval while results speak against the state, so that it changes sooner. ${defaults.fastInterval}`,
    ),
    jitter: optional(
      z.number({ error: JITTER_FORM }).min(0, { error: JITTER_FORM }).max(MOST_JITTER, { error: JITTER_FORM }),
      `The part of its interval by which each run is drawn earlier or later, so that many checks do not march in step. ${defaults.jitter}`,
    ),
    rise: optional(results, `So many passed checks in a row bring a real server up. ${defaults.rise}`),
    fall: optional(results, `So many failed checks in a row bring it down. ${defaults.fall}`),
  };
}

/** A text of so many characters at most, in which each of them, or the whole, is as a pattern says. */
export function textLike(error: string, pattern: RegExp, most: number): z.ZodString {
  return z
    .string({ error })
    .regex(pattern, { error })
    .max(most, { error: `${error}, of at most ${most} characters` });
}

const MOST_BYTES = 4096;

/** A text for the wire, in which each character is a byte. */
export const wireText = textLike(
  'must be text of the characters U+0000 to U+00FF, each of which is a byte: "\\x00" to "\\xff" in double quotes',
  /^[\u0000-\u00ff]*$/,
  MOST_BYTES,
);

const MOST_PATTERN = 1000;

/** A regular expression of RE2, which takes time in proportion to what it searches, whatever it is. */
export const re2Pattern = z
  .string({ error: 'must be a regular expression' })
  .max(MOST_PATTERN, { error: `must be a regular expression of at most ${MOST_PATTERN} characters` })
  .superRefine((text, context) => {
    const problem = text.length > MOST_PATTERN ? undefined : re2Problem(text);
    if (problem !== undefined) {
      context.addIssue({ code: 'custom', message: `must be a regular expression of RE2 (${problem})` });
    }
  });

/** The bytes of PATH_MAX, without the terminating zero. */
const MOST_PATH = 4095;

export const absolutePath = textLike(
  'must be the absolute path of a file, which begins with "/"',
  /^\/[^\u0000]*$/,
  MOST_PATH,
);

const COMMAND_FORM = 'must be a list: the absolute path of a program, and its arguments';

const word = z
  .string({ error: 'must be text; put numbers in quotes' })
  .regex(/^[^\u0000]*$/, { error: 'must be text without zero bytes' })
  .max(MOST_BYTES, { error: `must be text of at most ${MOST_BYTES} characters` });

/** A program and its arguments. No shell reads them. */
export const command = z
  .array(word, { error: COMMAND_FORM })
  .min(1, { error: COMMAND_FORM })
  .max(64, { error: `${COMMAND_FORM}, 63 at most` })
  .superRefine(([program = '/'], context) => {
    if (!program.startsWith('/')) {
      context.addIssue({
        code: 'custom',
        path: [0],
        message: 'must be the absolute path of a program, which begins with "/": there is no shell to find it',
      });
    }
  });

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** RFC 9110, 9.1: a token. */
export const httpMethod = textLike('must be a method of HTTP, such as GET, HEAD or OPTIONS', TOKEN, 32);

export const httpPath = textLike(
  'must be a path that begins with "/", in which spaces and letters beyond ASCII are percent-encoded',
  /^\/[\u0021-\u007e]*$/,
  2048,
);

export const httpHost = textLike(
  'must be a host name or an address, with a port or without',
  /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/,
  255,
);

const MOST_HEADERS = 32;

/** RFC 9110, 5.5: whatever is no control character; a line break would begin another header. */
export const httpHeaders = z
  .record(
    textLike('must be the name of a header: letters, digits, hyphens', TOKEN, 128),
    textLike('must be text on one line; put numbers in quotes', /^[\t\u0020-\u007e\u00a0-\u00ff]*$/, MOST_BYTES),
    { error: 'must be a mapping of headers to their values' },
  )
  .refine((headers) => Object.keys(headers).length <= MOST_HEADERS, {
    error: `must have at most ${MOST_HEADERS} headers`,
  });

const STATUS_FORM = 'must be a status from 100 to 599, or a range such as "200-299"';

const statusCode = z
  .number({ error: STATUS_FORM })
  .int({ error: STATUS_FORM })
  .min(100, { error: STATUS_FORM })
  .max(599, { error: STATUS_FORM })
  .transform((code): StatusRange => ({ first: code, last: code }));

const statusRange = z
  .string({ error: STATUS_FORM })
  .regex(/^[1-5][0-9]{2}(?:-[1-5][0-9]{2})?$/, { error: STATUS_FORM })
  .transform((text, context): StatusRange => {
    const [first = 0, last = first] = text.split('-').map(Number);
    if (first > last) {
      context.addIssue({ code: 'custom', message: `must begin with the lower status, not "${text}"` });
      return z.NEVER;
    }
    return { first, last };
  });

const statuses = z
  .array(z.union([statusRange, statusCode]), { error: `${STATUS_FORM}, or a list of them` })
  .min(1, { error: STATUS_FORM })
  .max(16, { error: 'must have at most 16 statuses and ranges' });

/** Always a list: one status, one range, or several. */
export const status = z.union([
  statusRange.transform((range) => [range]),
  statusCode.transform((range) => [range]),
  statuses,
]);

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';

export const domainName = textLike(
  'must be the name of a host, for example www.example.com',
  new RegExp(`^${LABEL}(?:\\.${LABEL})*$`),
  253,
).refine((text) => parseIp(text) === undefined, { error: 'must be the name of a host, and no address' });

export const dnsName = textLike(
  'must be a name of the DNS, for example www.example.com, or "." for the root',
  new RegExp(`^(?:\\.|${LABEL}(?:\\.${LABEL})*\\.?)$`),
  254,
);

export const alpn = z
  .array(textLike('must be a protocol as ALPN names it, such as h2', /^[\u0021-\u007e]+$/, 255), {
    error: 'must be a list of protocols as ALPN names them, such as h2 and http/1.1',
  })
  .min(1, { error: 'must name a protocol' })
  .max(8, { error: 'must name at most 8 protocols' });

export const trueOrFalse = z.boolean({ error: 'must be true or false' });

const URL_FORM = 'must be a URL of http or https, for example https://alerts.example/beeline';

export const webUrl = z
  .string({ error: URL_FORM })
  .max(2048, { error: `${URL_FORM}, of at most 2048 characters` })
  .refine((text) => /^https?:\/\/[^\s\u0000-\u001f]+$/i.test(text) && URL.canParse(text), { error: URL_FORM })
  .meta({ pattern: '^[hH][tT][tT][pP][sS]?://' });

const PORTS_FORM = 'must be a range of ports, for example 61000-65095';

export const portRange = z
  .string({ error: PORTS_FORM })
  .regex(/^[0-9]{1,5}-[0-9]{1,5}$/, { error: PORTS_FORM })
  .transform((text, context) => {
    const [first = 0, last = 0] = text.split('-').map(Number);
    const problem = portsProblem(first, last);
    if (problem !== undefined) {
      context.addIssue({ code: 'custom', message: problem });
      return z.NEVER;
    }
    return { first, last };
  });

/** Below are ports for which a socket needs a privilege. */
const LOWEST_PORT = 1024;
/** A check's port rests for seconds before it is used again. */
const FEWEST_PORTS = 64;
const MOST_PORTS = 32_768;

function portsProblem(first: number, last: number): string | undefined {
  if (last > 0xffff || first > last) {
    return PORTS_FORM;
  }
  if (first < LOWEST_PORT) {
    return `must begin at ${LOWEST_PORT} or above`;
  }
  const ports = last - first + 1;
  return ports < FEWEST_PORTS || ports > MOST_PORTS ? `must have ${FEWEST_PORTS} to ${MOST_PORTS} ports` : undefined;
}

export const otherAddress = ipAddress(
  'With "via: rip": another address that stands for the real server. The check goes there. Default: the real server\'s own.',
);
