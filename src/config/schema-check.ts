/** The shapes of health checks in the configuration file: what each type may have. */

import { z } from 'zod';

import {
  AGENT_WAYS,
  type Check,
  DEFAULT_EXPIRY_DAYS,
  DNS_RCODES,
  DNS_RECORDS,
  nearest,
  READY_DIALOGUES,
} from '../model/index.js';
import {
  absolutePath,
  alpn,
  command,
  dnsName,
  domainName,
  httpHeaders,
  httpHost,
  httpMethod,
  httpPath,
  otherAddress,
  re2Pattern,
  status,
  timingShape,
  trueOrFalse,
  wireText,
} from './schema-check-values.js';
import { wholeNumber } from './schema-values.js';

/** The types that need nothing else: the type alone is a check. */
const PLAIN_TYPES = ['tcp', 'http', 'https', 'tls', 'ping', 'udp', 'agent', ...READY_DIALOGUES] as const;
/** The others, each with an example. */
const FULL_TYPES: Readonly<Record<string, string>> = {
  dns: '{ type: dns, name: www.example.com }',
  'send-expect': '{ type: send-expect, steps: [{ expect: "^220" }] }',
  exec: '{ type: exec, command: [/usr/local/bin/check] }',
  file: '{ type: file, path: /run/weight }',
};
const TYPES = [...PLAIN_TYPES, ...Object.keys(FULL_TYPES)];

/** Completes "checks …", and "health …" for a check alone. */
export const CHECK_FORM = 'must be a type of check (tcp, http, https, …), or a mapping with "type"';

