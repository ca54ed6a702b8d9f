/** `beeline vip` and `beeline init` on the lab's director: VIPs that clients learn at once, and a configuration that forwards. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { type HostName, hostNamed, NIC, PAGES, VIP4, VIP6 } from '../../src/lab/index.js';
import { type Ended, execute, TestLab } from '../support/lab.js';

const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const DIRECTOR = hostNamed('director');

interface Steps {
  readonly steps: readonly { readonly outcome: string; readonly command: string }[];
  readonly notes: readonly string[];
}

/** The lab with a director that has no VIP, and files of its own. */
class VipLab {
  readonly lab: TestLab;
  readonly root: string;

  private constructor(lab: TestLab) {
    this.lab = lab;
    this.root = join(lab.directory, 'vip-root');
    // Stands for the program: files for it are refused where it is not installed.
    mkdirSync(join(this.root, 'usr/sbin/ifup'), { recursive: true });
  }

  static async build(context: TestContext, name: string): Promise<VipLab> {
    const made = new VipLab(await TestLab.build(context, name));
    await made.on('director', `ip addr del ${VIP4}/32 dev ${NIC}; ip addr del ${VIP6}/128 dev ${NIC}`);
    return made;
  }

  async on(host: HostName, script: string): Promise<string> {
    const { status, stdout, stderr } = await execute(this.lab, host, ['sh', '-ec', script]);
    assert.equal(status, 0, `${script} on ${host}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Runs `beeline WORDS` on the director, also if it fails. */
  run(...words: string[]): Promise<Ended> {
    const env = ['env', `BEELINE_VIP_ROOT=${this.root}`, `BEELINE_INSTANCE=${this.lab.name}`, 'NO_COLOR=1'];
    return execute(this.lab, 'director', [...env, process.execPath, BEELINE, ...words]);
  }

  async steps(...words: string[]): Promise<Steps> {
    const { status, stdout, stderr } = await this.run('vip', ...words, '--json');
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as Steps;
  }

  addresses(): Promise<string> {
    return this.on('director', "ip -o address show | sed 's/ *valid_lft.*//' | sort");
  }

  /** The files that are left. */
  files(): string[] {
    return readdirSync(this.root, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
      .map(({ name }) => name)
      .sort();
  }
}

test('VIPs of both families are added, listed and removed, and what was there before stays', async (context) => {
  const here = await VipLab.build(context, 'vip');
  const { lab } = here;
  await lab.startDirector();
  const before = await here.addresses();
  const planned = await here.steps('add', '--dry-run');
  assert.deepEqual(new Set(planned.steps.map(({ outcome }) => outcome)), new Set(['todo']));
  assert.equal(await here.addresses(), before);
  assert.deepEqual(here.files(), []);

  const added = await here.steps('add');
  assert.deepEqual(
    added.steps.map(({ command }) => command),
    [
      `ip address add ${VIP4}/32 dev ${NIC}`,
      `ip address add ${VIP6}/128 dev ${NIC} nodad preferred_lft 0`,
      `gratuitous ARP for ${VIP4} on ${NIC}, 3 times`,
      `neighbour advertisement for ${VIP6} on ${NIC}, 3 times`,
    ],
  );
  assert.deepEqual(added.notes, []);
  for (const url of [`http://${VIP4}/`, `http://[${VIP6}]/`]) {
    assert.deepEqual(new Set(await lab.pages(20, url)), new Set([PAGES.real1, PAGES.real2]), url);
  }
  assert.ok((await here.steps('add')).steps.slice(0, 2).every(({ outcome }) => outcome === 'was-so'));
  const listed = (await here.run('vip', 'list')).stdout;
  assert.match(listed, new RegExp(`^${VIP4} +${NIC} +/32 +beeline +-\n${VIP6} +${NIC} +/128 +beeline +-$`, 'm'));

  await here.steps('remove', VIP4);
  assert.match((await here.run('vip', 'list')).stdout, new RegExp(`^${VIP4} +- +- +- +-$`, 'm'));
  await here.steps('remove');
  assert.equal(await here.addresses(), before);
  assert.deepEqual(here.files(), []);
});

