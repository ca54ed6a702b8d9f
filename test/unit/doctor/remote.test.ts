/** Asking hosts over SSH: all at once, none for long, and whatever they say. */

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { parseConfig } from '../../../src/config/index.js';
import { gatherRemote } from '../../../src/doctor/gather/remote.js';
import { runOverSsh } from '../../../src/doctor/gather/run-ssh.js';
import type { Model } from '../../../src/model/index.js';

/** A command in place of SSH's. @param script with the host as "$HOST" */
function standIn(context: TestContext, script: string, name = 'ssh'): string {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-ssh-'));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

test("it gives SSH the script, with options that keep it from asking; another program gets its user's words alone", async (context) => {
  const told = 'echo "$@"; cat';
  const { output } = await runOverSsh(`${standIn(context, told)} -p 22`, 'root@web1', 'the script\n');
  assert.equal(output, '-p 22 -o BatchMode=yes -o ConnectTimeout=5 root@web1 sh -s\nthe script\n');
  const other = await runOverSsh(standIn(context, told, 'dbclient'), 'web1', '');
  assert.equal(other.output, 'web1 sh -s\n');
});

test("a host that cannot be reached is told with SSH's own message, its escapes spelled out", async (context) => {
  const refused = standIn(context, 'printf "one\\nssh: web1: \\033[2Jrefused\\n" >&2; exit 255');
  assert.equal((await runOverSsh(refused, 'web1', '')).why, 'ssh: web1: \\u001b[2Jrefused');
  assert.equal((await runOverSsh('/nonexistent/ssh', 'web1', '')).why, 'there is no command /nonexistent/ssh');
});

test('it has no terminal to ask on', async (context) => {
  const asks = standIn(context, 'if (: >/dev/tty) 2>/dev/null; then echo asked; fi; echo "$SSH_ASKPASS_REQUIRE"');
  assert.equal((await runOverSsh(asks, 'web1', '')).output, 'never\n');
});

/** Whether a process has ended: it may wait for somebody to ask for its status. */
function isOver(pid: string): boolean {
  assert.match(pid, /^\d+$/);
  return !existsSync(`/proc/${pid}`) || /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

test('it waits for no host longer than its time, and what that started ends too', async (context) => {
  const began = performance.now();
  const hangs = await runOverSsh(standIn(context, 'sleep 60 & echo $!; wait'), 'web1', '', 1_000);
  assert.equal(hangs.why, 'no answer within 1 s');
  assert.ok(performance.now() - began < 30_000);
  while (!isOver(hangs.output.trim()) && performance.now() - began < 30_000) {
    await sleep(10);
  }
  assert.ok(isOver(hangs.output.trim()));
  // As ssh with ControlPersist: it ends, and a process that it leaves holds its output open.
  const leaves = await runOverSsh(standIn(context, 'sleep 60 & echo done'), 'web1', '', 1_000);
  assert.equal(leaves.output, 'done\n');
});

test('it reads no flood to its end', async (context) => {
  const began = performance.now();
  const { output, why } = await runOverSsh(standIn(context, 'yes "a flood"'), 'web1', '');
  assert.equal(why, 'it says more than 4 MB');
  assert.ok(output.length <= 4 << 20);
  assert.ok(performance.now() - began < 30_000);
});

const addresses = (n: number, device = 'ens3'): string =>
  ` 2: ${device}: <BROADCAST,UP> mtu 1500\n     link/ether 02:00:00:00:00:${String(n).padStart(2, '0')} brd x\n` +
  `     inet 192.168.1.${n}/24\n     inet6 fd00::${n}/64\n`;

const output = (n: number): string => `@boot\n b\n@addresses\n${addresses(n)}@end\n`;

function modelOf(count: number): Model {
  const all = Array.from({ length: count }, (_, i) => i + 10);
  const line = (address: string, servers: string[]): string =>
    `  - { address: "${address}", port: 80, realServers: [${servers.map((each) => `"${each}"`).join(', ')}] }\n`;
  const services = [
    line(
      '192.168.1.100',
      all.map((n) => `192.168.1.${n}`),
    ),
    line(
      'fd00::100',
      all.map((n) => `fd00::${n}`),
    ),
  ];
  return parseConfig(`interfaces: [ens3]\nservices:\n${services.join('')}`, 'beeline.yaml');
}

const lastByte = (host: string): number => Number(/\d+$/.exec(host)![0]);

test('all real servers are asked, at most 16 at once, and a host of two families is one', async () => {
  let now = 0;
  let most = 0;
  const { remote, notLookedAt } = await gatherRemote(
    modelOf(40),
    { hosts: undefined, command: 'ssh' },
    async (host) => {
      now += 1;
      most = Math.max(most, now);
      await sleep(2);
      now -= 1;
      return { output: output(lastByte(host)), why: '' };
    },
  );
  assert.equal(most, 16);
  assert.equal(remote.length, 40);
  assert.deepEqual(remote[0]?.realServers, ['192.168.1.10', 'fd00::10']);
  assert.deepEqual(notLookedAt, []);
});

test('a host that is reached by one of its families is seen; one by none is told', async () => {
  const { remote, notLookedAt } = await gatherRemote(modelOf(2), { hosts: undefined, command: 'ssh' }, (host) =>
    Promise.resolve(
      host === '192.168.1.10' ? { output: output(10), why: '' } : { output: '', why: 'Connection refused' },
    ),
  );
  assert.deepEqual(
    remote.map(({ host }) => host),
    ['192.168.1.10'],
  );
  assert.deepEqual(notLookedAt, [
    { what: '192.168.1.11 over SSH', why: 'Connection refused' },
    { what: 'fd00::11 over SSH', why: 'Connection refused' },
  ]);
});

test('a named host is the real server whose address it has; a router is none, and is judged as none', async () => {
  const hosts = ['root@web1', 'router', '[fd00::11]'];
  const { remote } = await gatherRemote(modelOf(2), { hosts, command: 'ssh' }, (host) =>
    Promise.resolve({ output: output(host === 'router' ? 99 : host === 'root@web1' ? 10 : 98), why: '' }),
  );
  assert.deepEqual(
    remote.map(({ host, realServers, findings }) => [host, realServers.join(), findings.length > 0]),
    [
      ['root@web1', '192.168.1.10,fd00::10', true],
      ['router', '', false],
      ['[fd00::11]', 'fd00::11', true],
    ],
  );
});

test('a host that prints something else, or a damaged record, is told as not seen', async () => {
  const model = modelOf(1);
  const ask = async (text: string, why = 'it ended with status 0'): Promise<string> => {
    const { notLookedAt } = await gatherRemote(model, { hosts: ['192.168.1.10'], command: 'ssh' }, () =>
      Promise.resolve({ output: text, why }),
    );
    return notLookedAt.map((each) => each.why).join();
  };
  assert.match(await ask('This account is disabled.\n'), /^it ended with status 0; it printed something else/);
  assert.match(await ask('@boot\n b\n@end\n'), /has no command "ip"/);
  assert.match(await ask(output(10).replace('@end', '@record\n damaged\n@end')), /realserver\.json is damaged/);
});
