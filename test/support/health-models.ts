/** Health of any kind, for tests that write and read it. */

import fc from 'fast-check';

import {
  type Check,
  DNS_RCODES,
  DNS_RECORDS,
  type HealthPolicy,
  type HealthSettings,
  type HttpRequest,
  ip,
  ON_FAILURE,
  READY_DIALOGUES,
  type RealServerHealth,
} from '../../src/model/index.js';

/** A record some of whose keys are left out, as in a model that was read. */
function some<Value extends object>(shape: { readonly [Key in keyof Value]: fc.Arbitrary<Value[Key]> }): fc.Arbitrary<
  Partial<Value>
> {
  return fc.record<Partial<Value>>(shape, { requiredKeys: [], noNullPrototype: true }) as never;
}

/** Whatever may go over a wire, line breaks, quotes, zeros and YAML's own characters included. */
const bytes = fc.oneof(
  fc.constantFrom(
    'QUIT\r\n',
    'off',
    'null',
    '5',
    ' x ',
    '\u0000\u00ff',
    '# no comment',
    'a: b',
    '- c',
    '"',
    "'",
    '\u0085',
  ),
  fc.uint8Array({ minLength: 1, maxLength: 20 }).map((each) => Buffer.from(each).toString('latin1')),
);
const pattern = fc.constantFrom('^ok', '(?i)alive|well', '"status": *"up"', '\\+PONG', '[^\\r\\n]+\\n', '#', '\\x00');
const seconds = fc.constantFrom(0.1, 0.25, 1, 1.5, 3, 60, 86_400);
const count = fc.integer({ min: 1, max: 1000 });
const port = fc.integer({ min: 1, max: 0xffff });

const timing = { interval: seconds, timeout: seconds, jitter: fc.constantFrom(0, 0.1, 0.5), rise: count, fall: count };
const where = { ...timing, port, every: fc.constantFrom(1, 5), via: fc.constantFrom('vip' as const, 'rip' as const) };

const request = {
  method: fc.constantFrom('GET', 'HEAD', 'OPTIONS'),
  path: fc.constantFrom('/', '/health?a=b&c=%20', '/#'),
  host: fc.constantFrom('www.example.com', '[fd00::1]:8080', '10.0.0.1'),
  headers: fc.constantFrom({ 'X-Probe': 'yes', Accept: 'text/html, */*' }, { a: '5' }, {}),
  status: fc.constantFrom(
    [{ first: 200, last: 200 }],
    [{ first: 200, last: 299 }],
    [
      { first: 100, last: 100 },
      { first: 200, last: 399 },
    ],
  ),
  body: pattern,
};
const requests: fc.Arbitrary<readonly HttpRequest[]> = fc.array(some<HttpRequest>(request as never), {
  minLength: 1,
  maxLength: 3,
});
const tlsSettings = {
  sni: fc.constantFrom('www.example.com', 'localhost'),
  alpn: fc.constantFrom(['h2'], ['h2', 'http/1.1']),
  verify: fc.boolean(),
  ca: fc.constant('/etc/ssl/ca with spaces.pem'),
  expiryDays: fc.constantFrom(0, 14),
};
const step = fc.oneof(
  fc.record({ expect: pattern }, { noNullPrototype: true }),
  fc.record({ send: bytes }, { noNullPrototype: true }),
  fc.record({ expect: pattern, send: bytes }, { noNullPrototype: true }),
);
const command = fc
  .array(
    bytes.map((each) => each.replaceAll('\u0000', '0')),
    { maxLength: 3 },
  )
  .map((words) => ['/usr/local/bin/check', ...words]);

function checkOf(type: Check['type'], must: object, may: object): fc.Arbitrary<Check> {
  return fc
    .tuple(fc.record(must, { noNullPrototype: true }), some(may as never))
    .map(([given, rest]) => ({ type, ...given, ...rest }) as unknown as Check);
}

const overTls = checkOf('tls', {}, { ...tlsSettings, ...where });

export const anyCheck: fc.Arbitrary<Check> = fc.oneof(
  fc.constantFrom('tcp', 'http', 'https', 'tls', 'ping', 'udp', 'agent', ...READY_DIALOGUES).map((type) => ({ type })),
  checkOf('tcp', {}, where),
  checkOf('http', {}, { ...request, requests, ...where }),
  checkOf('https', {}, { ...request, requests, ...tlsSettings, ...where }),
  overTls,
  checkOf(
    'dns',
    { name: fc.constantFrom('.', 'www.example.com', '_sip._tcp.example.') },
    {
      record: fc.constantFrom(...DNS_RECORDS),
      rcode: fc.constantFrom(...DNS_RCODES),
      answer: fc.constantFrom('10.0.0.1', 'v=spf1 -all'),
      ...where,
    },
  ),
  checkOf('udp', {}, { send: bytes, reply: bytes, ...where }),
  bytes.map((reply): Check => ({ type: 'udp', reply, mask: '\u00f0'.repeat(reply.length) })),
  checkOf('ping', {}, { ...timing, via: where.via }),
  checkOf('send-expect', { steps: fc.array(step, { minLength: 1, maxLength: 3 }) }, where),
  checkOf('smtp', { tls: fc.constant(true) }, { ...tlsSettings, ...where }),
  checkOf('exec', { command }, where),
  checkOf('agent', { by: fc.constant('exec'), command }, where),
  checkOf('agent', { by: fc.constant('http'), path: request.path }, where),
  checkOf('file', { path: fc.constant('/run/weight') }, timing),
  fc.constant<Check>({ type: 'tcp', via: 'rip', address: ip('10.0.0.99') }),
);

const checks = fc.array(anyCheck, { maxLength: 4 });
const common = { ...timing, initially: fc.constantFrom('up', 'down'), slowStart: fc.constantFrom(0, 30) };

/** Of services of IPv4. */
export const anyHealth: fc.Arbitrary<HealthPolicy> = fc
  .tuple(
    checks,
    some<HealthPolicy>({
      ...common,
      onFailure: fc.constantFrom(...ON_FAILURE),
      quorum: fc.constantFrom({ weight: 3 }, { weight: 3, hysteresis: 1 }, { weight: 1, hysteresis: 0 }),
      damping: fc.constant({ changes: 3, within: 60, hold: 120 }),
      fallback: fc.constantFrom([ip('127.0.0.1')], [ip('10.9.0.1'), ip('10.9.0.2')]),
    } as never),
    fc.boolean(),
  )
  .map(([own, rest, panic]) => ({ checks: own, ...rest, ...(panic && rest.fallback === undefined ? { panic } : {}) }));

export const anyRealServerHealth: fc.Arbitrary<RealServerHealth> = fc.oneof(
  fc.constant({ checks: [] }),
  some<RealServerHealth>({ checks, ...common }),
);

export const anyHealthSettings: fc.Arbitrary<HealthSettings> = some<HealthSettings>({
  ports: fc.constant({ first: 50_000, last: 51_000 }),
  hooks: fc.array(
    fc.oneof(
      command.map((words) => ({ command: words })),
      fc.record(
        {
          url: fc.constant('https://alerts.example/a?b=c'),
          secretFile: fc.constant('/etc/key'),
          timeout: fc.constant(2.5),
        },
        { requiredKeys: ['url'], noNullPrototype: true },
      ),
    ),
    { maxLength: 3 },
  ),
}).filter((each) => Object.keys(each).length > 0);
