/** ipvsadm's language beyond the recordings: any command line, any table, traps, numbers, what Beeline does not do. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import fc from 'fast-check';

import { ipvsadmCall } from '../../../src/cli/index.js';
import type { FlowReport, Handlers } from '../../../src/control/index.js';
import { ControlServer } from '../../../src/control/server.js';
import { inetAton } from '../../../src/ipvsadm/address.js';
import { parseArguments } from '../../../src/ipvsadm/arguments.js';
import { Failure } from '../../../src/ipvsadm/errors.js';
import { clearAndRestore } from '../../../src/ipvsadm/execute.js';
import { formatConnection, largeNumber, NUMBERS } from '../../../src/ipvsadm/listing.js';
import { parseServices, systemNames } from '../../../src/ipvsadm/names.js';
import { daemonAt, toolNamed } from '../../../src/ipvsadm/tool.js';
import {
  type AnyServiceKey,
  HASHING_SCHEDULERS,
  ip,
  type IpAddress,
  ipFromBytes,
  type Model,
  SCHEDULERS,
  serviceName,
  type ServicePolicy,
} from '../../../src/model/index.js';
import { FakeDirector, ipvsadm, piecesOf, RECORDED_NAMES } from '../../support/ipvsadm.js';

const WORDS =
  `-A -E -D -C -R -S -a -e -d -L -l -Z -h -v -t -u -f -s -p -M -r -m -i -g -w -x -y -n -c -X -6 -o -b -Ln -Lnc
  --set --timeout --daemon --stats --rate --exact --thresholds --persistent-conn --nosort --sort --pe --sctp-service
  --start-daemon --stop-daemon --syncid --mcast-group --tun-type --tun-port --tun-csum --list=3 --weight=4 -- - master
  10.0.0.1:80 10.0.0.2 [fd00::1]:80 [fd00::2]:80 fd00::1 1 0 -1 60 255.255.255.0 64 rr wrr sh sh-port bogus gue`.split(
    /\s+/,
  );

test('no command line makes the parser throw anything but an ipvsadm error', async () => {
  const word = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...WORDS) }, fc.string());
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 8 }), async (words) => {
      try {
        await parseArguments(words, RECORDED_NAMES);
      } catch (error) {
        assert.ok(error instanceof Failure, String(error));
        assert.ok([2, 255].includes(error.status));
      }
    }),
    { numRuns: 3000 },
  );
});

test('short options may be joined, long ones not abbreviated', async () => {
  const parse = (...words: string[]): ReturnType<typeof parseArguments> => parseArguments(words, RECORDED_NAMES);
  const numeric = await parse('-L', '-n');
  assert.deepEqual(await parse('-Ln'), numeric);
  assert.deepEqual(await parse('--list', '--numeric'), numeric);
  assert.deepEqual(await parse('-lnc'), await parse('--list', '--connection', '--numeric'));
  assert.deepEqual(await parse('-At10.0.0.1:80', '-srr'), await parse('-A', '--tcp-service=10.0.0.1:80', '-s', 'rr'));
  await assert.rejects(parse('-L', '--num'), { text: '--num: unknown option', status: 255 });
});

/** Any address service or mark service with what ipvsadm can say of it. */
const anyService = fc.constantFrom(4 as const, 6 as const).chain((family) => {
  const address = fc
    .uint8Array({ minLength: 3, maxLength: 3 })
    .map((bytes) =>
      ipFromBytes(
        family === 4 ? Uint8Array.of(20, ...bytes) : Uint8Array.of(0xfd, 1, ...Array<number>(11).fill(0), ...bytes),
      ),
    );
  const server = address.map((each) => ip(each.replace(/^20\./, '10.').replace(/^fd01/, 'fd02')));
  const key: fc.Arbitrary<AnyServiceKey> = fc.oneof(
    fc.record({
      address,
      port: fc.integer({ min: 1, max: 65_535 }),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    }),
    fc.record({ mark: fc.integer({ min: 1, max: 0x7fff_ffff }), family: fc.constant(family) }),
  );
  const mask = family === 4 ? fc.constantFrom(ip('255.255.255.0'), ip('255.0.0.0')) : fc.integer({ min: 1, max: 127 });
  return fc.record({
    key,
    scheduler: fc.constantFrom(...SCHEDULERS),
    persistence: fc.option(
      fc.oneof(
        fc.record({ timeout: fc.integer({ min: 1, max: 2_678_400 }) }),
        fc.record({ timeout: fc.integer({ min: 1, max: 2_678_400 }), mask }),
      ),
      { nil: undefined },
    ),
    onePacket: fc.boolean(),
    flags: fc.subarray(['fallback', 'port'] as const),
    servers: fc.uniqueArray(fc.record({ address: server, weight: fc.nat(2 ** 31 - 1) }), {
      selector: (each) => each.address,
      maxLength: 6,
    }),
  });
});

