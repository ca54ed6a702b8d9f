/** `beeline map` on a director's own maps: found without a daemon, shown as operators think, written by force alone. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { ip } from '../../src/model/index.js';
import { buildFrame } from '../../src/packet/index.js';
import { PacketDirector } from '../support/director.js';
import { CLIENT_MAC, DIRECTOR, macFor, service } from '../support/models.js';
import { pinFolder } from '../support/pins.js';

const MAIN = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const INSTANCE = `test-maps-${process.pid}`;
const VIP = ip('192.168.1.100');

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function beeline(...args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'map', ...args, '--instance', INSTANCE], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

function json(...args: string[]): unknown {
  const { status, stdout, stderr } = beeline(...args, '--json');
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

interface Listed {
  readonly name: string;
  readonly id: number;
  readonly instance: string | null;
  readonly key: { readonly type: string | null };
  readonly value: { readonly type: string | null };
}

function idOf(name: string): number {
  return (json('list') as Listed[]).find((each) => each.name === name)!.id;
}

/** A director whose daemon is gone, but for its pins. */
async function director(context: TestContext): Promise<PacketDirector> {
  const folder = pinFolder(context, `/sys/fs/bpf/beeline/${INSTANCE}`);
  const result = await PacketDirector.with([
    service(VIP, 80, [ip('10.0.0.1'), [ip('10.0.0.2'), 3]]),
    service(ip('fd00::100'), 443, [ip('fd00::31')]),
  ]);
  context.after(() => {
    result.close();
  });
  result.publisher.set!.pin(join(folder, 'set-7'));
  return result;
}

const frame = (sourcePort: number): Uint8Array =>
  buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: ip('192.168.1.12'),
    destination: VIP,
    protocol: 'tcp',
    sourcePort,
    destinationPort: 80,
  });

test('every map of the director is found and decoded', async (context) => {
  const { publisher } = await director(context);
  const listed = json('list') as Listed[];
  const names = listed.map(({ name }) => name);
  // Constants and scratch memory belong to the program alone.
  const pinned = [...publisher.set!.maps.keys()].filter((name) => !/rodata|^early_room$/.test(name));
  for (const name of pinned) {
    assert.ok(names.includes(name.replace('.data.', '')), name);
  }
  // A ring buffer has no keys, and no values of a type.
  for (const { name, key, value } of listed) {
    assert.equal(key.type !== null && value.type !== null, name !== 'early_ring', name);
  }
  assert.ok(listed.every(({ instance }) => instance === INSTANCE));
  for (const [i, name] of names.entries()) {
    // Bytes need no type: each form for half of the maps.
    for (const how of [[], ['--json'], [i % 2 === 0 ? '--hex' : '--raw']]) {
      const { status, stderr } = beeline('dump', name, '--limit', '20', ...how);
      assert.equal(status, name === 'early_ring' ? 1 : 0, `${name} ${how.join()}: ${stderr}`);
    }
    assert.equal(beeline('show', name).status, 0);
  }
});

test('tables show addresses, MACs, flags, and which copy packets read', async (context) => {
  const subject = await director(context);
  subject.send(frame(1));
  const { stdout } = beeline('dump', 'services4');
  assert.match(stdout, /^key 0, the copy that packets read\n/);
  assert.match(stdout, /\nINDEX +address +port +protocol +first +ring +number +shift +flags\n/);
  assert.match(stdout, /\n +\d+ +192\.168\.1\.100 +80 +6 +1 +\d+ +\d+ +\d+ +SERVICE_TRACK\n/);
  assert.match(beeline('dump', 'services6').stdout, / fd00::100 +443 +6 /);
  assert.equal(beeline('get', '.data.control', '0', 'control.generation').stdout, '1\n');
  const identities = json('dump', 'destination_identities') as { value: { address: string; port: number } }[];
  assert.deepEqual(
    identities.map(({ value }) => `${value.address} ${value.port}`),
    ['10.0.0.1 80', '10.0.0.2 80', 'fd00::31 443'],
  );
  const { entry } = json('get', 'flows4', '0') as { entry: Record<string, unknown> };
  assert.equal(Object.keys(entry).length, 1);
});

test('three arrays without a length in one table are shown apart', async (context) => {
  await director(context);
  const macs = [macFor(ip('10.0.0.1')), macFor(ip('10.0.0.2')), macFor(ip('fd00::31'))];
  for (const array of ['entry', 'numbered']) {
    const found = json('get', 'destinations', '0', array) as Record<string, { mac: string; number: number }>;
    assert.deepEqual(
      Object.values(found).map(({ mac }) => mac),
      macs,
      array,
    );
  }
  assert.equal(beeline('get', 'destinations', '0', 'own_mac').stdout, `${DIRECTOR.mac}\n`);
  assert.match(beeline('get', 'destinations', '0', 'slot', '--limit', '1').stdout, /^ +\d+ ( [01]){16}\n$/);
  // Also by its id, beside nothing that would tell: the instance's pins do.
  const id = idOf('destinations');
  const { stderr, stdout } = beeline('dump', '--id', `map:${id}`, '--limit', '20');
  assert.match(stdout, /numbered: 1,024 elements/, stderr);
});

test('the maps of a director are written only with --force, and packets follow', async (context) => {
  const subject = await director(context);
  const [index] = Object.entries(json('get', 'destinations', '0', 'numbered') as Record<string, { mac: string }>).find(
    ([, { mac }]) => mac === macFor(ip('10.0.0.2')),
  )!;
  const path = `numbered[${index}].mac`;
  const refusal = beeline('set', 'destinations', '0', path, '02:00:00:00:00:99');
  assert.equal(refusal.status, 1);
  assert.match(
    refusal.stderr,
    new RegExp(`"destinations" belongs to the director "${INSTANCE}": nothing was changed\n`),
  );
  assert.match(refusal.stderr, /next publication overwrites.*half of the change.*--force writes nevertheless/);
  assert.equal(beeline('get', 'destinations', '0', path).stdout, `${macFor(ip('10.0.0.2'))}\n`);

  // Under whatever name it is reached.
  const id = idOf('devices');
  for (const args of [
    ['set', '--id', `map:${id}`, '1', '{ ifindex: 1 }'],
    ['set', '--id', `map:${id}`, '1', '1'],
    ['delete', '--id', `map:${id}`, '1'],
    ['delete', 'devices', '1'],
    ['set', 'devices', '1', '1'],
  ]) {
    const { status, stderr } = beeline(...args);
    assert.ok(status === 1 || status === 2, stderr);
    assert.equal(beeline('dump', 'devices').stdout, 'no entries\n');
  }

  const done = beeline('set', 'destinations', '0', path, '02:00:00:00:00:99', '--force');
  assert.equal(done.status, 0, done.stderr);
  assert.equal(done.stdout, `destinations[0] ${path}: ${macFor(ip('10.0.0.2'))} -> 02:00:00:00:00:99\n`);
  assert.match(done.stderr, /The daemon is the only writer of its tables/);
  const sent = Array.from({ length: 30 }, (_, i) =>
    Buffer.from(subject.send(frame(i)).frame.subarray(0, 6)).toString('hex'),
  );
  assert.ok(sent.includes('020000000099'), sent.join());

  // The next two publications write both copies again.
  await subject.publish([service(VIP, 80, [ip('10.0.0.1'), [ip('10.0.0.2'), 3]])]);
  await subject.publish([service(VIP, 80, [ip('10.0.0.1'), [ip('10.0.0.2'), 4]])]);
});