/** Says what a type may be, with a guess at what was meant. @param more other words that may stand there */
function typeMessage(word: unknown, more: readonly string[] = []): string {
  const all = [...more, ...TYPES];
  if (typeof word !== 'string') {
    return `must be ${all.join(', ')}`;
  }
  if (word === 'off') {
    return 'must be a type of check, not "off": a service without checks has no "health"';
  }
  const meant = nearest(word.toLowerCase(), all);
  return `must be ${all.join(', ')}, not "${word}"${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

/** A type alone. @param form completes "must be" for what is no text */
export function typeAlone(form: string) {
  return z.enum(PLAIN_TYPES, { error: ({ input }) => aloneMessage(input, form) });
}

/** The same, or "off". */
export function offOrTypeAlone(form: string) {
  return z.enum(['off', ...PLAIN_TYPES], { error: ({ input }) => aloneMessage(input, form, ['off']) });
}

function aloneMessage(input: unknown, form: string, more: readonly string[] = []): string {
  const example = typeof input === 'string' ? FULL_TYPES[input] : undefined;
  if (example !== undefined) {
    return `must be a mapping, as in ${example}, not "${String(input)}"`;
  }
  return typeof input === 'string' ? typeMessage(input, more) : form;
}

/** What every check can have. */
function timesShape() {
  const own = 'Default: that of the real server or the service.';
  return {
    ...timingShape({ interval: own, timeout: own, fastInterval: own, jitter: own, rise: own, fall: own }),
    every: wholeNumber(1, 1000).optional().meta({
      description:
        'The interval is so many times as long: beside a cheap check that runs often, a full one that runs seldom. Default: 1.',
    }),
  };
}

function viaShape() {
  return {
    via: z.enum(['vip', 'rip'], { error: 'must be vip or rip' }).optional().meta({
      description:
        "vip (default): the check goes to the VIP, through the real server. rip: to the real server's own address, which says nothing about the VIP.",
    }),
    address: otherAddress.optional(),
  };
}

function whereShape() {
  return {
    ...viaShape(),
    port: wholeNumber(1, 65_535).optional().meta({ description: "The port that is checked. Default: the service's." }),
    ...timesShape(),
  };
}

function requestShape() {
  return {
    method: httpMethod.optional().meta({ description: 'The method. Default: GET.' }),
    path: httpPath.optional().meta({ description: 'The path, with a query or without. Default: /.' }),
    host: httpHost.optional().meta({ description: 'The header Host. Default: the VIP.' }),
    headers: httpHeaders.optional().meta({ description: 'Other headers, by their names.' }),
    status: status.optional().meta({
      description: 'The statuses that pass: one, a range such as "200-299", or a list. Default: 200-399.',
    }),
    body: re2Pattern.optional().meta({
      description: 'A regular expression of RE2 that the body must match somewhere. At most 64 KiB are read.',
    }),
  };
}

export const requestMapping = z
  .lazy(() =>
    z.strictObject(requestShape(), { error: 'must be a request: a mapping with "path", "status" and others' }),
  )
  .meta({ id: 'request' });

const REQUESTS = 'must be a list of requests';

function httpShape() {
  return {
    ...requestShape(),
    requests: z
      .array(requestMapping, { error: REQUESTS })
      .min(1, { error: 'must have a request' })
      .max(32, { error: 'must have at most 32 requests' })
      .optional()
      .meta({ description: 'Several requests, all of which must pass. What is said beside holds for each of them.' }),
  };
}

function tlsShape() {
  return {
    sni: domainName.optional().meta({
      description:
        'The server name that is asked for, and that the certificate must be for. Default: none, and the VIP.',
    }),
    alpn: alpn.optional().meta({ description: 'The protocols that are offered; the server must choose one.' }),
    verify: trueOrFalse.optional().meta({ description: 'Whether the certificate must be valid. Default: true.' }),
    ca: absolutePath.optional().meta({
      description: 'A file with the certificates that are trusted, in PEM. Default: the well-known authorities.',
    }),
    expiryDays: wholeNumber(0, 3650)
      .optional()
      .meta({
        description: `Warn so many days before the certificate expires; 0: never. Default: ${DEFAULT_EXPIRY_DAYS}.`,
      }),
  };
}

/** A dialogue may be held over TLS. */
function maybeTlsShape() {
  return {
    tls: trueOrFalse.optional().meta({ description: 'Whether TLS comes first. Default: false.' }),
    ...tlsShape(),
  };
}

const STEPS = 'must be a list of steps, each a mapping with "expect" or "send"';

export const stepMapping = z.lazy(() =>
  z
    .strictObject(
      {
        expect: re2Pattern.optional().meta({
          description: 'A regular expression of RE2 that the answer matches; a byte is a character.',
        }),
        send: wireText.optional().meta({ description: 'What is said then. A character is a byte.' }),
      },
      { error: 'must be a mapping with "expect" or "send"' },
    )
    .refine(({ expect, send }) => expect !== undefined || send !== undefined, {
      error: 'must have "expect" or "send"',
    }),
);

function dialogueShape() {
  return {
    steps: z
      .array(stepMapping, { error: STEPS })
      .min(1, { error: STEPS })
      .max(64, { error: 'must have at most 64 steps' })
      .meta({ description: 'What is awaited, and what is said, in turn.' }),
    ...maybeTlsShape(),
  };
}

function dnsShape() {
  return {
    name: dnsName.meta({ description: 'The name that is asked for; "." is the root.' }),
    record: z
      .enum(DNS_RECORDS, { error: `must be ${DNS_RECORDS.join(', ')}` })
      .optional()
      .meta({ description: 'The type of the records. Default: A, or AAAA if the VIP is IPv6.' }),
    rcode: z
      .enum(DNS_RCODES, { error: `must be ${DNS_RCODES.join(', ')}` })
      .optional()
      .meta({ description: 'The code that the answer must have. Default: NOERROR.' }),
    answer: z
      .string({ error: 'must be text: an address or a name' })
      .min(1, { error: 'must be text: an address or a name' })
      .max(255, { error: 'must be text of at most 255 characters' })
      .optional()
      .meta({ description: 'An address or a name that must be among the answers. Default: whatever is.' }),
  };
}

function udpShape() {
  return {
    send: wireText
      .optional()
      .meta({ description: 'What is sent; a character is a byte. Default: a datagram without content.' }),
    reply: wireText.min(1, { error: 'must not be empty' }).optional().meta({
      description: 'How the answer must begin. Default: none is needed, and only an ICMP error fails.',
    }),
    mask: wireText.optional().meta({ description: 'The bits of "reply" that count, as long as that. Default: all.' }),
  };
}

function agentShape() {
  return {
    by: z
      .enum(AGENT_WAYS, { error: `must be ${AGENT_WAYS.join(', ')}` })
      .optional()
      .meta({
        description:
          'How the agent is asked: tcp (default) by a connection, http by a request, exec by a program whose output is the answer.',
      }),
    path: httpPath.optional().meta({ description: 'By http: the path. Default: /.' }),
    send: wireText.optional().meta({ description: 'By tcp: what is said first. Default: nothing.' }),
    command: command.optional().meta({ description: 'By exec: the program, and its arguments.' }),
  };
}

/** The mapping of a check of any type. */
export const checkMapping = z
  .lazy(() => {
    const type = <Type extends string>(name: Type): z.ZodLiteral<Type> => z.literal(name);
    const form = { error: CHECK_FORM };
    return z.discriminatedUnion(
      'type',
      [
        z
          .strictObject({ type: type('tcp'), ...whereShape() }, form)
          .meta({ description: 'The connection comes about.' }),
        z
          .strictObject({ type: type('http'), ...httpShape(), ...whereShape() }, form)
          .meta({ description: 'A request in HTTP/1.1, or several, and what the response must be.' }),
        z
          .strictObject({ type: type('https'), ...httpShape(), ...tlsShape(), ...whereShape() }, form)
          .meta({ description: 'The same over TLS.' }),
        z
          .strictObject({ type: type('tls'), ...tlsShape(), ...whereShape() }, form)
          .meta({ description: 'The handshake of TLS comes about.' }),
        z
          .strictObject({ type: type('dns'), ...dnsShape(), ...whereShape() }, form)
          .meta({ description: "A question to a DNS server, by the service's protocol." }),
        z
          .strictObject({ type: type('udp'), ...udpShape(), ...whereShape() }, form)
          .meta({ description: 'A datagram. Silence passes, unless "reply" says what the answer is.' }),
        z
          .strictObject({ type: type('ping'), ...viaShape(), ...timesShape() }, form)
          .meta({ description: 'An echo request of ICMP.' }),
        z
          .strictObject({ type: type('send-expect'), ...dialogueShape(), ...whereShape() }, form)
          .meta({ description: 'A dialogue over TCP or TLS.' }),
        z
          .strictObject({ type: z.enum(READY_DIALOGUES), ...maybeTlsShape(), ...whereShape() }, form)
          .meta({ description: 'A ready-made dialogue: the greeting, or what the protocol has in its place.' }),
        z.strictObject({ type: type('exec'), command, ...whereShape() }, form).meta({
          description: 'A program of this host, without a shell: status 0 passes.',
        }),
        z.strictObject({ type: type('agent'), ...agentShape(), ...whereShape() }, form).meta({
          description:
            'Asks a program at the real server, which answers "up", "down", "drain", "maint", "ready", "75%" or "weight 20". It never overrules a failed check.',
        }),
        z
          .strictObject(
            {
              type: type('file'),
              path: absolutePath.meta({ description: 'The file.' }),
              ...timesShape(),
            },
            form,
          )
          .meta({ description: 'A file of this host with a weight, or with a word as of an agent.' }),
      ],
      {
        error: ({ code, input }) =>
          (code as string) === 'invalid_type' ? CHECK_FORM : typeMessage((input as { readonly type?: unknown }).type),
      },
    );
  })
  .meta({ id: 'check' });

const check = z.union([typeAlone(CHECK_FORM).transform((type) => ({ type })), checkMapping]) satisfies z.ZodType<Check>;

const LIST_FORM = `${CHECK_FORM}, or a list of these`;

/** One check, or several. */
export const checks = z.lazy((): z.ZodType<readonly Check[]> =>
  z.union([
    typeAlone(LIST_FORM).transform((type) => [{ type }]),
    checkMapping.transform((each) => [each]),
    z.array(check, { error: LIST_FORM }).max(16, { error: 'must be at most 16 checks' }),
  ]),
);

/** Whether a check of some type may have a key. */
export function isKeyOfCheck(key: string): boolean {
  return checkMapping.unwrap().options.some(({ shape }) => Object.hasOwn(shape, key));
}

/** Returns the keys that a mapping of a type may have; undefined: there is no such type. */
export function keysOfCheck(type: unknown): readonly string[] | undefined {
  const found = checkMapping.unwrap().options.find(({ shape }) => shape.type.safeParse(type).success);
  return found === undefined ? undefined : Object.keys(found.shape);
}
