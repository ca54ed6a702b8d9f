/** tc attachments: by tcx and by clsact, beside other programs, and what a process leaves that was killed. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import test, { before, type TestContext } from 'node:test';

import { CHECK_OBJECT, overlap, Wire } from '../../src/health/index.js';
import { BpfObject, queryTcx, TcAttachment } from '../../src/libbpf/index.js';
import { ip, makeVeth, requireOwnNetwork } from '../support/isolation.js';
import { loadBinding } from '../support/objects.js';

const LIBBPF = new URL('../../src/libbpf/index.js', import.meta.url).href;

before(requireOwnNetwork);

function veth(context: TestContext): number {
  const { ifindex } = makeVeth('testt0', 'testt1');
  context.after(() => {
    ip('link', 'delete', 'testt0');
  });
  return ifindex;
}

function loadChecks(): BpfObject {
  const object = new BpfObject(CHECK_OBJECT);
  object.load();
  return object;
}

/** How many programs are attached to an interface, in both directions and in either way. */
function attached(name: string, ifindex: number): number {
  const tcx = (['ingress', 'egress'] as const).flatMap((direction) => queryTcx(ifindex, direction));
  return (
    tcx.length +
    (
      ['ingress', 'egress']
        .map((direction) => tcFilters(direction, name))
        .join('')
        .match(/ handle /g) ?? []
    ).length
  );
}

const tcFilters = (direction: string, device = 'testt0'): string =>
  execFileSync('tc', ['filter', 'show', 'dev', device, direction], { encoding: 'utf8' });

test('a program is attached by tcx until it is closed, and does not hinder a second one', (context) => {
  const ifindex = veth(context);
  const program = loadChecks().program('check_ingress');
  const first = TcAttachment.attach(program, ifindex, 'ingress');
  assert.deepEqual(queryTcx(ifindex, 'ingress'), [program.info.id]);
  assert.equal(first.way, 'tcx');
  assert.equal(first.ifindex, ifindex);
  const other = loadChecks().program('check_ingress');
  const second = TcAttachment.attach(other, ifindex, 'ingress');
  assert.deepEqual(queryTcx(ifindex, 'ingress'), [other.info.id, program.info.id]);
  const egress = TcAttachment.attach(program, ifindex, 'egress');
  for (const attachment of [first, second, egress]) {
    attachment.close();
    attachment.close();
  }
  assert.equal(attached('testt0', ifindex), 0);
});

test('a filter of clsact ends by close, and others’ filters stay', (context) => {
  const ifindex = veth(context);
  execFileSync('tc', ['qdisc', 'add', 'dev', 'testt0', 'clsact']);
  execFileSync('tc', [
    'filter',
    'add',
    'dev',
    'testt0',
    'ingress',
    'prio',
    '7',
    'bpf',
    'da',
    'obj',
    CHECK_OBJECT,
    'sec',
    'tc',
  ]);
  const before = tcFilters('ingress');
  const program = loadChecks().program('check_ingress');
  const attachment = TcAttachment.attach(program, ifindex, 'ingress', { way: 'clsact' });
  assert.equal(attachment.way, 'clsact');
  assert.match(tcFilters('ingress'), /pref 100 bpf.* handle 0x1 /);
  attachment.close();
  attachment.close();
  assert.equal(tcFilters('ingress'), before);
});

test('what a killed process left in clsact is replaced, another user’s is not', (context) => {
  const ifindex = veth(context);
  const leave = (handle: number): void => {
    const source = `
      import { BpfObject, TcAttachment } from '${LIBBPF}';
      const object = new BpfObject('${CHECK_OBJECT}');
      object.load();
      TcAttachment.attach(object.program('check_egress'), ${ifindex}, 'egress', { way: 'clsact', handle: ${handle} });
      process.kill(process.pid, 'SIGKILL');`;
    assert.equal(spawnSync(process.execPath, ['--input-type=module', '--eval', source]).signal, 'SIGKILL');
  };
  leave(1);
  leave(2);
  const handles = (): string[] => (tcFilters('egress').match(/handle 0x[0-9a-f]+/g) ?? []).sort();
  assert.deepEqual(handles(), ['handle 0x1', 'handle 0x2']);
  const attachment = TcAttachment.attach(loadChecks().program('check_egress'), ifindex, 'egress', {
    way: 'clsact',
    handle: 1,
  });
  assert.deepEqual(handles(), ['handle 0x1', 'handle 0x2']);
  attachment.close();
  assert.deepEqual(handles(), ['handle 0x2']);
});