test('-R makes the same table from the output of -S -n', async () => {
  const services = fc.uniqueArray(anyService, { selector: ({ key }) => serviceName(key), maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(services, async (all) => {
      const director = new FakeDirector();
      for (const { key, scheduler, persistence, onePacket, flags, servers } of all) {
        const hashes = HASHING_SCHEDULERS.find((each) => each === scheduler && each !== 'maglev') as
          'sh' | 'mh' | undefined;
        await director.edit({
          kind: 'add-service',
          service: key,
          policy: {
            scheduler,
            flags: hashes === undefined ? [] : flags.map((flag) => `${hashes}-${flag}` as const),
            persistence,
            onePacket: onePacket && persistence === undefined && ('mark' in key || key.protocol === 'udp'),
          },
        });
        for (const destination of servers) {
          await director.edit({ kind: 'add-destination', service: key, destination });
        }
      }
      const { output } = await ipvsadm(director, ['-S', '-n']);
      const copy = new FakeDirector();
      assert.deepEqual(await ipvsadm(copy, ['-R'], { stdin: output }).then((each) => [each.output, each.status]), [
        '',
        0,
      ]);
      assert.deepEqual(inIpvsTerms(copy.model), inIpvsTerms(director.model));
    }),
  );
});

/** Services and destinations without their order, which -S does not keep. */
function inIpvsTerms({ services, markServices = [] }: Model): unknown {
  return [...services, ...markServices]
    .map((each: AnyServiceKey & ServicePolicy) => ({
      ...each,
      destinations: [...each.destinations].sort((a, b) => (a.address < b.address ? -1 : 1)),
    }))
    .sort((a, b) => (serviceName(a) < serviceName(b) ? -1 : 1));
}

test('large numbers are shortened to eight digits and a letter, except with --exact', () => {
  const cases: [number | bigint, string, string][] = [
    [0, '        0', '        0'],
    [99_999_999, ' 99999999', ' 99999999'],
    [100_000_000, '  100000K', ' 100000000'],
    [999_999_999, '  999999K', ' 999999999'],
    [1_000_000_000, '    1000M', ' 1000000000'],
    [99_999_999_999, '   99999M', ' 99999999999'],
    [100_000_000_000, '     100G', ' 100000000000'],
    [99_999_999_999_999, '   99999G', ' 99999999999999'],
    [100_000_000_000_000, '     100T', ' 100000000000000'],
    [2n ** 64n - 1n, '18446744T', ' 18446744073709551615'],
  ];
  for (const [value, short, exact] of cases) {
    assert.deepEqual([largeNumber(value, false), largeNumber(value, true)], [short, exact]);
  }
});

test('statistics count incoming packets, and outgoing ones as 0', async () => {
  const director = new FakeDirector();
  await ipvsadm(director, ['-A', '-t', '10.0.0.1:80', '-s', 'wrr']);
  await ipvsadm(director, ['-a', '-t', '10.0.0.1:80', '-r', '10.0.0.2', '-w', '7', '-x', '9', '-y', '5']);
  const counters = { connections: 12, packets: 123_456_789, bytes: 5_000_000_000 };
  const rates = { connections: 1.4, packets: 99.6, bytes: 123_456_789 };
  director.figures = {
    'tcp 10.0.0.1:80': { counters, rates },
    'tcp 10.0.0.1:80 10.0.0.2': { counters, rates, local: true, active: 3, inactive: 2, persistent: 1 },
  };
  const rowsOf = async (...words: string[]): Promise<string[]> =>
    (await ipvsadm(director, ['-Ln', ...words])).output.split('\n').slice(3, 5);
  assert.deepEqual(await rowsOf('--stats'), [
    'TCP  10.0.0.1:80                        12  123456K        0    5000M        0',
    '  -> 10.0.0.2:80                        12  123456K        0    5000M        0',
  ]);
  assert.deepEqual(await rowsOf('--rate'), [
    'TCP  10.0.0.1:80                         1      100        0  123456K        0',
    '  -> 10.0.0.2:80                         1      100        0  123456K        0',
  ]);
  assert.deepEqual(await rowsOf('--stats', '--exact'), [
    'TCP  10.0.0.1:80                        12 123456789        0 5000000000        0',
    '  -> 10.0.0.2:80                        12 123456789        0 5000000000        0',
  ]);
  assert.equal((await rowsOf())[1], '  -> 10.0.0.2:80                  Local   7      3          2         ');
  assert.equal(
    (await rowsOf('--thresholds'))[1],
    '  -> 10.0.0.2:80                  9          5          3          2         ',
  );
  assert.equal(
    (await rowsOf('--persistent-conn'))[1],
    '  -> 10.0.0.2:80                  7         1           3          2         ',
  );
  assert.match((await ipvsadm(director, ['-S', '-n'])).output, /-r 10\.0\.0\.2:80 -g -w 7\n/);
});

test('a template of a mark shows the mark in place of the VIP', () => {
  const template: FlowReport = {
    client: ip('fd00::9'),
    clientPort: 0,
    service: 'fwm 258 ipv6',
    realServer: ip('fd00::31'),
    mark: 0x1_0002,
    state: 'ASSURED',
    idleSeconds: 0,
    expiresSeconds: 7200.7,
  };
  assert.equal(
    formatConnection(template, NUMBERS),
    'IP  120:00 ASSURED     [fd00::9]:0        [1:2::]:0          [fd00::31]:0\n',
  );
  assert.equal(
    formatConnection(
      {
        ...template,
        protocol: 'tcp',
        clientPort: 1234,
        vip: ip('fd00::100'),
        port: 80,
        state: 'FIN_WAIT',
        expiresSeconds: 9,
      },
      NUMBERS,
    ),
    'TCP 00:09  FIN_WAIT    [fd00::9]:1234     [fd00::100]:80     [fd00::31]:80\n',
  );
});

test('options that Beeline does not support are refused with an alternative, and change nothing', async () => {
  const director = new FakeDirector();
  await ipvsadm(director, ['-A', '-t', '10.0.0.1:80']);
  const { model } = director;
  for (const line of [
    '-a -t 10.0.0.1:80 -r 10.0.0.2 -m',
    '-a -t 10.0.0.1:80 -r 10.0.0.2 -i',
    '-A -u 10.0.0.1:5060 -p --pe sip',
    '-A --sctp-service 10.0.0.1:80',
    '-a -t 10.0.0.1:80 -r 10.0.0.1',
    '-A -u 10.0.0.1:53 -o -p 60',
    '-E -t 10.0.0.1:80 -p 60 -M 0.0.0.0',
  ]) {
    const { output, status } = await ipvsadm(director, line.split(' '));
    assert.equal(status, 255, line);
    assert.match(output, /^[^\n]{10,}\n[^\n]{10,}\n$/, line);
    assert.equal(director.model, model);
  }
});

test('warnings appear once, and change neither output nor status', async () => {
  const director = new FakeDirector();
  const lines = [
    '-A -t 10.0.0.1:80 -s rr',
    '-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -w 3',
    '-a -t 10.0.0.1:80 -r 10.0.0.3 -w 3',
    '-A -f 7 -s rr',
    '-a -f 7 -r 10.0.0.2',
    '-A -t 10.0.0.1:81 -s wlc -b flag-3',
  ];
  const { output, warnings, status } = await ipvsadm(director, ['-R'], {
    stdin: lines.join('\n'),
    loopback: () => Promise.resolve([{ address: ip('10.0.0.1'), prefixLength: 24 }]),
  });
  assert.deepEqual([output, status], ['', 0]);
  assert.deepEqual(
    warnings.map((text) => /\/24 on lo|port|rr gives|beeline mark add 7|flag-3/.exec(text)?.[0]),
    ['/24 on lo', 'rr gives', 'port', 'beeline mark add 7', 'flag-3'],
  );
  const single = await ipvsadm(director, ['-A', '-t', '10.0.0.9:80'], {
    loopback: () => Promise.resolve([{ address: ip('10.0.0.9'), prefixLength: 32 }]),
  });
  assert.deepEqual(single.warnings, []);
});

test('-d deletes a real server only by the port that the table has', async () => {
  const director = new FakeDirector();
  await ipvsadm(director, ['-A', '-t', '10.0.0.1:80']);
  await ipvsadm(director, ['-a', '-t', '10.0.0.1:80', '-r', '10.0.0.2']);
  const remove = async (...words: string[]): Promise<string> => (await ipvsadm(director, ['-d', ...words])).output;
  assert.equal(await remove('-t', '10.0.0.1:80', '-r', '10.0.0.2:81'), 'No such destination\n');
  assert.equal(await remove('-r', '10.0.0.2', '-t', '10.0.0.1:80'), 'No such destination\n');
  assert.equal(await remove('-t', '10.0.0.1:81', '-r', '10.0.0.2:82'), 'Service not defined\n');
  assert.equal(await remove('-t', '10.0.0.1:80', '-r', '10.0.0.2:80'), '');
});

test('starting and stopping the synchronisation daemons succeeds, with a warning why nothing needs it', async () => {
  for (const line of ['--start-daemon master --mcast-interface eth0', '--stop-daemon backup']) {
    const { output, status, warnings } = await ipvsadm(new FakeDirector(), line.split(' '));
    assert.deepEqual([output, status], ['', 0]);
    assert.match(warnings.join(), /--st(art|op)-daemon does nothing, and nothing needs it/);
  }
});

test('a second port of a real server of a mark is refused with the reason, and other services have no such ports', async () => {
  const director = new FakeDirector();
  await ipvsadm(director, ['-A', '-f', '7']);
  await ipvsadm(director, ['-a', '-f', '7', '-r', '10.0.0.2:80']);
  const second = await ipvsadm(director, ['-a', '-f', '7', '-r', '10.0.0.2:443']);
  assert.equal(second.status, 255);
  assert.match(second.output, /10\.0\.0\.2 already, with port 80\n.*packets keep the port/);
  const service = { mark: 7, family: 4 } as const;
  await director.edit({ kind: 'edit-destination', service, destination: { address: ip('10.0.0.2'), weight: 9 } });
  assert.deepEqual(director.model.markServices?.[0]?.destinations, [{ address: '10.0.0.2', port: 80, weight: 9 }]);
});

test('-Z resets the statistics of the named service, or of all', async () => {
  const director = new FakeDirector();
  await ipvsadm(director, ['-A', '-f', '3', '-6']);
  await ipvsadm(director, ['-Z', '-f', '3', '-6']);
  await ipvsadm(director, ['-Z']);
  assert.deepEqual(director.zeroed, ['fwm 3 ipv6', 'all']);
});

test('ipvsadm-restore clears the table first, and accepts comments', async () => {
  const director = new FakeDirector();
  await ipvsadm(director, ['-A', '-t', '10.0.0.9:80']);
  const status = await clearAndRestore({
    director,
    names: RECORDED_NAMES,
    out: (text) => {
      assert.equal(text, '');
    },
    err: (text) => {
      assert.equal(text, '');
    },
    input: () => piecesOf('# Saved\n-A -t 10.0.0.1:80 -s wlc\n#\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 1\n'),
    loopback: () => Promise.resolve([]),
  });
  assert.deepEqual([status, director.model.services.map(serviceName)], [0, ['tcp 10.0.0.1:80']]);
});

test('-R loses no line while the daemon answers faster than names are looked up', async () => {
  class Slow extends FakeDirector {
    override async edits(...given: Parameters<FakeDirector['edits']>): ReturnType<FakeDirector['edits']> {
      await sleep(1);
      return super.edits(...given);
    }
  }
  const director = new Slow();
  const names = {
    ...RECORDED_NAMES,
    addressOf: async (host: string): Promise<IpAddress> => {
      await sleep(5);
      return ip(`10.0.1.${host.slice('real'.length)}`);
    },
  };
  const lines = Array.from({ length: 40 }, (_, i) => `-a -t 10.0.0.1:80 -r real${i + 1}\n`);
  const input = (): AsyncIterable<string> => piecesOf(`-A -t 10.0.0.1:80 -s rr\n${lines.join('')}`, 10_000);
  const { output, status } = await ipvsadm(director, ['-R'], { input, names });
  assert.deepEqual([output, status], ['', 0]);
  assert.equal(director.model.services[0]!.destinations.length, lines.length);
});

/** Counts requests for edits. */
class CountingDirector extends FakeDirector {
  readonly requests: [kinds: string, atomic: boolean][] = [];
  /** Of each request, how many edits it has, and how many are said to follow. */
  readonly announced: [edits: number, following: number][] = [];

  override async edits(
    ...[changes, atomic, following = NaN]: [...Parameters<FakeDirector['edits']>, following?: number]
  ): ReturnType<FakeDirector['edits']> {
    this.requests.push([changes.map(({ kind }) => kind).join(), atomic]);
    this.announced.push([changes.length, following]);
    return super.edits(changes, atomic);
  }
}

test('lines that come together are one request, and failures are reported in their order', async () => {
  const director = new CountingDirector();
  const stdin = [
    '-A -t 10.0.0.1:80 -s rr',
    '-A -t 10.0.0.1:80 -s rr',
    '-A -t 10.0.0.2:80 -s nosuch',
    '-a -t 10.0.0.1:80 -r 10.0.0.9 -m',
    '-a -t 10.0.0.1:80 -r 10.0.0.9',
    '-a -t 10.0.0.1:80 -r 10.0.0.9',
    '-a -t 10.0.0.3:80 -r 10.0.0.9',
    '-D -t 10.0.0.1:80',
  ];
  const input = (): AsyncIterable<string> => piecesOf(`${stdin.join('\n')}\n`, 10_000);
  const { output, status } = await ipvsadm(director, ['-R'], { input });
  assert.deepEqual(
    [output.split('\n').filter((line) => /^[SD]/.test(line)), status],
    [
      [
        'Service already exists',
        'Scheduler or persistence engine not found',
        'Destination already exists',
        'Service not defined',
      ],
      0,
    ],
  );
  assert.ok(director.requests.length <= 2, JSON.stringify(director.requests));
  assert.deepEqual(director.model.services, []);
});

test('a line sees what the lines before it did, also if it lists', async () => {
  const director = new CountingDirector();
  const stdin = '-A -t 10.0.0.1:80 -s rr\n-S -n\n-D -t 10.0.0.1:80\n-S -n\n-E -t 10.0.0.1:80 -s nosuch\n';
  const { output, status } = await ipvsadm(director, ['-R'], { stdin });
  assert.deepEqual([output, status], ['-A -t 10.0.0.1:80 -s rr\nNo such service\n', 255]);
});

test('a mistake that ends ipvsadm keeps the lines before it, and none after it', async () => {
  const director = new CountingDirector();
  const stdin =
    '-A -t 10.0.0.1:80 -s rr\n-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.0.2\n-A -t bad:x:y\n-A -t 10.0.0.3:80\n';
  const { output } = await ipvsadm(director, ['-R'], { stdin });
  assert.deepEqual(output, 'Service already exists\nillegal virtual server address[:port] specified\n');
  assert.deepEqual(
    director.model.services.map((service) => [serviceName(service), service.destinations.length]),
    [['tcp 10.0.0.1:80', 1]],
  );
});

test('each request of -R says how many lines are ready to follow it', async () => {
  const director = new CountingDirector();
  const lines = Array.from({ length: 3_000 }, (_, i) => `-a -t 10.0.0.1:80 -r 10.1.${i >> 8}.${i & 255}:80`);
  const text = `-A -t 10.0.0.1:80 -s rr\n${lines.join('\n')}\n`;
  await ipvsadm(director, ['-R'], { input: () => piecesOf(text, text.length) });
  const { announced } = director;
  let left = 3_001;
  for (const [edits, following] of announced) {
    left -= edits;
    // A line may be under way.
    assert.ok(Math.abs(following - left) <= 1, `${following} of ${left}`);
  }
  assert.equal(left, 0);
});

test('ipvsadm-restore replaces all services by one request, whatever lines fail', async () => {
  const director = new CountingDirector();
  await ipvsadm(director, ['-A', '-t', '10.0.0.9:80']);
  const lines = [
    '-A -t 10.0.0.1:80 -s rr',
    '-A -t 10.0.0.1:80',
    '-A -t 10.0.0.2:80 -s nosuch',
    '-E -t 10.0.0.9:80 -s nosuch',
    '-d -t 10.0.0.9:80 -r 10.0.0.2:81',
  ];
  let errors = '';
  const status = await clearAndRestore({
    director,
    names: RECORDED_NAMES,
    out: () => undefined,
    err: (text) => (errors += text),
    input: () => piecesOf(`${lines.join('\n')}\n`),
    loopback: () => Promise.resolve([]),
  });
  assert.deepEqual(
    [errors.split('\n'), status],
    [
      [
        'Service already exists',
        'Scheduler or persistence engine not found',
        'No such service',
        'Service not defined',
        '',
      ],
      255,
    ],
  );
  assert.deepEqual(director.requests, [['clear,add-service,add-service', true]]);
  assert.deepEqual(director.model.services.map(serviceName), ['tcp 10.0.0.1:80']);
});

test('/etc/services is read with aliases, the first of several entries counts, and the file may be missing', () => {
  const { names, ports } = parseServices('http 80/tcp www # web\nother 80/tcp\nbad line\nhttp 81/tcp\nntp 123/udp\n');
  assert.deepEqual(
    [...names],
    [
      ['80/tcp', 'http'],
      ['81/tcp', 'http'],
      ['123/udp', 'ntp'],
    ],
  );
  assert.deepEqual([ports.get('www/tcp'), ports.get('http/tcp'), ports.get('ntp/tcp')], [80, 80, undefined]);
  assert.equal(systemNames('/nonexistent').portOf('http', 'tcp'), undefined);
});

test('addresses are parsed as by the C library', () => {
  const cases: [string, string | undefined][] = [
    ['10.1', '10.0.0.1'],
    ['010.0.0.1', '8.0.0.1'],
    ['0x0a000001', '10.0.0.1'],
    ['4294967295', '255.255.255.255'],
    ['4294967296', undefined],
    ['1.2.3.256', undefined],
    ['1.256.3.4', undefined],
    ['1.2.3.4.5', undefined],
    ['1.2.3.4 x', '1.2.3.4'],
    ['', undefined],
    ['1..2', undefined],
    ['08.0.0.1', undefined],
  ];
  for (const [text, address] of cases) {
    assert.equal(inetAton(text), address, text);
  }
});

test('all options after "ipvsadm" belong to ipvsadm', () => {
  const call = (line: string): unknown => ipvsadmCall(line.split(' '));
  assert.deepEqual(call('ipvsadm --help'), { tool: 'ipvsadm', words: ['--help'], instance: undefined });
  assert.deepEqual(call('--instance edge ipvsadm -Ln'), { tool: 'ipvsadm', words: ['-Ln'], instance: 'edge' });
  assert.deepEqual(call('--instance=edge ipvsadm-save -n'), { tool: 'ipvsadm-save', words: ['-n'], instance: 'edge' });
  assert.deepEqual(call('ipvsadm ipvsadm --instance x'), {
    tool: 'ipvsadm',
    words: ['ipvsadm', '--instance', 'x'],
    instance: undefined,
  });
  assert.deepEqual(
    [call('list'), call('--help ipvsadm'), call('--instance ipvsadm'), ipvsadmCall([])],
    Array<undefined>(4).fill(undefined),
  );
  assert.deepEqual(
    ['ipvsadm', 'beeline-ipvsadm', 'main.js', 'ipvsadm-save', 'beeline-ipvsadm-restore'].map(toolNamed),
    ['ipvsadm', 'ipvsadm', 'ipvsadm', 'ipvsadm-save', 'ipvsadm-restore'],
  );
});

test('changes, listings and refusals go through the control socket', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-ipvsadm-'));
  const behind = new FakeDirector();
  const path = join(directory, 'socket');
  const handlers = {
    edit: async ({ edit: change }) => ({ warnings: await behind.edit(change) }),
    table: () => behind.table(),
    flows: () => ({ flows: [] }),
    zero: async ({ service }) => {
      await behind.zero(service);
      return {};
    },
  } satisfies Partial<Handlers>;
  const server = await ControlServer.listen({
    path,
    handlers: handlers as unknown as Handlers,
    onError: assert.ifError,
    onWrongClient: assert.ifError,
  });
  context.after(async () => {
    await server.close();
    rmSync(directory, { recursive: true });
  });
  const director = daemonAt(path);
  const lines: [string, number, string][] = [
    ['-A -t [fd00::1]:80 -s mh -b mh-port -p 60 -M 64', 0, ''],
    ['-A -t [fd00::1]:80', 255, 'Service already exists\n'],
    ['-a -t [fd00::1]:80 -r [fd00::2]:80 -x 5', 0, ''],
    ['-e -t [fd00::1]:80 -r [fd00::2]:80 -x 5 -y 6', 255, 'Numerical result out of range\n'],
    ['-A -f 4294967295', 0, ''],
    ['--set 0 5 0', 0, ''],
    ['-L --timeout', 0, 'Timeout (tcp tcpfin udp): 900 5 300\n'],
    ['-Z -t [fd00::1]:80', 0, ''],
    ['-Z -t [fd00::1]:81', 255, 'No such service\n'],
    ['-Lnc', 0, 'IPVS connection entries\npro expire state       source             virtual            destination\n'],
    [
      '-S -n',
      0,
      '-A -f -1 -s wlc\n-A -t [fd00::1]:80 -s mh -p 60 -M 64 -b mh-port\n-a -t [fd00::1]:80 -r [fd00::2]:80 -g -w 1\n',
    ],
    ['-d -t [fd00::1]:80 -r [fd00::2]:80', 0, ''],
    ['-D -t [fd00::1]:80', 0, ''],
    ['-C', 0, ''],
    ['-L -t [fd00::1]:80', 1, 'No such service\n'],
  ];
  for (const [line, status, output] of lines) {
    const answer = await ipvsadm(director, line.split(' '));
    assert.deepEqual([answer.status, answer.output], [status, output], line);
  }
});

test('without a daemon, the message says how to start one', async () => {
  const { status, output } = await ipvsadm(daemonAt('/nonexistent/socket'), ['-R'], { stdin: '-C\n-C\n' });
  assert.deepEqual([status, output], [3, 'no daemon listens on /nonexistent/socket\nStart it: beeline run FILE.\n']);
  const usage = await ipvsadm(daemonAt('/nonexistent/socket'), ['-A']);
  assert.equal(usage.status, 2);
});
