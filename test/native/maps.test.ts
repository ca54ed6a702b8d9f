/** `beeline map` on maps of other programs: every type of map, by pin and by id, and writes that are refused. */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { type BpfMap, BpfObject } from '../../src/libbpf/index.js';
import { instanceOf } from '../../src/model/index.js';
import { possibleCpus } from '../../src/native/index.js';
import { u32, u64 } from '../support/objects.js';
import { pinFolder } from '../support/pins.js';

const MAIN = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const OBJECT = 'dist/test/bpf/maps.bpf.o';
const CPUS = possibleCpus();
const ELEMENTS = 1000;

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Maps of a program that is not Beeline's, pinned in a folder. */
class Foreign {
  readonly object: BpfObject;
  readonly folder: string;

  constructor(context: TestContext, elements = ELEMENTS) {
    this.object = new BpfObject(OBJECT);
    this.object.map('tables').setValueSize(8 + 8 * elements);
    this.object.load();
    this.folder = pinFolder(context, `/sys/fs/bpf/beeline-test-maps-${process.pid}`);
    for (const [name, map] of this.object.maps) {
      if (!name.includes('.')) {
        map.pin(join(this.folder, name));
      }
    }
    this.object.program('user').pin(join(this.folder, 'user'));
    context.after(() => {
      this.object.close();
    });
  }

  map(name: string): BpfMap {
    return this.object.map(name);
  }

  /** Runs `beeline map COMMAND --pinned FOLDER …`. */
  run(command: string, ...args: string[]): Result {
    return beeline(command, '--pinned', this.folder, ...args);
  }

  /** Runs a command that must succeed, and returns its output. */
  print(command: string, ...args: string[]): string {
    const { status, stdout, stderr } = this.run(command, ...args);
    assert.equal(status, 0, stderr);
    return stdout;
  }

  json(command: string, ...args: string[]): unknown {
    return JSON.parse(this.print(command, ...args, '--json'));
  }
}

function beeline(...args: string[]): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'map', ...args], {
    encoding: 'utf8',
    env: { ...process.env, BEELINE_INSTANCE: 'nobody' },
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}

/** Checks that a command was refused with a message and without a stack. */
function refused({ status, stderr }: Result, expected: number, message: RegExp): void {
  assert.match(stderr, message);
  assert.equal(status, expected, stderr);
  assert.doesNotMatch(stderr, /^ +at /m, 'a stack');
}

