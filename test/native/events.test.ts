/** Events of ring buffers and netlink sockets, and the functions of system.ts. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { RingBuffer } from '../../src/libbpf/index.js';
import { ip as address } from '../../src/model/index.js';
import {
  bootTimeMs,
  FileLock,
  KernelError,
  libbpfVersion,
  possibleCpus,
  sendDatagram,
  synchronizeRcu,
} from '../../src/native/index.js';
import { type NetlinkMessage, Network, RequestSocket } from '../../src/net/index.js';
import { ip, makeVeth, requireOwnNetwork } from '../support/isolation.js';
import { loadBinding, u64 } from '../support/objects.js';

before(requireOwnNetwork);

/** Returns a packet that begins with a 64-bit number. */
function packet(head: bigint): Uint8Array {
  return Buffer.concat([u64(head), new Uint8Array(52)]);
}

test('records arrive in order', async () => {
  const object = loadBinding();
  const received: bigint[] = [];
  using ring = new RingBuffer(object.map('events'), (records) => {
    received.push(...records.map((record) => Buffer.from(record).readBigUInt64LE()));
  });
  ring.ref();
  for (let i = 1n; i <= 100n; i += 1n) {
    object.program('report').run({ data: packet(i) });
  }
  while (received.length < 100) {
    await sleep(1);
  }
  assert.deepEqual(
    received,
    Array.from({ length: 100 }, (_, i) => BigInt(i + 1)),
  );
});

test('records can be taken without waiting', () => {
  const object = loadBinding();
  using ring = new RingBuffer(object.map('events'), () => undefined);
  object.program('report').run({ data: packet(5n) });
  assert.deepEqual(
    ring.consume().map((record) => record[0]),
    [5],
  );
  assert.deepEqual(ring.consume(), []);
});

test('no record is delivered after close, and a closed ring buffer throws CLOSED', async () => {
  const object = loadBinding();
  let calls = 0;
  const ring = new RingBuffer(object.map('events'), () => {
    calls += 1;
  });
  object.program('report').run({ data: packet(1n) });
  ring.close();
  ring.close();
  await sleep(20);
  assert.equal(calls, 0);
  assert.throws(() => ring.consume(), { code: 'CLOSED' });
});

test('a ring buffer can be closed by the function that it calls', async () => {
  const object = loadBinding();
  const closed = Promise.resolve(
    new Promise<void>((resolve) => {
      const ring = new RingBuffer(object.map('events'), () => {
        ring.close();
        resolve();
      });
    }),
  );
  object.program('report').run({ data: packet(1n) });
  await closed;
});

test('only a map of type ringbuf is accepted', () => {
  const object = loadBinding();
  assert.throws(() => new RingBuffer(object.map('points'), () => undefined), { name: 'KernelError', code: 'EINVAL' });
});

test('links that are added and removed are reported', async (context) => {
  const changes: string[] = [];
  using network = await Network.open((change) => changes.push(change));
  assert.equal(network.link('lo')?.ifindex, 1);
  assert.equal(network.link('test4'), undefined);
  makeVeth('test4', 'test5');
  context.after(() => {
    ip('link', 'delete', 'test4');
  });
  while (network.link('test5')?.up !== true) {
    await sleep(1);
  }
  ip('link', 'set', 'test4', 'address', '02:00:00:00:00:07');
  while (network.link('test4')?.mac !== '02:00:00:00:00:07') {
    await sleep(1);
  }
  assert.ok(changes.includes('links'));
});