test('a client that remembers another host for the VIP sends to the director as soon as it has it', async (context) => {
  const here = await VipLab.build(context, 'vip-garp');
  const { lab } = here;
  const stale = hostNamed('real2').mac;
  const remembered = async (): Promise<string> => here.on('client', `ip neigh show ${VIP4}; ip -6 neigh show ${VIP6}`);
  await here.on(
    'client',
    `ip neigh replace ${VIP4} lladdr ${stale} dev ${NIC} nud reachable
     ip neigh replace ${VIP6} lladdr ${stale} dev ${NIC} nud reachable`,
  );
  assert.equal((await remembered()).split(stale).length, 3);
  await here.steps('add', VIP4, VIP6, '--interface', NIC);
  await lab.becomes(3, async () => (await remembered()).split(DIRECTOR.mac).length);
});

test('an address that another host has is refused with its MAC, in both families, unless it is forced', async (context) => {
  const here = await VipLab.build(context, 'vip-taken');
  const before = await here.addresses();
  const client = hostNamed('client');
  await here.on('client', `ip addr add ${VIP4}/32 dev ${NIC}; ip addr add ${VIP6}/128 dev ${NIC} nodad`);
  for (const vip of [VIP4, VIP6]) {
    const { status, stderr } = await here.run('vip', 'add', vip, '--interface', NIC);
    assert.equal(status, 1);
    assert.ok(stderr.includes(`${vip} belongs to another host: ${client.mac} answers for it on ${NIC}`), stderr);
  }
  assert.equal(await here.addresses(), before);
  assert.deepEqual(here.files(), []);
  const forced = await here.steps('add', VIP4, '--interface', NIC, '--force');
  assert.match(forced.notes.join(), /although 00:50:00:00:03:00 answers/);
  await here.steps('remove');

  // It went away, and the director remembers it.
  await here.on('client', `ip addr del ${VIP4}/32 dev ${NIC}; ip addr del ${VIP6}/128 dev ${NIC}`);
  await here.on('director', `ip neigh replace ${VIP4} lladdr ${client.mac} dev ${NIC} nud stale`);
  await here.steps('add', VIP4, VIP6, '--interface', NIC);
});

test('VRRP keeps its VIPs: the configuration says so, or a keepalived that runs', async (context) => {
  const here = await VipLab.build(context, 'vip-vrrp');
  const file = join(here.root, 'vrrp.yaml');
  writeFileSync(file, `${readFileSync(here.lab.configPath, 'utf8')}vrrp: { instances: [{ id: 51 }] }\n`);
  const refused = await here.run('vip', 'add', '--config', file);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /belongs to VRRP: instance VI_51[^]*keepalived write/);
  assert.match((await here.run('vip', 'list', '--config', file)).stdout, /VRRP VI_51/);

  const conf = join(here.root, 'keepalived.conf');
  writeFileSync(
    conf,
    `vrrp_instance lan {
  state BACKUP
  interface ${NIC}
  virtual_router_id 51
  priority 100
  advert_int 1
  virtual_ipaddress {
    ${VIP4}/32
  }
}
`,
  );
  const pids = ['--pid', '--vrrp_pid'].flatMap((option) => [option, join(here.root, `${option.slice(2)}.pid`)]);
  here.lab.startProcess('director', 'keepalived', ['keepalived', '-n', '-P', '-D', '-l', '-f', conf, ...pids]);
  await here.lab.until('keepalived has the VIP', async () => (await here.addresses()).includes(VIP4));
  const running = await here.run('vip', 'add', VIP4, '--interface', NIC);
  assert.equal(running.status, 1);
  assert.match(running.stderr, /keepalived runs and has it, instance lan of .*keepalived\.conf/);
});