test('a value with every kind of C type is written, shown and read back', (context) => {
  const foreign = new Foreign(context);
  const value = {
    name: 'bob',
    mac: '00:50:00:00:01:00',
    a: 5,
    b: 31,
    c: 255,
    balance: -5,
    bits: '18446744073709551615',
    word: 0x04030201,
    bytes: [1, 2, 3, 4],
    color: 'COLOR_NONE',
    rights: 'RIGHT_READ|RIGHT_RUN',
    on: true,
    ratio: 2.5,
    where: '0xffff888000000000',
    address6: 'fd00::1',
    peers: [
      { address: '1.2.3.4', port: 80, protocol: 6, zero: 0 },
      { address: '0.0.0.0', port: 0, protocol: 0, zero: 0 },
    ],
  };
  const key = '{ address: 10.0.0.1, port: 80, protocol: 6 }';
  foreign.print('set', 'things', key, JSON.stringify(value));
  assert.deepEqual(foreign.json('get', 'things', key), value);
  assert.deepEqual(foreign.json('dump', 'things'), [
    { key: { address: '10.0.0.1', port: 80, protocol: 6, zero: 0 }, value },
  ]);
  // In memory: network order, bit fields from the lowest bit.
  const bytes = foreign.map('things').lookup(Uint8Array.of(10, 0, 0, 1, 0, 80, 6, 0))!;
  assert.deepEqual([...bytes.subarray(8, 16)], [0, 0x50, 0, 0, 1, 0, 0b11111_101, 255]);
  assert.deepEqual([...bytes.subarray(80, 87)], [1, 2, 3, 4, 0, 80, 6]);

  const text = foreign.print('dump', 'things');
  assert.match(
    text,
    /^key \{ address: 10\.0\.0\.1, port: 80, protocol: 6, zero: 0 \}\nname +bob\nmac +00:50:00:00:01:00\n/,
  );
  assert.match(text, /\npeers\[0\]\.address +1\.2\.3\.4\n/);

  assert.equal(
    foreign.print('set', 'things', key, 'peers[1].address', '9.9.9.9'),
    'things[{ address: 10.0.0.1, port: 80, protocol: 6, zero: 0 }] peers[1].address: 0.0.0.0 -> 9.9.9.9\n',
  );
  assert.equal(foreign.print('get', 'things', key, 'peers[1].address'), '9.9.9.9\n');
  // Members that are not given stay.
  foreign.print('set', 'things', key, '{ a: 1 }');
  assert.deepEqual([foreign.json('get', 'things', key, 'a'), foreign.json('get', 'things', key, 'b')], [1, 31]);

  assert.match(foreign.print('delete', 'things', key), /^deleted things\[/);
  refused(foreign.run('delete', 'things', key), 2, /has no entry with the key/);
  assert.equal(foreign.print('dump', 'things'), 'no entries\n');
});

test('bad input is refused and changes nothing', (context) => {
  const foreign = new Foreign(context);
  const key = '{ address: 10.0.0.1 }';
  foreign.print('set', 'things', key, '{ name: a, a: 3 }');
  const before = foreign.print('dump', 'things', '--hex');
  for (const [args, message] of [
    [[key, 'a', '8'], /a: 8 is out of range, it must be within 0 and 7/],
    [[key, '{ a: 1, b: 32 }'], /b: 32 is out of range/],
    [[key, '{ a: 1, nobody: 2 }'], /no member "nobody" among name, mac/],
    [[key, '{ word: 1, bytes: [9, 9, 9, 9] }'], /contradicts another member/],
    [[key, 'name', 'much too long'], /13 bytes, there is room for 8/],
    [[key, 'a', 'x'], /"x" is no whole number/],
    [[key, 'color', 'COLOR_BLUE'], /"COLOR_BLUE" is none of COLOR_RED, COLOR_GREEN, COLOR_NONE/],
    [[key, 'peers[2].port', '1'], /no element \[2\]: it has 2, from 0 on/],
    [[key, 'peers', '[{}]'], /it must have 2 elements, not 1/],
    [[key, '{ a: 1'], /the value cannot be parsed/],
    [['{ address: 10.0.0.999 }', '{ a: 1 }'], /address: "10\.0\.0\.999" is no whole number/],
    [['{ adress: 10.0.0.1 }', '{ a: 1 }'], /no member "adress" among address, port/],
    [['{ address: 10.0.0.2 }', 'a', '1'], /has no entry with the key/],
    [[key, '--hex', '00'], /is not a key in hexadecimal/],
  ] as const) {
    refused(foreign.run('set', 'things', ...args), 2, message);
    assert.equal(foreign.print('dump', 'things', '--hex'), before, args.join(' '));
  }
});

test('arrays have no elements past their end', (context) => {
  const foreign = new Foreign(context);
  foreign.print('set', 'list', '3', 'address', '10.0.0.9');
  const { stdout, stderr } = foreign.run('dump', 'list');
  assert.equal(stdout, 'KEY  address   port  protocol\n3    10.0.0.9     0         0\n');
  assert.equal(stderr, '15 of 16 elements are zero: --all shows them\n');
  assert.equal(foreign.print('dump', 'list', '--all').split('\n').length, 1 + 16 + 1);
  assert.deepEqual(
    (foreign.json('dump', 'list') as { key: number }[]).map(({ key }) => key),
    [3],
  );
  refused(
    foreign.run('set', 'list', '16', 'port', '1'),
    2,
    /no element 16 in "list" \(array\)\nIt has elements 0 to 15\./,
  );
  refused(foreign.run('delete', 'list', '3'), 1, /elements of an array always exist/);
});

test('a table that is one element is paged, and zero entries are left out', (context) => {
  const foreign = new Foreign(context);
  foreign.print(
    'set',
    'tables',
    '0',
    '{ generation: 7, entry: { 3: { port: 1 }, 500: { port: 2 }, 999: { address: 1.2.3.4 } } }',
  );
  const { stdout, stderr } = foreign.run('dump', 'tables', '--limit', '2');
  assert.equal(
    stdout,
    'key 0\ngeneration  7\n\nentry: 1,000 elements\nINDEX  address  port  protocol\n' +
      '    3  0.0.0.0     1         0\n  500  0.0.0.0     2         0\n',
  );
  assert.match(stderr, /continue with --from 0 --at 'entry\[999\]', or raise --limit/);
  const rest = foreign.run('dump', 'tables', '--from', '0', '--at', 'entry[501]');
  assert.match(rest.stdout, /entry: 1,000 elements\n.*\n +999 +1\.2\.3\.4/);
  assert.doesNotMatch(rest.stdout, /generation/);
  assert.deepEqual(foreign.json('get', 'tables', '0'), {
    generation: 7,
    entry: {
      3: { address: '0.0.0.0', port: 1, protocol: 0, zero: 0 },
      500: { address: '0.0.0.0', port: 2, protocol: 0, zero: 0 },
      999: { address: '1.2.3.4', port: 0, protocol: 0, zero: 0 },
    },
  });
  const whole = foreign.json('get', 'tables', '0', '--all', '--limit', '2000') as { entry: unknown[] };
  assert.equal(whole.entry.length, ELEMENTS);
  // The output can be written back.
  foreign.print('set', 'tables', '1', JSON.stringify(whole));
  assert.deepEqual(foreign.json('get', 'tables', '1', 'entry[500].port'), 2);
});

test('a write to a table that programs write too leaves their words unchanged', (context) => {
  const foreign = new Foreign(context);
  const map = foreign.map('tables');
  using memory = map.mmap('write');
  memory.write(8, Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2));
  foreign.print('set', 'tables', '0', 'entry[1].port', '80');
  assert.deepEqual([...memory.read(8, new Uint8Array(16))], [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0, 80, 2, 2]);
});