test('neighbours are resolved by the kernel, or set by hand', async (context) => {
  const { ifindex } = makeVeth('test6', 'test7');
  context.after(() => {
    ip('link', 'delete', 'test6');
  });
  ip('addr', 'add', '10.9.0.1/24', 'dev', 'test6');
  using network = await Network.open(() => undefined);
  await network.manageNeighbour(ifindex, address('10.9.0.2'), true);
  while (network.neighbour(ifindex, address('10.9.0.2'))?.managed !== true) {
    await sleep(1);
  }
  assert.equal(network.neighbour(ifindex, address('10.9.0.2'))?.mac, undefined);
  ip('neigh', 'replace', '10.9.0.3', 'dev', 'test6', 'lladdr', '02:00:00:00:00:03');
  while (network.neighbour(ifindex, address('10.9.0.3'))?.mac !== '02:00:00:00:00:03') {
    await sleep(1);
  }
  assert.equal(network.neighbour(ifindex, address('10.9.0.3'))?.permanent, true);
  await network.manageNeighbour(ifindex, address('10.9.0.2'), false);
  while (network.neighbour(ifindex, address('10.9.0.2'))?.managed !== false) {
    await sleep(1);
  }
  await assert.rejects(network.manageNeighbour(9999, address('10.9.0.2'), true), { name: 'NetlinkError', errno: 19 });
});

/** Returns lines for "ip -batch" that replace each of `count` neighbours `rounds` times. */
function replaceNeighbours(device: string, count: number, rounds: number): { input: string; last: string } {
  const mac = (round: number): string => `02:00:00:00:01:${round.toString(16).padStart(2, '0')}`;
  const lines = Array.from({ length: count * rounds }, (_, i) => {
    const [host, round] = [i % count, Math.floor(i / count)];
    return `neigh replace 10.1.${host >> 8}.${host & 255} dev ${device} lladdr ${mac(round)}\n`;
  });
  return { input: lines.join(''), last: mac(rounds - 1) };
}

/** Returns the kernel's neighbours that `network` does not have, or with another MAC. */
function stale(network: Network, device: string, ifindex: number): string[] {
  const truth = JSON.parse(ip('-j', 'neigh', 'show', 'dev', device)) as { dst: string; lladdr?: string }[];
  assert.ok(truth.length > 0);
  return truth
    .filter(({ dst, lladdr }) => network.neighbour(ifindex, address(dst))?.mac !== lladdr)
    .map(({ dst }) => dst);
}

test('after more changes at once than the socket holds, all are known in the end, and later ones too', async (context) => {
  const { ifindex } = makeVeth('test10', 'test11');
  context.after(() => {
    ip('link', 'delete', 'test10');
  });
  ip('addr', 'add', '10.0.0.1/8', 'dev', 'test10');
  const troubles: unknown[] = [];
  using network = await Network.open(() => undefined, { onTrouble: (error) => troubles.push(error) });
  // Far more than the socket's buffer, while this process has no time to read it.
  const { input, last } = replaceNeighbours('test10', 800, 60);
  execFileSync('ip', ['-batch', '-'], { input });
  // The socket was full before this change, so its event is lost.
  ip('neigh', 'replace', '10.1.0.5', 'dev', 'test10', 'lladdr', '02:00:00:00:02:05');
  while (network.neighbour(ifindex, address('10.1.0.5'))?.mac !== '02:00:00:00:02:05') {
    await sleep(1);
  }
  assert.match(String(troubles[0]), /more changes at once/, 'the test brought no overrun about');
  assert.equal(network.neighbour(ifindex, address('10.1.0.6'))?.mac, last);
  assert.deepEqual(stale(network, 'test10', ifindex), []);

  for (const mac of ['02:00:00:00:03:01', '02:00:00:00:03:02']) {
    ip('neigh', 'replace', '10.1.0.7', 'dev', 'test10', 'lladdr', mac);
    while (network.neighbour(ifindex, address('10.1.0.7'))?.mac !== mac) {
      await sleep(1);
    }
  }
});