test('interrupted at any step, a second run ends the same, with a file for the next boot, and remove leaves nothing', async (context) => {
  const here = await VipLab.build(context, 'vip-kill');
  const before = await here.addresses();
  const interfaces = join(here.root, 'etc/network');
  mkdirSync(join(interfaces, 'interfaces.d'), { recursive: true });
  const main = `source /etc/network/interfaces.d/*\niface ${NIC} inet manual\n`;
  writeFileSync(join(interfaces, 'interfaces'), main);
  const words = ['vip', 'add', VIP4, VIP6, '--interface', NIC, '--persist', 'ifupdown'];
  for (const afterMs of [300, 500, 700, 900, 1_100, 1_300, 1_500, 1_700, 1_900]) {
    await here.lab
      .exec('director', [
        ...[
          'timeout',
          '--signal=KILL',
          '--preserve-status',
          `${afterMs / 1000}s`,
          'env',
          `BEELINE_VIP_ROOT=${here.root}`,
        ],
        ...[process.execPath, BEELINE, ...words],
      ])
      .catch(() => undefined);
    await here.steps(...words.slice(1));
    const boot = readFileSync(join(interfaces, 'interfaces.d/beeline-vip'), 'utf8');
    assert.match(
      boot,
      new RegExp(
        `iface ${NIC} inet static\n    address ${VIP4}/32\niface ${NIC} inet6 static\n    address ${VIP6}/128\n    preferred-lifetime 0`,
      ),
    );
    assert.match(await here.addresses(), new RegExp(`${VIP4}/32`));
    assert.match((await here.run('vip', 'list')).stdout, /beeline +\/etc\/network\/interfaces\.d\/beeline-vip/);
    await here.steps('remove');
    assert.equal(await here.addresses(), before);
    assert.deepEqual(here.files(), ['interfaces']);
  }
});

test('--announce puts VIPs on lo, for routers that send their packets here', async (context) => {
  const here = await VipLab.build(context, 'vip-lo');
  await here.lab.startDirector();
  const { steps, notes } = await here.steps('add', '--announce');
  assert.deepEqual(
    steps.map(({ command }) => command),
    [`ip address add ${VIP4}/32 dev lo`, `ip address add ${VIP6}/128 dev lo nodad`],
  );
  assert.match(notes.join(), /a router must have a route for it to this host/);
  for (const [client, vip, url, via] of [
    ['', VIP4, `http://${VIP4}/`, DIRECTOR.ipv4],
    ['-6', VIP6, `http://[${VIP6}]/`, DIRECTOR.ipv6],
  ] as const) {
    await here.on('client', `ip ${client} route replace ${vip} via ${via}`);
    assert.deepEqual(new Set(await here.lab.pages(20, url)), new Set([PAGES.real1, PAGES.real2]));
  }
});

test('the configuration of init passes check, and forwards', async (context) => {
  const here = await VipLab.build(context, 'vip-init');
  const { lab } = here;
  await here.on('director', `ping -c 1 ${hostNamed('real1').ipv4}`);
  const servers = (['real1', 'real2'] as const).flatMap((name) => [hostNamed(name).ipv4, hostNamed(name).ipv6]);
  const made = await here.run(
    'init',
    '--yes',
    '--force',
    '--output',
    lab.configPath,
    '--vip',
    VIP4,
    VIP6,
    '--real-server',
    ...servers,
  );
  assert.equal(made.status, 0, made.stderr);
  assert.match(
    made.stdout,
    /beeline vip add --config .*beeline\.yaml --persist auto[^]*beeline realserver setup --vip 192\.168\.1\.100 fd00::100/,
  );
  const checked = await here.run('check', lab.configPath);
  assert.match(checked.stdout, /2 services, 4 real servers: no problems/);
  await lab.startDirector();
  await here.steps('add');
  await lab.until('both answer checks', async () =>
    (await lab.list()).every(({ realServers }) => realServers.every(({ state }) => state === 'up')),
  );
  for (const url of [`http://${VIP4}/`, `http://[${VIP6}]/`]) {
    assert.deepEqual(new Set(await lab.pages(20, url)), new Set([PAGES.real1, PAGES.real2]), url);
  }
  assert.ok(existsSync(lab.configPath));
});