test('a filter of another program at the same place is not replaced', (context) => {
  const ifindex = veth(context);
  const object = loadChecks();
  const [egress, ingress] = [object.program('check_egress'), object.program('check_ingress')];
  using other = TcAttachment.attach(egress, ifindex, 'ingress', { way: 'clsact' });
  using ours = TcAttachment.attach(ingress, ifindex, 'ingress', { way: 'clsact' });
  assert.equal(other.way, ours.way);
  assert.match(tcFilters('ingress'), /pref 100 .*check_egress[^]*pref 101 .*check_ingress/);
});

test('filters of another kind or protocol at the first places are left alone', (context) => {
  const ifindex = veth(context);
  execFileSync('tc', ['qdisc', 'add', 'dev', 'testt0', 'clsact']);
  const place = ['filter', 'add', 'dev', 'testt0', 'ingress', 'prio', '100', 'protocol', 'ip'];
  execFileSync('tc', [...place, 'bpf', 'da', 'obj', CHECK_OBJECT, 'sec', 'tc']);
  const before = tcFilters('ingress');
  const program = loadChecks().program('check_ingress');
  const attachment = TcAttachment.attach(program, ifindex, 'ingress', { way: 'clsact' });
  assert.match(tcFilters('ingress'), /pref 101 bpf.*check_ingress/);
  attachment.close();
  assert.equal(tcFilters('ingress'), before);
});

test('what cannot be attached says why', (context) => {
  const ifindex = veth(context);
  const program = loadChecks().program('check_ingress');
  assert.throws(() => TcAttachment.attach(program, 99_999, 'ingress'), { name: 'KernelError', code: 'ENODEV' });
  assert.throws(() => TcAttachment.attach(program, 99_999, 'ingress', { way: 'clsact' }), { code: 'ENODEV' });
  // An XDP program.
  assert.throws(() => TcAttachment.attach(loadBinding().program('constant'), ifindex, 'egress'), { code: 'EINVAL' });
  program.close();
  assert.throws(() => TcAttachment.attach(program, ifindex, 'ingress'), { code: 'CLOSED' });
});

for (const way of ['tcx', 'clsact'] as const) {
  test(`the wire follows interfaces that come and go, by ${way}`, async (context) => {
    const { ifindex, peerIfindex } = makeVeth('testt0', 'testt1');
    context.after(() => {
      ip('link', 'delete', 'testt0');
    });
    using wire = await Wire.open({ way, onResults: () => undefined });
    assert.deepEqual(wire.follow([ifindex]), []);
    assert.deepEqual(wire.follow([ifindex, peerIfindex]), []);
    assert.deepEqual([...wire.interfaces].sort(), [ifindex, peerIfindex].sort());
    assert.deepEqual(wire.follow([peerIfindex]), []);
    assert.deepEqual(wire.interfaces, [peerIfindex]);
    assert.deepEqual(
      wire.follow([ifindex, 99_999]).map(({ ifindex: index, error }) => [index, error.code]),
      [[99_999, 'ENODEV']],
    );
    assert.deepEqual([attached('testt0', ifindex), attached('testt1', peerIfindex)], [2, 0]);
    ip('link', 'delete', 'testt0');
    const { ifindex: next } = makeVeth('testt0', 'testt1');
    assert.deepEqual(wire.follow([next]), []);
    assert.deepEqual(wire.interfaces, [next]);
    wire.follow([]);
    assert.equal(attached('testt0', next), 0);
  });
}

test('a wire that is closed leaves no program', async (context) => {
  const ifindex = veth(context);
  const wire = await Wire.open({ onResults: () => undefined });
  wire.follow([ifindex]);
  assert.equal(attached('testt0', ifindex), 2);
  wire.close();
  wire.close();
  assert.equal(attached('testt0', ifindex), 0);
});

test('ports that the kernel gives to other programs are told', () => {
  const range = { first: 61_000, last: 65_095 };
  const cases: [Parameters<typeof overlap>[1], Parameters<typeof overlap>[2], ReturnType<typeof overlap>][] = [
    [{ first: 32_768, last: 60_999 }, [], undefined],
    [{ first: 1024, last: 65_535 }, [], range],
    [{ first: 32_768, last: 61_000 }, [], { first: 61_000, last: 61_000 }],
    [{ first: 1024, last: 65_535 }, [range], undefined],
    [{ first: 1024, last: 65_535 }, [{ first: 60_000, last: 65_000 }], { first: 65_001, last: 65_095 }],
    [
      { first: 1024, last: 65_535 },
      [
        { first: 61_000, last: 61_999 },
        { first: 62_000, last: 65_535 },
      ],
      undefined,
    ],
    [{ first: 1024, last: 65_535 }, [{ first: 62_000, last: 62_000 }], range],
  ];
  for (const [local, reserved, expected] of cases) {
    assert.deepEqual(overlap(range, local, reserved), expected, JSON.stringify([local, reserved]));
  }
});
