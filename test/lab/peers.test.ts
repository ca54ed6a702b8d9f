/** Two directors of the same model: whether they forward alike, what each says of the other, and what one gives the other. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import type { PeerDiffResult } from '../../src/cli/index.js';
import type { Forwarded } from '../../src/model/index.js';
import { hostNamed, inNamespace, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { type Ended, TestLab } from '../support/lab.js';

const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const [ONE, TWO] = [hostNamed('real1'), hostNamed('real2')];
const SERVICES = ['maglev', 'maglev, track: moved', 'sh, flags: [sh-port]', 'mh', 'wlc', 'rr, persistence: 300', 'wrr'];

/** @param isOther real servers in another order, and more defaults written out: that must make no difference */
function configuration(isOther: boolean): string {
  const line = (policy: string, i: number, is6: boolean): string => {
    const all = is6 ? [ONE.ipv6, TWO.ipv6] : [ONE.ipv4, TWO.ipv4];
    const servers = (isOther && i < 2 ? all.toReversed() : all).map((each) => `{ address: "${each}", weight: 2 }`);
    const rest = isOther ? ', noDestination: reject' : '';
    return `  - { address: "${is6 ? VIP6 : VIP4}", port: ${8000 + i}, scheduler: ${policy}${rest}, realServers: [${servers.join(', ')}] }\n`;
  };
  const all = [false, true].flatMap((is6) => SERVICES.map((policy, i) => line(policy, i, is6)));
  return `interfaces: [${NIC}]\nservices:\n${all.join('')}`;
}

test('two directors say where they forward otherwise, and one takes over what the other runs', async (context) => {
  const lab = await TestLab.build(context, 'peers');
  // Of which the lab removes what it leaves.
  const other = lab.instance('standby');
  const otherFile = join(lab.directory, 'other.yaml');
  lab.configure(configuration(false));
  writeFileSync(otherFile, `# of lb2\n${configuration(true)}`);
  // As ssh would: it drops the host, and the word "beeline" is the other director's command.
  const ssh = join(lab.directory, 'ssh');
  const beeline = [process.execPath, BEELINE, '--instance', other];
  const [file, words] = inNamespace(lab.namespace('client'), beeline);
  writeFileSync(
    ssh,
    `#!/bin/sh\n[ "$1" = lb2 ] || { echo "ssh: no host $1" >&2; exit 255; }\nshift 2\nexec ${[file, ...words].join(' ')} "$@"\n`,
    {
      mode: 0o755,
    },
  );
  const there = (...args: string[]): Promise<string> => lab.exec('client', [...beeline, ...args]);
  await lab.startDirector();
  lab.startProcess('client', 'other', [...beeline, 'run', otherFile]);
  for (const status of [
    () => lab.beeline(['status', '--json']),
    () => there('status', '--json').catch(() => '{"unresolved":1}'),
  ]) {
    await lab.until(
      'all real servers resolve',
      async () => (JSON.parse(await status()) as { unresolved: number }).unresolved === 0,
    );
  }
  const diff = (...args: string[]): Promise<Ended> => lab.run('diff', '--peer', 'lb2', '--ssh', ssh, ...args);
  const differences = async (): Promise<PeerDiffResult['differences']> =>
    (JSON.parse((await diff('--json')).stdout) as PeerDiffResult).differences;

  await context.test('with the same model they are alike, whatever the order of lines', async () => {
    const { status, stdout } = await diff();
    assert.equal(
      stdout,
      `${(JSON.parse(await there('fingerprint', '--json')) as Forwarded).host} forwards all 14 services as this director does\n`,
    );
    assert.equal(status, 0);
    assert.equal(await lab.beeline(['fingerprint']), await there('fingerprint'));
  });

  await context.test('a real server that one director took out is named, with the reason', async () => {
    await there('disable', 'all', ONE.ipv4, '--reason', 'new disks');
    const { status, stdout } = await diff();
    assert.equal(status, 4);
    assert.match(stdout, /^~ tcp 192\.168\.1\.100:8000 {3}192\.168\.1\.31 weight 0 -> 2$/m);
    assert.match(stdout, /, tcp 192\.168\.1\.100:8000 192\.168\.1\.31: is disabled: new disks$/m);
    assert.equal((await differences()).length, SERVICES.length);
    assert.notEqual(await lab.beeline(['fingerprint']), await there('fingerprint'));
    await there('enable', 'all', ONE.ipv4);
    assert.deepEqual(await differences(), []);
  });

  await context.test('what commands changed on one is shown, and given to the other after a question', async () => {
    await lab.beeline(['ipvsadm', '-A', '-u', `${VIP4}:53`, '-s', 'mh']);
    await lab.beeline(['ipvsadm', '-a', '-u', `${VIP4}:53`, '-r', TWO.ipv4, '-g']);
    await lab.beeline(['weight', `${VIP4}:8000`, ONE.ipv4, '5']);
    await lab.beeline(['ipvsadm', '--set', '700', '0', '0']);
    const kinds = (await differences()).map(({ kind, what, field }) => `${kind} ${what} ${field ?? ''}`.trim());
    assert.deepEqual(kinds.sort(), [
      'added service',
      'changed realServer weight',
      'changed setting timeouts.established',
    ]);
    const push = (...args: string[]): Promise<Ended> => lab.run('push', '--ssh', ssh, ...args, 'lb2');
    const asked = await push();
    assert.equal(asked.status, 2);
    assert.match(asked.stdout, /^~ tcp 192\.168\.1\.100:8000 {3}192\.168\.1\.31 weight 2 -> 5$/m);
    assert.match(asked.stderr, /nothing was changed on lb2: there is no terminal to ask on/);
    assert.equal((await differences()).length, 3);
    const refused = await push('--yes', '--max-moved', '1%');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /would move/);
    assert.equal((await differences()).length, 3);

    const pushed = await push('--yes', '--save');
    assert.equal(pushed.stderr, '');
    assert.equal(pushed.status, 0);
    assert.deepEqual(await differences(), []);
    assert.match(readFileSync(otherFile, 'utf8'), /^# of lb2$/m, 'its file keeps its form');
    assert.match(readFileSync(otherFile, 'utf8'), /53/);
    const again = await push('--yes');
    assert.match(again.stdout, /^lb2: no changes$/m);
  });

  await context.test('a host that cannot be reached, or would be an option, is an error that says so', async () => {
    const gone = await lab.run('diff', '--peer', 'lb3', '--ssh', ssh);
    assert.equal(gone.status, 1);
    assert.match(gone.stderr, /ssh: no host lb3/);
    const option = await lab.run('push', '--ssh', ssh, '--', '-oProxyCommand=false');
    assert.equal(option.status, 2);
    assert.match(option.stderr, /"-oProxyCommand=false" is no host/);
    const missing = await lab.run('diff', '--peer', 'lb2', '--ssh', join(lab.directory, 'nothing'));
    assert.match(missing.stderr, /there is no such command/);
    await there('stop');
    const stopped = await diff();
    assert.equal(stopped.status, 1);
    assert.match(stopped.stderr, /lb2: .*no daemon/s);
    // Its pins are not the lab's.
    await there('stop', '--detach');
  });
});