test('a change that comes while events are gathered, or behind more than one round takes, is not lost', async (context) => {
  const { ifindex } = makeVeth('test16', 'test17');
  context.after(() => {
    ip('link', 'delete', 'test16');
  });
  ip('addr', 'add', '10.0.0.1/8', 'dev', 'test16');
  using network = await Network.open(() => undefined);
  const macOf = (host: string): string | undefined => network.neighbour(ifindex, address(host))?.mac;
  for (let i = 10; i < 30; i += 1) {
    const mac = `02:00:00:00:04:${i}`;
    // The first is handed over at once. The second comes in the pause that follows.
    for (const host of ['10.2.0.1', '10.2.0.2']) {
      ip('neigh', 'replace', host, 'dev', 'test16', 'lladdr', mac);
      await sleep(2);
    }
    while (macOf('10.2.0.1') !== mac || macOf('10.2.0.2') !== mac) {
      await sleep(1);
    }
  }
  const { input, last } = replaceNeighbours('test16', 600, 2);
  execFileSync('ip', ['-batch', '-'], { input });
  while (macOf('10.1.2.87') !== last) {
    await sleep(1);
  }
  assert.deepEqual(stale(network, 'test16', ifindex), []);
});

test('a network that is closed while events are gathered stays closed', async (context) => {
  const { ifindex } = makeVeth('test18', 'test19');
  context.after(() => {
    ip('link', 'delete', 'test18');
  });
  ip('addr', 'add', '10.3.0.1/24', 'dev', 'test18');
  let closed = false;
  let late = 0;
  const network = await Network.open(() => {
    late += Number(closed);
  });
  ip('neigh', 'replace', '10.3.0.2', 'dev', 'test18', 'lladdr', '02:00:00:00:05:01');
  while (network.neighbour(ifindex, address('10.3.0.2')) === undefined) {
    await sleep(1);
  }
  ip('neigh', 'replace', '10.3.0.2', 'dev', 'test18', 'lladdr', '02:00:00:00:05:02');
  network.close();
  closed = true;
  await sleep(30);
  assert.equal(late, 0);
});

/** A socket that runs a function after each list was made and before it is delivered. */
class LateAnswers extends RequestSocket {
  meanwhile: () => Promise<void> = () => Promise.resolve();

  override async dump(type: number, payload: Uint8Array, what: string): Promise<NetlinkMessage[]> {
    const messages = await super.dump(type, payload, what);
    await this.meanwhile();
    return messages;
  }
}

test('changes while a list is read are not overwritten by the older list', async (context) => {
  const { ifindex } = makeVeth('test12', 'test13');
  context.after(() => {
    ip('link', 'delete', 'test12');
  });
  ip('addr', 'add', '10.9.1.1/24', 'dev', 'test12');
  ip('neigh', 'replace', '10.9.1.2', 'dev', 'test12', 'lladdr', '02:00:00:00:00:01');
  const requests = new LateAnswers();
  let answers = 0;
  requests.meanwhile = async () => {
    answers += 1;
    ip('neigh', 'replace', '10.9.1.2', 'dev', 'test12', 'lladdr', `02:00:00:00:01:0${answers}`);
    if (answers === 1) {
      ip('link', 'set', 'test13', 'address', '02:00:00:00:00:13');
    }
    // The events arrive before the answer.
    await sleep(50);
  };
  using network = await Network.open(() => undefined, { requests });
  assert.equal(network.neighbour(ifindex, address('10.9.1.2'))?.mac, `02:00:00:00:01:0${answers}`);
  assert.equal(network.link('test13')?.mac, '02:00:00:00:00:13');
});

test('a port that leaves its bridge remains a link', async (context) => {
  makeVeth('test14', 'test15');
  ip('link', 'add', 'test16', 'type', 'bridge');
  context.after(() => {
    ip('link', 'delete', 'test14');
    ip('link', 'delete', 'test16');
  });
  const seen = new Set<boolean>();
  using network = await Network.open(() => seen.add(network.link('test14') !== undefined));
  ip('link', 'set', 'test14', 'master', 'test16');
  ip('link', 'set', 'test14', 'nomaster');
  ip('link', 'set', 'test15', 'address', '02:00:00:00:00:15');
  while (network.link('test15')?.mac !== '02:00:00:00:00:15') {
    await sleep(1);
  }
  assert.deepEqual(seen, new Set([true]));
});

