/** What is written for keepalived, read by the real one: it takes every line, and is master only while the file says so. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { keepalivedConf, validateConf } from '../../src/fleet/index.js';
import { ip, makeVeth, requireOwnNetwork } from '../support/isolation.js';
import { confOfCase, KEEPALIVED_CASES, modelOfCase } from '../support/keepalived-cases.js';

before(() => {
  requireOwnNetwork();
  makeVeth('test60', 'test62');
  makeVeth('test61', 'test63');
  ip('address', 'add', '192.168.1.4/24', 'dev', 'test60');
  ip('address', 'add', '10.9.0.1/24', 'dev', 'test61');
});

for (const each of KEEPALIVED_CASES) {
  test(`keepalived takes every line: ${each.name}`, async () => {
    assert.deepEqual(await validateConf(confOfCase(each)), { state: 'valid', problems: [], missing: [] });
  });
}

test("keepalived's objections are told by line, interfaces of another host apart", async () => {
  const text = confOfCase(KEEPALIVED_CASES[0]!);
  const line = text.split('\n').findIndex((each) => each.includes('priority')) + 1;
  const wrong = await validateConf(text.replace('priority 250', 'prio 250'));
  assert.deepEqual(wrong, { state: 'refused', problems: [`line ${line}: Unknown keyword 'prio'`], missing: [] });
  const elsewhere = await validateConf(text.replaceAll('test60', 'test69'));
  assert.deepEqual(elsewhere, { state: 'valid', problems: [], missing: ['test69'] });
});

test('a keepalived that does not end is not waited for', async () => {
  assert.deepEqual(await validateConf(confOfCase(KEEPALIVED_CASES[0]!), 1), {
    state: 'unanswered',
    problems: [],
    missing: [],
  });
});

/** Ends keepalived, which removes its addresses, and waits for that. */
async function end(keepalived: ChildProcess): Promise<void> {
  if (keepalived.exitCode === null) {
    keepalived.kill('SIGTERM');
    await once(keepalived, 'exit');
  }
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!isTrue()) {
    assert.ok(Date.now() < end, `waited in vain: ${what}`);
    await sleep(20);
  }
}

for (const vmac of [false, true]) {
  test(`a director without the file, or with 0 in it, is never master; with 1 it has all VIPs${vmac ? ' on its virtual MAC' : ''}`, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'beeline-test-'));
    const files = { name: 'x', forwardsPath: join(folder, 'x.forwards'), vrrpPath: join(folder, 'x.vrrp') };
    const model = modelOfCase({
      vrrp: `{ instances: [{ id: 51, priority: 254, interval: 0.05, vmac: ${vmac} }] }`,
      services: `services:
  - { address: 192.168.1.100, port: 80, realServers: [192.168.1.31] }
  - { address: 192.168.1.101, port: 80, realServers: [192.168.1.31] }
  - { address: 'fd00::100', port: 80, realServers: ['fd00::31'] }
`,
    });
    const conf = join(folder, 'keepalived.conf');
    writeFileSync(conf, keepalivedConf(model, files, 'whole'));
    const pids = ['--pid', join(folder, 'pid'), '--vrrp_pid', join(folder, 'vrrp.pid')];
    const keepalived = spawn('keepalived', ['--dont-fork', '--log-console', '--vrrp', '--use-file', conf, ...pids], {
      stdio: 'ignore',
    });
    context.after(async () => {
      await end(keepalived);
      rmSync(folder, { recursive: true });
    });
    await until('the FIFO is there', () => existsSync(files.vrrpPath));
    const fifo = openSync(files.vrrpPath, constants.O_RDONLY | constants.O_NONBLOCK);
    context.after(() => {
      closeSync(fifo);
    });
    let told = '';
    const hears = (...lines: string[]): boolean => {
      const bytes = Buffer.alloc(4096);
      try {
        told += bytes.toString('latin1', 0, readSync(fifo, bytes));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      }
      return lines.every((line) => told.includes(line));
    };
    const vips = (): string[] =>
      ['192.168.1.100/32', '192.168.1.101/32', 'fd00::100/128'].filter((vip) => ip('address').includes(vip));
    const say = (text: string): void => {
      writeFileSync(`${files.forwardsPath}.new`, text);
      renameSync(`${files.forwardsPath}.new`, files.forwardsPath);
      told = '';
    };
    const states = (state: string): string[] => ['VI_51', 'VI_51_6'].map((name) => `INSTANCE "${name}" ${state} 254\n`);

    // As after a boot: no Beeline has run yet.
    await until('faults without the file', () => hears(...states('FAULT')));
    assert.deepEqual(vips(), []);
    say('0\n');
    await sleep(300);
    assert.deepEqual([vips(), hears('MASTER')], [[], false]);
    say('1\n');
    await until('master', () => hears(...states('MASTER')));
    await until('all VIPs', () => vips().length === 3);
    assert.equal(ip('-o', 'address', 'show', 'dev', 'test60').includes('192.168.1.100'), !vmac);
    say('0\n');
    await until('faults with 0', () => hears(...states('FAULT')) && vips().length === 0);
    say('1\n');
    await until('master again', () => vips().length === 3);
    rmSync(files.forwardsPath);
    await until('faults without the file', () => vips().length === 0);
    await end(keepalived);
    assert.ok(hears(...states('STOP')), told);
  });
}
