/** Programs: test runs, attachments to interfaces, and queries of what is attached. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, unlinkSync } from 'node:fs';
import test, { before, type TestContext } from 'node:test';

import { ensurePinDirectory } from '../../src/dataplane/index.js';
import { BpfMap, BpfProgram, detachXdp, queryXdp, XdpAction, XdpLink } from '../../src/libbpf/index.js';
import { ip, makeVeth, requireOwnNetwork } from '../support/isolation.js';
import { loadBinding, u32 } from '../support/objects.js';

const PINS = `/sys/fs/bpf/beeline-test-${process.pid}`;
const PACKET = new Uint8Array(60);

before(() => {
  requireOwnNetwork();
  ensurePinDirectory(PINS);
});
test.after(() => {
  rmSync(PINS, { recursive: true, force: true });
});

/** Makes a cable that is removed after the test. */
function veth(context: TestContext): number {
  const { ifindex } = makeVeth('test0', 'test1');
  context.after(() => {
    ip('link', 'delete', 'test0');
  });
  return ifindex;
}

test('a program runs on a packet as often as requested', () => {
  const object = loadBinding();
  const { returnValue, durationNs, data } = object.program('origin').run({ data: PACKET, repeat: 100 });
  assert.equal(returnValue, XdpAction.pass);
  assert.ok(durationNs < 1e6);
  assert.deepEqual(new Uint8Array(data), PACKET);
  assert.equal(object.map('numbers').lookup(u32(1))![0], 100);
});

test('a test packet arrives on the given interface', (context) => {
  const ifindex = veth(context);
  const object = loadBinding();
  object.program('origin').run({ data: PACKET, origin: { ifindex } });
  assert.equal(Buffer.from(object.map('numbers').lookup(u32(0))!).readUInt32LE(), ifindex);
});

test('invalid packets and options are refused', () => {
  const program = loadBinding().program('constant');
  assert.throws(() => program.run({ data: new Uint8Array(5) }), { name: 'KernelError', code: 'EINVAL' });
  assert.throws(() => program.run({ data: PACKET, origin: { ifindex: 999_999 } }), { code: 'ENODEV' });
  assert.throws(() => program.run({ data: PACKET, repeat: -1 }), { name: 'RangeError' });
  assert.throws(() => program.run({ data: PACKET, repeat: 1.5 }), { name: 'TypeError' });
  assert.throws(() => program.run({ data: [1, 2] as unknown as Uint8Array }), { name: 'TypeError' });
});

test('a program has its properties', () => {
  const object = loadBinding();
  const { name, id, tag, jitedBytes, mapIds } = object.program('origin').info;
  assert.equal(name, 'origin');
  assert.match(tag, /^[0-9a-f]{16}$/);
  assert.ok(jitedBytes > 0);
  assert.ok(mapIds.includes(object.map('numbers').info.id));
  using same = BpfProgram.openById(id);
  assert.equal(same.info.tag, tag);
});

test('a closed program refuses calls', () => {
  const program = loadBinding().program('constant');
  program.close();
  program.close();
  assert.throws(() => program.run({ data: PACKET }), { code: 'CLOSED' });
  assert.throws(() => XdpLink.attach(program, 1, 'native'), { code: 'CLOSED' });
});

for (const mode of ['native', 'generic'] as const) {
  test(`a link holds a program on an interface, ${mode}, and releases it when closed`, (context) => {
    const ifindex = veth(context);
    const program = loadBinding().program('origin');
    const link = XdpLink.attach(program, ifindex, mode);
    assert.deepEqual(queryXdp(ifindex), { native: 0, generic: 0, offload: 0, [mode]: program.info.id });
    const { ifindex: on, programId } = link.info;
    assert.deepEqual([on, programId], [ifindex, program.info.id]);
    assert.throws(() => XdpLink.attach(program, ifindex, mode), { code: 'EBUSY' });
    assert.throws(
      () => {
        detachXdp(ifindex, mode);
      },
      { code: 'EBUSY' },
    );
    link.close();
    assert.deepEqual(queryXdp(ifindex), { native: 0, generic: 0, offload: 0 });
    assert.throws(() => link.info, { code: 'CLOSED' });
  });
}

test("a link's program is replaced in place", (context) => {
  const ifindex = veth(context);
  const object = loadBinding();
  using link = XdpLink.attach(object.program('origin'), ifindex, 'native');
  link.update(object.program('constant'));
  assert.equal(queryXdp(ifindex).native, object.program('constant').info.id);
});

test('a pinned link outlives its handle and is found again', (context) => {
  const ifindex = veth(context);
  const program = loadBinding().program('origin');
  const path = `${PINS}/link`;
  const link = XdpLink.attach(program, ifindex, 'native');
  link.pin(path);
  link.close();
  assert.equal(queryXdp(ifindex).native, program.info.id);
  using adopted = XdpLink.openPinned(path);
  assert.equal(adopted.info.ifindex, ifindex);
  unlinkSync(path);
  adopted.close();
  assert.equal(queryXdp(ifindex).native, 0);
});