test('routes: local, on a connected network, through a gateway, none', async (context) => {
  const { ifindex } = makeVeth('test8', 'test9');
  context.after(() => {
    ip('link', 'delete', 'test8');
  });
  ip('link', 'set', 'lo', 'up');
  ip('addr', 'add', '10.8.0.1/24', 'dev', 'test8');
  ip('route', 'add', '10.7.0.0/24', 'via', '10.8.0.254');
  using network = await Network.open(() => undefined);
  assert.equal((await network.route(address('10.8.0.1')))?.kind, 'local');
  // The length is that of the one address that was asked for.
  const unicast = { kind: 'unicast', prefixLength: 32, ifindex, source: '10.8.0.1' };
  assert.deepEqual(await network.route(address('10.8.0.2')), { ...unicast, gateway: undefined });
  assert.deepEqual(await network.route(address('10.7.0.2')), { ...unicast, gateway: '10.8.0.254' });
  assert.equal(await network.route(address('10.6.0.2')), undefined);
  assert.equal(await network.route(address('2001:db8::1')), undefined);
});

test('a closed network rejects requests', async () => {
  const network = await Network.open(() => undefined);
  network.close();
  await assert.rejects(network.route(address('127.0.0.1')));
});

test('a process cannot take a lock that another one holds', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-lock-'));
  const path = join(directory, 'lock');
  try {
    const lock = new FileLock(path);
    assert.throws(
      () => new FileLock(path),
      (error: unknown) => error instanceof KernelError && error.code === 'EAGAIN',
    );
    lock.close();
    new FileLock(path).close();

    // A process that is killed leaves no lock behind.
    const holder = spawn(process.execPath, [
      '-e',
      `import('${new URL('../../src/native/system.js', import.meta.url).href}').then(({ FileLock }) => {
         globalThis.lock = new FileLock('${path}'); console.log('held'); setInterval(() => {}, 1000); });`,
    ]);
    await once(holder.stdout, 'data');
    assert.throws(() => new FileLock(path), { code: 'EAGAIN' });
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    new FileLock(path).close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a lock knows that its file was removed, or is another one now; a folder can be locked', () => {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-lock-'));
  const path = join(directory, 'lock');
  try {
    using lock = new FileLock(path);
    assert.equal(lock.isAt(path), true);
    rmSync(path);
    assert.equal(lock.isAt(path), false);
    using second = new FileLock(path);
    assert.deepEqual([lock.isAt(path), second.isAt(path)], [false, true]);
    second.close();
    assert.equal(second.isAt(path), false);
    using folder = new FileLock(directory, 'folder');
    assert.equal(folder.isAt(directory), true);
    assert.throws(() => new FileLock(directory, 'folder'), { code: 'EAGAIN' });
    assert.throws(() => new FileLock(join(directory, 'none'), 'folder'), { code: 'ENOENT' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the clock since boot is the kernel's", () => {
  const uptime = (): number => 1000 * Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  // The kernel cuts it to hundredths of a second.
  const [before, time, after] = [uptime(), bootTimeMs(), uptime() + 10];
  assert.ok(Number.isInteger(time) && before <= time && time <= after, `${before} ${time} ${after}`);
});

test('a datagram reaches a unix socket, named or abstract, as for systemd', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-notify-'));
  try {
    for (const path of [join(directory, 'notify'), `@beeline-test-${process.pid}`]) {
      const address = path.replace('@', '\\0');
      const receiver = spawn('python3', [
        '-c',
        `import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("${address}")
os.write(1, b"bound")
os.write(1, s.recv(100))`,
      ]);
      let output = '';
      receiver.stdout.on('data', (text: Buffer) => {
        output += text.toString();
      });
      while (output !== 'bound') {
        await sleep(5);
      }
      sendDatagram(path, 'READY=1\n');
      await once(receiver, 'close');
      assert.equal(output, 'boundREADY=1\n');
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  assert.throws(
    () => {
      sendDatagram('x'.repeat(200), '');
    },
    { code: 'ENAMETOOLONG' },
  );
});

test('a grace period ends', async () => {
  assert.equal(await synchronizeRcu(), true);
});

test('CPUs and versions are returned', () => {
  assert.ok(possibleCpus() >= 1);
  assert.match(libbpfVersion(), /^v1\./);
});
