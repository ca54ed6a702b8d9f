/** Real servers that send the VIP's packets back, because they are directors or have no VIP: found, named, and not sent on. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Warning } from '../../src/model/index.js';
import { hostNamed, NIC, PAGES, VIP4, VIP6 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';

const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));

const { ipv4: REAL1, mac: REAL1_MAC } = hostNamed('real1');

function config(servers: readonly string[], rest = ''): string {
  return `interfaces: [${NIC}]
${rest}services:
  - { address: ${VIP4}, port: 80, realServers: [${servers.join(', ')}] }
`;
}

type Told = [string, string | undefined, string | undefined];

const brief = ({ code, service, realServer }: Warning): Told => [code, service, realServer];

const warned = async (lab: TestLab): Promise<Told[]> => ((await lab.status()).warnings ?? []).map(brief);

async function checked(lab: TestLab, ...args: string[]): Promise<Told[]> {
  const { stdout, stderr } = await lab.run('check', '--json', ...args, lab.configPath);
  assert.equal(stderr, '');
  const { warnings } = JSON.parse(stdout) as { warnings: Warning[] };
  return warnings.map(brief);
}

test('a real server without the VIP that forwards is a problem of status, log and check, and is mended by the VIP', async (context) => {
  const lab = await TestLab.build(context, 'circle');
  const log = (): string => readFileSync(join(lab.directory, 'director.log'), 'utf8');
  lab.configure(config([REAL1]));
  await lab.startDirector();
  assert.equal((await lab.pages(2)).length, 2);
  assert.deepEqual((await lab.status()).problems, []);

  await lab.exec('real1', ['ip', 'addr', 'delete', `${VIP4}/32`, 'dev', 'lo']);
  await lab.sysctl('real1', 'net/ipv4/ip_forward', '1');
  await assert.rejects(lab.pages(1));
  const found: Told = ['FROM_REAL_SERVER', `tcp ${VIP4}:80`, REAL1];
  await lab.becomes([found], () => warned(lab));
  const { problems } = await lab.status();
  assert.equal(problems.length, 1);
  const remedy = `ip addr add ${VIP4}/32 dev lo`;
  assert.ok(problems[0]!.endsWith(`"${remedy}"`), problems[0]);
  assert.deepEqual(await checked(lab), [found]);
  await lab.until('it is logged', () => log().includes('sends packets for the VIP back here'));

  await lab.exec('real1', remedy.split(' '));
  assert.deepEqual(new Set(await lab.pages(4)), new Set([PAGES.real1]));
  assert.equal(log().split('sends packets for the VIP back here').length, 2, 'once');
});

test('a real server that is one of the directors is warned of by its address, and by its MAC where a daemon knows that', async (context) => {
  const lab = await TestLab.build(context, 'mutual');
  const found: Told = ['DIRECTOR_AS_REAL_SERVER', `tcp ${VIP4}:80`, REAL1];
  lab.configure(config([REAL1, hostNamed('real2').ipv4], `directors: ['${REAL1_MAC}']\n`));
  assert.deepEqual(await checked(lab), []);
  await lab.startDirector();
  await lab.becomes([found], () => warned(lab));
  assert.deepEqual((await lab.status()).problems, []);
  assert.deepEqual(await checked(lab), [found]);
  assert.match(
    await lab.beeline(['check', lab.configPath]),
    /no problems\nwarning {2}tcp 192\.168\.1\.100:80: real server/,
  );
});

test('a VIP that is on no interface is told by log, status, stats and check, with the command that mends it', async (context) => {
  const lab = await TestLab.build(context, 'lost');
  const log = (): string => readFileSync(join(lab.directory, 'director.log'), 'utf8');
  const onDirector = (command: string): Promise<string> => lab.exec('director', command.split(' '));
  const remedies = [`beeline vip add ${VIP4} --interface ${NIC}`, `beeline vip add ${VIP6} --interface ${NIC}`];
  const [add4, add6] = [`ip addr add ${VIP4}/32 dev ${NIC}`, `ip addr add ${VIP6}/128 dev ${NIC}`];
  lab.configure(`interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, realServers: [${REAL1}] }
  - { address: '${VIP6}', port: 80, realServers: ['${hostNamed('real1').ipv6}'] }
`);
  await onDirector(add4.replace('add ', 'delete '));
  await onDirector(add6.replace('add ', 'delete '));
  await lab.startDirector();
  await lab.until('both are told', async () => (await lab.status()).problems.length === 2);
  assert.deepEqual(
    (await lab.status()).problems.map((each) => /"(.*)"$/.exec(each)?.[1]),
    remedies,
  );
  const told = /nobody on its network answers for it/g;
  assert.equal((await lab.beeline(['stats'])).match(told)?.length, 2);
  assert.equal((await lab.beeline(['check', lab.configPath])).match(told)?.length, 2);
  await lab.until('it is logged', () => log().match(told)?.length === 2);

  // What mends it, by address and by a route, ends it.
  const root = join(lab.directory, 'vip-root');
  await onDirector(
    `env BEELINE_VIP_ROOT=${root} ${process.execPath} ${BEELINE} ${remedies[0]!.slice('beeline '.length)}`,
  );
  await onDirector(`ip -6 route add local ${VIP6} dev lo`);
  await lab.until('none is told', async () => (await lab.status()).problems.length === 0);
  assert.equal((await lab.pages(1)).length, 1);

  // The standby does not have the VIP, while the active director answers for it.
  await lab.exec('client', add4.split(' '));
  await onDirector(add4.replace('add ', 'delete '));
  const heard = `lladdr ${hostNamed('client').mac}`;
  await lab.until('the other is heard', async () => (await onDirector(`ip neigh show ${VIP4}`)).includes(heard));
  await lab.becomes([], () => warned(lab));
});
