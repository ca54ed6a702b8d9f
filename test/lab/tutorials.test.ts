/** The tutorials of docs/tutorials, typed as their reader does: each command, on the host that it is for, prints what the page says. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { type HostName, hostNamed, NIC, runningIn, start, VIP4 } from '../../src/lab/index.js';
import { textOfTheLab } from '../support/doctor-lab.js';
import { collect, type Ended, TestLab } from '../support/lab.js';
import { comparable, type FileText, type Step, tutorialOf } from '../support/pages.js';
import { Terminals } from '../support/terminals.js';

const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));

/** The prompt "real#" is of both real servers. */
const HOSTS: Readonly<Record<string, readonly HostName[]>> = { real: ['real1', 'real2'] };

/** What only looks is asked again, as the reader would, until it shows what comes a moment later. */
const LOOKS = /^(beeline (list|status)|ip (-br |-6 |-o )*(address|neigh)\w* show|ip -br)/;
const LOOK_MS = 100;
const LOOKS_AGAIN = 200;

/** Where the index tells the reader to make a folder for each host. */
const FOLDER = '/tmp/lab';

const TUTORIALS = [
  { page: '1-two-real-servers', rows: 'M1, M2, M22' },
  { page: '2-the-arp-problem', rows: 'M5, M6, M7, M22' },
  { page: '3-two-services', rows: 'M9, M22' },
  { page: '4-two-directors', rows: 'M10, M17, M18' },
] as const;

for (const { page, rows } of TUTORIALS) {
  test(`${rows}: each command of docs/tutorials/${page}.md works in its order and prints what it says`, async (context) => {
    const parts = tutorialOf(readFileSync(`docs/tutorials/${page}.md`, 'utf8'));
    const pair = parts.some(({ host }) => host === 'standby');
    const lab = await TestLab.build(context, 'tutorial', { pair });
    const hosts: HostName[] = ['client', 'director', ...(pair ? (['standby'] as const) : []), 'real1', 'real2'];
    const directors = pair ? (['director', 'standby'] as const) : (['director'] as const);
    await Promise.all(directors.map((director) => lab.startDirector([], undefined, director)));
    const terminals = await Terminals.of(lab, hosts);
    try {
      for (const part of parts) {
        for (const host of HOSTS[part.host!] ?? [hostNamed(part.host as HostName).name]) {
          await follow(lab, terminals, host, part);
        }
      }
    } finally {
      await terminals.end();
    }
  });
}

test('"beeline lab" builds the lab with two directors, and a shell on each knows which one is there', async (context) => {
  const name = 'test-index';
  const beeline = (...args: string[]): Promise<Ended> => collect(process.execPath, [BEELINE, 'lab', ...args]);
  await beeline('down', name);
  context.after(() => beeline('down', name));
  const up = await beeline('up', '--pair', name);
  assert.equal(up.status, 0, up.stderr);
  for (const [host, instance] of [
    ['director', name],
    ['standby', `${name}-standby`],
    ['real1', ''],
  ] as const) {
    const command = up.stdout.split('\n').find((line) => line.startsWith(`start the ${host}:`));
    assert.equal(
      command?.includes(`lab exec --name ${name} ${host} beeline run `) ?? false,
      instance !== '',
      up.stdout,
    );
    const { stdout } = await beeline('exec', '--name', name, host, 'sh', '-c', 'echo "$BEELINE_INSTANCE"');
    assert.equal(stdout, `${instance}\n`);
  }
});

test('"beeline lab down" names what still runs on the hosts of a lab', async (context) => {
  const name = 'test-left';
  const lab = await TestLab.build(context, 'left');
  const child = start(lab.namespace('real1'), ['sleep', '1000'], { stdio: 'ignore' });
  context.after(() => child.kill('SIGKILL'));
  await lab.until('it runs there', async () => (await runningIn(lab)).some(({ program }) => program === 'sleep'));
  const { stdout, stderr } = await collect(process.execPath, [BEELINE, 'lab', 'down', name]);
  assert.equal(stderr, '');
  assert.equal(stdout, `removed the lab "${name}"\nstill running, without a network: sleep (${child.pid!})\n`);
});

test('what one host of a lab records is neither another host’s nor this machine’s', async (context) => {
  const name = 'test-records';
  const beeline = (...args: string[]): Promise<Ended> => collect(process.execPath, [BEELINE, ...args]);
  const on = (host: HostName, ...command: string[]): Promise<Ended> =>
    beeline('lab', 'exec', '--name', name, host, ...command);
  await beeline('lab', 'down', name);
  context.after(() => beeline('lab', 'down', name));
  assert.equal((await beeline('lab', 'up', name)).status, 0);
  const machine = ['/var/lib/beeline/realserver.json', '/var/lib/beeline/vips.json'];
  const before = machine.map((path) => existsSync(path));
  const tool = [process.execPath, BEELINE];
  const redirect = ['--vip', VIP4, '--method', 'redirect', '--port', '8080', '--persist', 'systemd-networkd'];
  for (const host of ['real1', 'real2'] as const) {
    const { status, stderr } = await on(host, ...tool, 'realserver', 'setup', ...redirect);
    assert.equal(status, 0, stderr);
  }
  for (const host of ['real1', 'real2'] as const) {
    assert.match((await on(host, ...tool, 'realserver', 'remove')).stdout, /^undone/m, host);
    assert.doesNotMatch((await on(host, 'nft', 'list', 'ruleset')).stdout, /redirect/);
  }
  const vip = '192.168.1.109';
  assert.match((await on('director', ...tool, 'vip', 'add', vip, '--interface', NIC)).stdout, /^done/m);
  assert.match((await on('director', ...tool, 'vip', 'remove', vip)).stdout, /^undone/m);
  assert.deepEqual(
    machine.map((path) => existsSync(path)),
    before,
  );
});

async function follow(lab: TestLab, terminals: Terminals, host: HostName, part: Step | FileText): Promise<void> {
  if ('text' in part) {
    writeFileSync(join(terminals.folder(host), part.name), part.text);
    return;
  }
  const { command, output } = part;
  const terminal = terminals.on(host);
  const listening = await listeners(lab, host);
  const type = async (): Promise<string> =>
    textOfTheLab(await terminal.run(command)).replaceAll(dirname(terminals.folder(host)), FOLDER);
  let printed = await type();
  for (let i = 0; LOOKS.test(command) && comparable(printed) !== comparable(output) && i < LOOKS_AGAIN; i += 1) {
    await sleep(LOOK_MS);
    printed = await type();
  }
  assert.equal(comparable(printed), comparable(output), `${host}# ${command}\n${printed}`);
  if (command.endsWith('&')) {
    await lab.until('the capture has begun', async () => (await listeners(lab, host)) > listening);
  }
}

/** How many captures run on a host: packet sockets that get packets. */
async function listeners(lab: TestLab, host: HostName): Promise<number> {
  const sockets = await lab.exec(host, ['cat', '/proc/net/packet']);
  return sockets.split('\n').filter((line) => line.trim().split(/ +/)[5] === '1').length;
}
