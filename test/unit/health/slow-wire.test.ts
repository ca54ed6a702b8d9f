/** Checks that go to a VIP by ports of the wire: they end by a reset, ports are given back, and the wire's word counts. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Deadline } from '../../../src/health/slow/deadline.js';
import type { SlowContext } from '../../../src/health/slow/slow.js';
import { ip, type SlowCheck } from '../../../src/model/index.js';
import { checked, serve } from '../../support/slow-checks.js';
import { Authority } from '../../support/certificates.js';
import { folderFor } from '../../support/store.js';

const FIRST_PORT = 62_300;

/** A wire that takes ports in turn, and says what the test says. */
class FakeWire {
  readonly taken = new Set<number>();
  readonly asked: string[] = [];
  isFree = true;
  forwarded = false;
  answered = true;
  #next = FIRST_PORT;

  takePort(vip: string, rip: string, local: string): number | undefined {
    this.asked.push(`${vip} ${rip} ${local}`);
    if (!this.isFree) {
      return undefined;
    }
    this.taken.add((this.#next += 1));
    return this.#next;
  }

  releasePort(port: number): void {
    assert.ok(this.taken.delete(port), `port ${port} is not taken`);
  }

  isForwarded(port: number): boolean {
    assert.ok(this.taken.has(port));
    return this.forwarded;
  }

  isAnswered(port: number): boolean {
    assert.ok(this.taken.has(port));
    return this.answered;
  }
}

/** The VIP is another address than the one that the socket connects to. */
async function toVip(
  check: SlowCheck,
  port: number,
  wire: FakeWire,
  given: Partial<SlowContext> = {},
): Promise<string> {
  const local = ip('127.0.0.1');
  return checked(check, port, { address: '192.0.2.80', rip: local, local, wire, timeoutMs: 2000, ...given });
}

function states(): string[] {
  return execFileSync('ss', ['-tanH'])
    .toString()
    .split('\n')
    .filter((line) => / 127\.0\.0\.1:623\d\d /.test(line));
}

async function tlsServer(context: TestContext): Promise<{ port: number; ca: string }> {
  const authority = new Authority(folderFor(context));
  const port = await serve(context, () => undefined, authority.issue({ names: 'IP:192.0.2.80' }));
  return { port, ca: authority.path };
}

test('a check to the VIP connects to the real server, verifies the VIP, and gives its port back', async (context) => {
  const { port, ca } = await tlsServer(context);
  const wire = new FakeWire();
  assert.equal(await toVip({ type: 'tls', ca }, port, wire), 'passed L6 TLSv1.3');
  assert.deepEqual(wire.asked, ['192.0.2.80 127.0.0.1 127.0.0.1']);
  assert.equal(wire.taken.size, 0);
});

test("an answer that is not the VIP's is none, and a real server that forwards the VIP does not have it", async (context) => {
  const { port, ca } = await tlsServer(context);
  const wire = new FakeWire();
  wire.answered = false;
  assert.equal(
    await toVip({ type: 'tls', ca }, port, wire),
    'failed L4 answers from its own address, not from the VIP',
  );
  wire.forwarded = true;
  assert.equal(await toVip({ type: 'tls', ca }, 1, wire), 'failed L3 has no VIP: it forwards what is for it');
  wire.forwarded = false;
  assert.equal(await toVip({ type: 'tls', ca }, 1, wire), 'failed L4 refused');
  assert.equal(wire.taken.size, 0);
});

test('without a free port, or with one that another program has, the real server is not blamed', async (context) => {
  const { port, ca } = await tlsServer(context);
  const wire = new FakeWire();
  wire.isFree = false;
  assert.equal(await toVip({ type: 'tls', ca }, port, wire), 'trouble: no local port is free');
  assert.match(await toVip({ type: 'tls', ca }, port, wire, { local: undefined }), /^trouble: no local address/);
  wire.isFree = true;
  const other = createServer().listen(FIRST_PORT + 1, '127.0.0.1');
  context.after(() => other.close());
  await once(other, 'listening');
  assert.equal(await toVip({ type: 'tls', ca }, port, wire), 'passed L6 TLSv1.3');
  // Without a free port, the one that the other program has, and the next.
  assert.equal(wire.asked.length, 3);
  assert.equal(wire.taken.size, 0);
});

test('no port stays in TIME_WAIT, however a check ends', async (context) => {
  const { port, ca } = await tlsServer(context);
  const wire = new FakeWire();
  const hanging = await serve(context, () => undefined);
  const plain = await serve(context, (socket) => socket.write('hello\n'));
  const closing = await serve(context, (socket) => socket.end('hello\n'));
  const checks: [SlowCheck, number][] = [
    [{ type: 'tls', ca }, port],
    [{ type: 'tls', verify: false }, port],
    [{ type: 'tls' }, port],
    [{ type: 'tls' }, hanging],
    [{ type: 'tls' }, plain],
    [{ type: 'tls' }, closing],
    [{ type: 'tls', alpn: ['h2'], ca }, port],
    [{ type: 'agent' }, plain],
    [{ type: 'agent' }, closing],
    [{ type: 'agent' }, hanging],
    [{ type: 'https', ca }, port],
    [{ type: 'imap', tls: true, ca }, port],
  ];
  for (const [check, to] of checks) {
    await toVip(check, to, wire, { timeoutMs: 300 });
    assert.deepEqual(states(), [], JSON.stringify(check));
  }
  assert.equal(wire.taken.size, 0);
});

test('a deadline that passed while the process did not run gives its time once more', async () => {
  const { signal } = new AbortController();
  using deadline = new Deadline(50, signal);
  const stalledAt = performance.now();
  while (performance.now() - stalledAt < 300) {
    // The process does nothing else.
  }
  assert.equal(await deadline.race(sleep(10, 'answer')), 'answer');
  assert.equal(await deadline.race(new Promise<string>(() => undefined)), 'timeout');
});