test('a link of another process is found and detached', (context) => {
  const ifindex = veth(context);
  const program = loadBinding().program('origin');
  const link = XdpLink.attach(program, ifindex, 'native');
  using found = XdpLink.find(ifindex, program.info.id);
  assert.equal(found?.info.id, link.info.id);
  found.detach();
  assert.equal(queryXdp(ifindex).native, 0);
  assert.equal(link.info.ifindex, 0);
  assert.equal(XdpLink.find(ifindex, program.info.id), undefined);
});

test('a link of an interface with the same index in another network namespace is not found', async () => {
  const program = loadBinding().program('origin');
  // Both namespaces have a loopback interface with index 1. The other's program is a different one, or the same by a pin.
  const pin = `${PINS}/origin`;
  program.pin(pin);
  for (const source of [`loadBinding().program('origin')`, `BpfProgram.openPinned('${pin}')`]) {
    const script = `
      import { BpfProgram, XdpLink } from './dist/src/libbpf/index.js';
      import { loadBinding } from './dist/test/support/objects.js';
      const link = XdpLink.attach(${source}, 1, 'generic');
      process.stdout.write('attached');
      process.stdin.on('data', () => process.exit(link.info.ifindex === 1 ? 0 : 1));
    `;
    const other = spawn('unshare', ['--net', process.execPath, '--input-type=module', '--eval', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(other.stdout, 'data');
    {
      using link = XdpLink.attach(program, 1, 'generic');
      using found = XdpLink.find(1, program.info.id);
      if (source.includes('openPinned')) {
        assert.equal(found, undefined, 'the two cannot be distinguished');
      } else {
        assert.equal(found?.info.id, link.info.id);
      }
    }
    other.stdin.write('?');
    const [status] = (await once(other, 'exit')) as [number];
    assert.equal(status, 0);
  }
  unlinkSync(pin);
});

test('a program without a link is found and detached', (context) => {
  const ifindex = veth(context);
  const pin = `${PINS}/pass`;
  execFileSync('bpftool', ['prog', 'load', 'dist/bpf/pass.bpf.o', pin]);
  execFileSync('bpftool', ['net', 'attach', 'xdpdrv', 'pinned', pin, 'dev', 'test0']);
  unlinkSync(pin);
  assert.ok(queryXdp(ifindex).native > 0);
  assert.equal(XdpLink.find(ifindex, queryXdp(ifindex).native), undefined);
  assert.throws(() => XdpLink.attach(loadBinding().program('origin'), ifindex, 'native'), { code: 'EBUSY' });
  detachXdp(ifindex, 'native');
  assert.equal(queryXdp(ifindex).native, 0);
});

test('removing an interface ends the attachment', () => {
  const { ifindex } = makeVeth('test2', 'test3');
  using link = XdpLink.attach(loadBinding().program('origin'), ifindex, 'native');
  ip('link', 'delete', 'test2');
  assert.equal(link.info.ifindex, 0);
  assert.throws(() => XdpLink.attach(loadBinding().program('origin'), ifindex, 'native'), { name: 'KernelError' });
});

test('pins are opened only as the kind of object that they are', () => {
  const object = loadBinding();
  mkdirSync(`${PINS}/kinds`);
  object.map('points').pin(`${PINS}/kinds/map`);
  object.program('origin').pin(`${PINS}/kinds/program`);
  using map = BpfMap.openPinned(`${PINS}/kinds/map`);
  using program = BpfProgram.openPinned(`${PINS}/kinds/program`);
  assert.equal(map.info.id, object.map('points').info.id);
  assert.equal(program.info.id, object.program('origin').info.id);
  assert.throws(() => BpfMap.openPinned(`${PINS}/kinds/program`), {
    code: 'EINVAL',
    message: /bpf-prog, not a bpf-map/,
  });
  assert.throws(() => BpfProgram.openPinned(`${PINS}/kinds/map`), {
    code: 'EINVAL',
    message: /bpf-map, not a bpf-prog/,
  });
  assert.throws(() => XdpLink.openPinned(`${PINS}/kinds/map`), { code: 'EINVAL', message: /bpf-map, not a bpf-link/ });
  assert.throws(() => BpfMap.openPinned(`${PINS}/kinds/none`), { code: 'ENOENT', object: `${PINS}/kinds/none` });
  assert.throws(
    () => {
      object.map('points').pin(`${PINS}/kinds/map`);
    },
    { code: 'EEXIST' },
  );
  rmSync(`${PINS}/kinds`, { recursive: true });
});