test('an element of 64 MB is read without 64 MB of memory', (context) => {
  const foreign = new Foreign(context, 8 << 20);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--max-old-space-size=64',
      '--import',
      `data:text/javascript,process.on('exit', () => process.stderr.write(' rss ' + process.resourceUsage().maxRSS))`,
      ...[MAIN, 'map', 'dump', '--pinned', foreign.folder, 'tables', '--all', '--limit', '3', '--json'],
    ],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  assert.equal((JSON.parse(stdout) as unknown[]).length, 1);
  // The map's memory, two elements, is mapped and counts too.
  const kilobytes = Number(/rss (\d+)/.exec(stderr)![1]) - 2 * (64 << 10);
  assert.ok(kilobytes < 120_000, stderr);
});

test('a pipe that the reader closes ends the command quietly', async (context) => {
  const foreign = new Foreign(context);
  const map = foreign.map('numbers_of_flows');
  const count = 50_000;
  map.updateBatch(
    count,
    u32(...Array.from({ length: count }, (_, i) => i)),
    u64(...Array.from({ length: count }, (_, i) => BigInt(i))),
  );
  const child = spawn(
    process.execPath,
    [MAIN, 'map', 'dump', '--pinned', foreign.folder, 'numbers_of_flows', '--limit', '100000'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
  child.stdout.once('data', () => child.stdout.destroy());
  const status = await new Promise((resolve) => child.once('exit', resolve));
  assert.deepEqual([status, complaint], [0, '']);

  // A reader that continues gets each entry once, page after page.
  const first = foreign.run('dump', 'numbers_of_flows', '--limit', '49990', '--json');
  const [, from] = /--from (\d+)/.exec(first.stderr)!;
  const second = foreign.json('dump', 'numbers_of_flows', '--limit', '49990', '--from', from!) as { key: number }[];
  const keys = [...(JSON.parse(first.stdout) as { key: number }[]), ...second].map(({ key }) => key);
  assert.deepEqual([keys.length, new Set(keys).size], [count, count]);
  refused(foreign.run('dump', 'numbers_of_flows', '--from', '50001'), 2, /no entry with the key 50001/);
});

test('counters of the CPUs are summed or shown for each CPU; other values are shown for each', (context) => {
  const foreign = new Foreign(context);
  const each = Array.from({ length: CPUS }, (_, cpu) => ({ packets: cpu + 1, bytes: 2 ** 53 - 1 }));
  foreign.print('set', 'counters', '1', JSON.stringify(each), '--per-cpu');
  const packets = (CPUS * (CPUS + 1)) / 2;
  const bytes = BigInt(CPUS) * (2n ** 53n - 1n);
  assert.deepEqual(foreign.json('dump', 'counters'), [
    { key: 1, value: { packets, bytes: CPUS === 1 ? Number(bytes) : String(bytes) } },
  ]);
  assert.deepEqual(foreign.json('get', 'counters', '1', '--per-cpu'), each);
  assert.equal(foreign.print('get', 'counters', '1', 'packets'), `${packets}\n`);
  refused(foreign.run('set', 'counters', '1', '[]', '--per-cpu'), 2, new RegExp(`a list of ${CPUS} values`));
  foreign.print('set', 'counters', '1', 'packets', '5');
  assert.deepEqual(
    (foreign.json('get', 'counters', '1', '--per-cpu') as typeof each).map((one) => [one.packets, one.bytes]),
    each.map((one) => [5, one.bytes]),
  );

  foreign.print('set', 'colors', '10.0.0.1', 'COLOR_GREEN');
  assert.deepEqual(foreign.json('dump', 'colors'), [
    { key: '10.0.0.1', values: Array.from({ length: CPUS }, () => 'COLOR_GREEN') },
  ]);
  assert.match(foreign.print('dump', 'colors'), /^KEY +CPU +VALUE\n10\.0\.0\.1 +0 +COLOR_GREEN\n/);
});

test('prefixes are entered and shown as prefixes', (context) => {
  const foreign = new Foreign(context);
  foreign.print('set', 'routes', '10.0.0.0/8', '5');
  assert.equal(foreign.print('set', 'routes', '10.1.0.0/16', '6'), 'routes[10.1.0.0/16]: 6\n', 'nothing was there');
  assert.match(foreign.print('dump', 'routes'), /^KEY +VALUE\n10\.1\.0\.0\/16 +6\n10\.0\.0\.0\/8 +5\n/);
  assert.equal(foreign.print('get', 'routes', '10.1.2.3/32'), '6\n', 'as programs find it');
  refused(foreign.run('set', 'routes', '10.1.0.0/x', '6'), 2, /"10\.1\.0\.0\/x" is not an object/);
  refused(foreign.run('delete', 'routes', '10.1.2.0/24'), 2, /has no entry with the key 10\.1\.2\.0\/24/);
});

test('queues and stacks are filled, read and emptied without keys', (context) => {
  const foreign = new Foreign(context);
  foreign.print('set', 'line', '5');
  foreign.print('set', 'line', '6');
  refused(foreign.run('set', 'line', '7'), 1, /"line" is full/);
  assert.equal(foreign.print('get', 'line'), '5\n');
  assert.equal(foreign.print('delete', 'line'), '5\n');
  assert.equal(foreign.print('delete', 'line'), '6\n');
  refused(foreign.run('delete', 'line'), 2, /"line" is empty/);
  foreign.print('set', 'pile', '{ address: 1.1.1.1 }');
  foreign.print('set', 'pile', '{ address: 2.2.2.2 }');
  assert.match(foreign.print('get', 'pile'), /^address +2\.2\.2\.2\n/);
  refused(foreign.run('dump', 'pile'), 1, /"pile" \(stack\) has no keys/);
});

test('maps without types are read and written as bytes', (context) => {
  const foreign = new Foreign(context);
  foreign.print('set', 'opaque', '01 02 03', '0a0b0c0d0e');
  assert.deepEqual([...foreign.map('opaque').lookup(Uint8Array.of(1, 2, 3))!], [10, 11, 12, 13, 14]);
  assert.equal(foreign.print('dump', 'opaque'), 'KEY       VALUE\n01 02 03  0a 0b 0c 0d 0e\n');
  assert.deepEqual(foreign.json('dump', 'opaque'), [{ key: '01 02 03', value: '0a0b0c0d0e' }]);
  refused(foreign.run('set', 'opaque', '0102', '0a0b0c0d0e'), 2, /a key of this map has 3 bytes, not 2/);
  refused(foreign.run('set', 'opaque', '010203', '0a'), 2, /a value of this map has 5 bytes, not 1/);
  refused(foreign.run('get', 'opaque', '010203', 'x'), 2, /the type of the values of "opaque" is not known/);
  assert.equal(foreign.print('get', 'opaque', '010203'), '0a 0b 0c 0d 0e\n');
  // Maps with types too, on request.
  foreign.print('set', 'list', '2', '0a000001 0050 06 00', '--hex');
  assert.equal(foreign.print('get', 'list', '2', 'address'), '10.0.0.1\n');
  assert.equal(foreign.print('get', 'list', '2', '--hex'), '0a 00 00 01 00 50 06 00\n');
  assert.equal(foreign.print('get', 'list', '2', 'port', '--raw'), `${80 * 256}\n`);
});

test('frozen maps are read, and a write is refused with the reason', (context) => {
  const foreign = new Foreign(context);
  foreign.print('set', 'list', '1', 'port', '80');
  foreign.map('list').freeze();
  refused(foreign.run('set', 'list', '1', 'port', '81'), 1, /"list" is frozen: only programs can write it/);
  refused(foreign.run('set', '.rodata', '0', 'limit', '5'), 1, /"\.rodata" is frozen/);
  assert.equal(foreign.print('get', 'list', '1', 'port'), '80\n');
  assert.equal(foreign.print('get', '.rodata', '0', 'limit'), '100\n');
  assert.match(foreign.print('show', 'list'), /\nwritable +only by programs: it is frozen\n/);
  foreign.print('set', '.bss', '0', 'runs', '500');
  assert.deepEqual(foreign.json('get', '.bss', '0'), { runs: 500 });
});

test('maps that the kernel does not show are refused with the reason', (context) => {
  const foreign = new Foreign(context);
  refused(foreign.run('dump', 'events'), 1, /"events" \(ringbuf\) cannot be read/);
  refused(foreign.run('set', 'events', '1'), 1, /cannot be written/);
  refused(foreign.run('set', 'outer', '0', '1'), 1, /its values are file descriptors/);
  assert.equal(foreign.print('dump', 'outer'), 'no entries\n');
});

test("maps are found by their id, by a program's id, and by pins of each kind", (context) => {
  const foreign = new Foreign(context);
  const names = (outcome: Result): string[] => {
    assert.equal(outcome.status, 0, outcome.stderr);
    return (JSON.parse(outcome.stdout) as { name: string }[]).map(({ name }) => name).sort();
  };
  const all = [...foreign.object.maps.keys()].map((name) => name.replace(/^.*(\.bss|\.rodata)$/, '$1')).sort();
  const program = foreign.object.program('user').info.id;
  assert.deepEqual(names(beeline('list', '--id', `program:${program}`, '--json')), all);
  assert.deepEqual(names(beeline('list', '--pinned', join(foreign.folder, 'user'), '--json')), all);
  assert.deepEqual(names(foreign.run('list', '--json')), all);
  // The kernel has 15 characters of this name, BTF has all.
  const { id } = foreign.map('numbers_of_flows').info;
  assert.deepEqual(names(beeline('list', '--id', `map:${id}`, '--json')), ['numbers_of_flows']);
  assert.ok(names(beeline('list', '--all', '--json')).includes('numbers_of_flows'));
  // A single map needs no name.
  assert.equal(beeline('set', '--id', `map:${id}`, '7', '70').stdout, 'numbers_of_flows[7]: 70\n');
  assert.equal(beeline('get', '--pinned', join(foreign.folder, 'numbers_of_flows'), '7').stdout, '70\n');

  refused(foreign.run('get', 'thing', '1'), 2, /has no map "thing"\nDid you mean things/);
  refused(beeline('get', '--id', 'map:4294967295', '0'), 2, /there is no map 4294967295/);
  refused(beeline('get', '--id', 'x', '0'), 2, /"x" is not an id/);
  refused(beeline('list', '--pinned', '/etc/passwd'), 2, /is not in a BPF file system/);
  refused(beeline('list', '--pinned', join(foreign.folder, 'none')), 2, /nothing is pinned at/);
  refused(beeline('list'), 2, /no director "nobody" has maps/);
  refused(beeline('list', '--all', '--id', '1'), 2, /use only one of/);
});

test('a map is described in C', (context) => {
  const foreign = new Foreign(context);
  const text = foreign.print('show', 'tables');
  assert.match(
    text,
    /^map +tables\nid +\d+\ntype +array, mmapable\nkey +__u32, 4 bytes\nvalue +struct table, 8,008 bytes\n/,
  );
  assert.match(
    text,
    /\nstruct table \{\n +__u64 generation; +\/\* 0, 8 bytes \*\/\n +struct endpoint entry\[1000\]; +\/\* 8, 8000 bytes \*\/\n/,
  );
  const shown = foreign.json('show', 'counters') as { cpus: number; perCpu: boolean; maxEntries: number };
  assert.deepEqual([shown.cpus, shown.perCpu, shown.maxEntries], [CPUS, true, 4]);
});

test('a user who is not root is refused', (context) => {
  const foreign = new Foreign(context);
  const run = (...args: string[]): Result =>
    spawnSync('setpriv', ['--reuid=65534', '--clear-groups', process.execPath, MAIN, 'map', ...args], {
      encoding: 'utf8',
    });
  if (run('--help').status !== 0) {
    // This checkout may be in a folder that others cannot read.
    return;
  }
  refused(run('list', '--pinned', foreign.folder), 1, /no permission for .*\nRun as root/);
  refused(run('list', '--all'), 1, /no permission for .*\nRun as root/);
  // A director is on this host: else there is nothing to refuse.
  pinFolder(context, instanceOf(`test-maps-${process.pid}`).pinDirectory);
  refused(run('list'), 1, /no permission for .*\nRun as root/);
});
