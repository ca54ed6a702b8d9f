/** The director's own host as a client of its VIPs (`hostClients`): with real daemons, wherever the VIP is, and what stays as it was. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { hostNamed, type HostName, inNamespace, NIC, PAGES, VIP4, VIP6 } from '../../src/lab/index.js';
import { DAEMON_PORTS as P, startDnsmasq } from '../support/daemons.js';
import type { Talked } from '../support/host-client.js';
import { TestLab } from '../support/lab.js';

const CLIENT = fileURLToPath(new URL('../support/host-client.js', import.meta.url));
const ECHO = fileURLToPath(new URL('../support/echo-server.js', import.meta.url));
const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));

const [DIRECTOR, REAL1, REAL2] = [hostNamed('director'), hostNamed('real1'), hostNamed('real2')];
const ECHO_PORT = 5300;
const NGINX_PORT = 8088;
const BOTH = `[${REAL1.ipv4}, ${REAL2.ipv4}]`;
const BOTH6 = `['${REAL1.ipv6}', '${REAL2.ipv6}']`;

function config(services: readonly string[], rest = ''): string {
  return `interfaces: [${NIC}]\nhostClients: true\n${rest}services:\n${services.map((each) => `  - { ${each} }\n`).join('')}`;
}

const WEB = [`address: ${VIP4}, port: 80, realServers: ${BOTH}`, `address: '${VIP6}', port: 80, realServers: ${BOTH6}`];

async function talk(lab: TestLab, ...args: (string | number)[]): Promise<Talked[]> {
  const command = [process.execPath, CLIENT, ...args.map(String)];
  return JSON.parse(await lab.exec('director', command)) as Talked[];
}

/** Starts the daemon, and waits until the host's connections are led to it. */
async function build(context: TestContext, name: string, text: string): Promise<TestLab> {
  const lab = await TestLab.build(context, name);
  lab.configure(text);
  await lab.startDirector();
  await led(lab);
  return lab;
}

async function led(lab: TestLab): Promise<void> {
  await lab.until("the host's connections are led", async () => (await lab.status()).hostClients !== undefined);
}

function startNginx(lab: TestLab, host: HostName, vips: readonly string[]): void {
  const folder = join(lab.directory, `nginx-${host}`);
  mkdirSync(folder, { recursive: true });
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path ${folder}/${each};`,
  );
  const listens = vips.map((vip) => `listen ${vip}:${NGINX_PORT};`).join(' ');
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; user root; pid ${folder}/pid; error_log stderr;
     events {}
     http { access_log off; ${paths.join(' ')} server { ${listens} return 200 "${host} for $remote_addr"; } }`,
  );
  lab.startProcess(host, `nginx-${host}`, ['nginx', '-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr']);
}

function startEcho(lab: TestLab, host: HostName, port: number, ...addresses: string[]): void {
  lab.startProcess(host, `echo-${host}-${port}`, [process.execPath, ECHO, host, String(port), ...addresses]);
}

const errorsOf = (talked: readonly Talked[]): string[] => talked.flatMap(({ error }) => error ?? []);

test('curl on the director reaches nginx at the VIP alone and dnsmasq, and status, flows and explain show it', async (context) => {
  const lab = await TestLab.build(context, 'host');
  for (const host of ['real1', 'real2'] as const) {
    startNginx(lab, host, [VIP4, `[${VIP6}]`]);
    startDnsmasq(lab, host);
  }
  lab.configure(
    config([
      `address: ${VIP4}, port: ${NGINX_PORT}, realServers: ${BOTH}`,
      `address: '${VIP6}', port: ${NGINX_PORT}, realServers: ${BOTH6}`,
      `address: ${VIP4}, port: ${P.dns}, protocol: udp, realServers: ${BOTH}`,
    ]),
  );
  await lab.startDirector();
  await led(lab);
  const curl = (vip: string): Promise<string> =>
    lab.exec('director', [
      'curl',
      '-sS',
      '--retry',
      '20',
      '--retry-connrefused',
      '--max-time',
      '5',
      `http://${vip}:${NGINX_PORT}/`,
    ]);
  assert.match(await curl(VIP4), new RegExp(`^real[12] for ${DIRECTOR.ipv4}$`));
  assert.match(await curl(`[${VIP6}]`), new RegExp(`^real[12] for ${DIRECTOR.ipv6}$`));
  const resolve = `const r = new (require('node:dns').promises.Resolver)(); r.setServers(['${VIP4}:${P.dns}']);
    r.resolve4('www.example.test').then((all) => console.log(all.join()))`;
  // dnsmasq may be starting still.
  const resolved = (): Promise<string> => lab.exec('director', [process.execPath, '-e', resolve]).catch(() => '');
  await lab.becomes('192.0.2.1\n', resolved);

  const { hostClients, problems } = await lab.status();
  assert.deepEqual(hostClients?.addresses, [DIRECTOR.ipv4, DIRECTOR.ipv6]);
  assert.deepEqual(problems, []);
  assert.match(
    await lab.beeline(['status']),
    /this host +reaches its VIPs by beeline-vips, from 192\.168\.1\.21 and fd00::21/,
  );
  assert.match(await lab.beeline(['flows']), new RegExp(`tcp +${DIRECTOR.ipv4}:\\d+ +${VIP4}:${NGINX_PORT} `));
  const explained = await lab.beeline(['explain', '--from-host', `${VIP4}:${NGINX_PORT}`]);
  assert.match(explained, /192\.168\.1\.3[12]/);
  const { verdict } = JSON.parse(await lab.beeline(['explain', '--json', '--from-host', `${VIP4}:${NGINX_PORT}`])) as {
    verdict: string;
  };
  assert.equal(verdict, 'redirected');
  // The same source by the network is a martian still.
  assert.match(await lab.beeline(['explain', DIRECTOR.ipv4, `${VIP4}:${NGINX_PORT}`]), /martian/);
});

/** Where a director may have its VIP. */
const PLACES: readonly (readonly [string, readonly string[]])[] = [
  ['on lo', ['ip', 'addr', 'add', `${VIP4}/32`, 'dev', 'lo']],
  ['nowhere', []],
  ['on the network card', ['ip', 'addr', 'add', `${VIP4}/32`, 'dev', NIC]],
];

test('where the VIP is, strict reverse-path filters and generic mode make no difference', async (context) => {
  const lab = await build(context, 'host-vip', config(WEB));
  await lab.exec('director', ['ip', 'addr', 'delete', `${VIP4}/32`, 'dev', NIC]);
  for (const [place, add] of PLACES) {
    if (add.length > 0) {
      await lab.exec('director', add);
    }
    const talked = await talk(lab, 'tcp', VIP4, 80, 4);
    assert.deepEqual(errorsOf(talked), [], place);
    assert.ok(
      talked.every(({ reply }) => reply === PAGES.real1 || reply === PAGES.real2),
      place,
    );
    assert.deepEqual(
      new Set(talked.map(({ peer, local }) => `${local} ${peer}`)),
      new Set([`${DIRECTOR.ipv4} ${VIP4}`]),
    );
    if (place === 'on lo') {
      await lab.exec('director', ['ip', 'addr', 'delete', `${VIP4}/32`, 'dev', 'lo']);
    }
  }
  for (const name of ['all', NIC]) {
    await lab.sysctl('director', `net/ipv4/conf/${name}/rp_filter`, '1');
  }
  assert.deepEqual(errorsOf(await talk(lab, 'tcp', VIP4, 80, 4)), []);
  assert.deepEqual(errorsOf(await talk(lab, 'tcp', `::ffff:${VIP4}`, 80, 4)), [], 'an IPv6 socket that means IPv4');
  lab.configure(config(WEB, 'mode: generic\n'));
  await lab.beeline(['reload']);
  assert.deepEqual(errorsOf(await talk(lab, 'tcp', VIP4, 80, 4)), []);
  assert.deepEqual(errorsOf(await talk(lab, 'tcp', VIP6, 80, 4)), []);
});

test('persistence, marks, one-packet scheduling, track: moved and fragments hold for the host as for clients', async (context) => {
  const lab = await TestLab.build(context, 'host-policy');
  for (const host of ['real1', 'real2'] as const) {
    startEcho(lab, host, ECHO_PORT, VIP4, VIP6);
  }
  lab.configure(
    `${config([
      ...WEB.map((each) => `${each}, track: moved`),
      `address: ${VIP4}, port: ${ECHO_PORT}, protocol: udp, scheduler: rr, onePacket: true, realServers: ${BOTH}`,
      `address: '${VIP6}', port: ${ECHO_PORT}, protocol: udp, realServers: ${BOTH6}`,
    ])}marks:
  - { mark: 1, match: ['tcp:${VIP4}:${ECHO_PORT}'], scheduler: rr, persistence: 300, realServers: ${BOTH} }
`,
  );
  await lab.startDirector();
  await led(lab);
  await lab.until(
    'the servers answer',
    async () => errorsOf(await talk(lab, 'udp', VIP4, ECHO_PORT, 2, 'hi')).length === 0,
  );
  const each = await talk(lab, 'udp', VIP4, ECHO_PORT, 4, 'hi');
  assert.equal(new Set(each.map(({ reply }) => reply)).size, 2, 'each packet by itself');
  assert.deepEqual(new Set(each.map(({ peer }) => peer)), new Set([VIP4]));
  const one = await talk(lab, 'udp', VIP6, ECHO_PORT, 4, 'hi');
  assert.deepEqual([new Set(one.map(({ reply }) => reply)).size, errorsOf(one)], [1, []], 'one flow, one real server');
  for (const vip of [VIP4, VIP6]) {
    const fragments = await talk(lab, 'udp', vip, ECHO_PORT, 2, '4000');
    assert.deepEqual(
      fragments.map(({ reply }) => reply?.length),
      [4000, 4000],
      'answers in fragments',
    );
    const long = 'x'.repeat(4000);
    assert.ok((await talk(lab, 'udp', vip, ECHO_PORT, 2, long)).every(({ reply }) => reply?.endsWith(long)));
  }
  assert.deepEqual(errorsOf(await talk(lab, 'tcp', VIP4, 80, 20)), []);
  await lab.exec('director', [process.execPath, CLIENT, 'tcp', VIP4, String(ECHO_PORT), '1']).catch(() => undefined);
  const templates = await lab.beeline(['flows']);
  assert.match(templates, new RegExp(`tcp +${DIRECTOR.ipv4}:\\d+ +${VIP4}:${ECHO_PORT} `));
});

test('what is no service, and what is bound, stays on the host; a service of the host itself and closed ports answer at once', async (context) => {
  const lab = await TestLab.build(context, 'host-own');
  await lab.startWebServer('director', 8081, 'the host');
  lab.configure(
    config([
      ...WEB,
      `address: ${VIP4}, port: 8081, realServers: [${DIRECTOR.ipv4}]`,
      `address: ${VIP4}, port: 8083, realServers: [${REAL1.ipv4}]`,
      `address: ${VIP4}, port: 8084, realServers: []`,
    ]),
  );
  await lab.startWebServer('director', 2222, 'the host');
  await lab.startDirector();
  await led(lab);
  const one = async (...args: (string | number)[]): Promise<Talked> => (await talk(lab, ...args))[0]!;
  assert.deepEqual(await one('tcp', VIP4, 2222, 1), { reply: 'the host', peer: VIP4, local: VIP4 }, 'no service');
  assert.equal((await one('tcp', DIRECTOR.ipv4, 2222, 1)).reply, 'the host');
  assert.equal((await one('tcp', '127.0.0.1', 2222, 1)).reply, 'the host');
  assert.deepEqual(await one('tcp', REAL1.ipv4, 80, 1), { reply: PAGES.real1, peer: REAL1.ipv4, local: DIRECTOR.ipv4 });
  assert.equal((await one('tcp', VIP4, 80, 1, DIRECTOR.ipv4)).error, 'ECONNREFUSED', 'bound: as without hostClients');
  assert.deepEqual(await one('tcp', VIP4, 8081, 1), { reply: 'the host', peer: VIP4, local: DIRECTOR.ipv4 });
  assert.equal((await one('tcp', VIP4, 8083, 1)).error, 'ECONNREFUSED', 'the real server refuses');
  assert.equal((await one('tcp', VIP4, 8084, 1)).error, 'ECONNREFUSED', 'the director answers that nobody takes it');
  // Other namespaces of the machine have the same control group.
  assert.equal((await lab.pages(2)).length, 2);
});

test('10,000 connections leave nothing behind', async (context) => {
  const lab = await build(context, 'host-many', config(WEB));
  const entries = async (): Promise<number> => {
    const dump = await lab.exec('director', [
      'bpftool',
      '-j',
      'map',
      'dump',
      'pinned',
      `/sys/fs/bpf/beeline/${lab.name}/host/vips`,
    ]);
    return (JSON.parse(dump) as unknown[]).length;
  };
  const before = await entries();
  // In parts: a busy machine needs half a minute for all, and no command may take so long.
  for (let i = 0; i < 10; i += 1) {
    assert.deepEqual(errorsOf(await talk(lab, 'tcp', VIP4, 80, 1_000)), []);
  }
  assert.equal(before, 2);
  assert.equal(await entries(), before);
});

test('connections outlive kill -9 of the daemon and its next start; stop --detach and a reload without hostClients take all away', async (context) => {
  const lab = await TestLab.build(context, 'host-live');
  startEcho(lab, 'real1', ECHO_PORT, VIP4);
  const services = [...WEB, `address: ${VIP4}, port: ${ECHO_PORT}, realServers: [${REAL1.ipv4}]`];
  lab.configure(config(services));
  const daemon = await lab.startDirector();
  await led(lab);
  const [file, args] = inNamespace(lab.namespace('director'), [
    process.execPath,
    CLIENT,
    'hold',
    VIP4,
    String(ECHO_PORT),
  ]);
  await lab.until('the server listens', async () =>
    (await lab.exec('real1', ['ss', '-Hltn'])).includes(`${VIP4}:${ECHO_PORT} `),
  );
  await lab.until('real servers resolve', async () => (await lab.status()).unresolved === 0);
  const held = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  context.after(() => held.kill());
  const echoes = async (text: string): Promise<void> => {
    held.stdin.write(text);
    const [data] = (await once(held.stdout, 'data', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
    assert.equal(data.toString(), text);
  };
  await echoes('before');
  await lab.kill(daemon);
  await echoes('unattended');
  assert.deepEqual(errorsOf(await talk(lab, 'tcp', VIP4, 80, 4)), []);
  await lab.startDirector();
  await led(lab);
  await echoes('adopted');
  assert.deepEqual(errorsOf(await talk(lab, 'tcp', VIP4, 80, 4)), []);

  const pins = `/sys/fs/bpf/beeline/${lab.name}`;
  const links = (): Promise<string> => lab.exec('director', ['ip', '-o', 'link']);
  assert.match(await links(), /beeline-host/);
  lab.configure(config(services).replace('hostClients: true\n', ''));
  await lab.beeline(['reload']);
  assert.doesNotMatch(await links(), /beeline-host/);
  assert.equal(existsSync(`${pins}/host`), false);
  assert.equal((await talk(lab, 'tcp', VIP4, 80, 1))[0]!.error, 'ECONNREFUSED');
  assert.deepEqual(await lab.pages(1).then((pages) => pages.length), 1);

  lab.configure(config(services));
  await lab.beeline(['reload']);
  await led(lab);
  assert.deepEqual(errorsOf(await talk(lab, 'tcp', VIP4, 80, 4)), []);
  await lab.beeline(['stop', '--detach']);
  assert.doesNotMatch(await links(), /beeline-host/);
  assert.equal(existsSync(pins), false);
  assert.equal((await talk(lab, 'tcp', VIP4, 80, 1))[0]!.error, 'ECONNREFUSED');
});

for (const scheduler of ['maglev', 'rr']) {
  for (const named of [true, false]) {
    const title = `two directors that are real servers of each other, ${scheduler}, ${named ? 'named in directors' : 'not named'}`;
    test(`${title}: every request is answered, also the hosts' own, and no frame goes to and fro`, async (context) => {
      const lab = await TestLab.build(context, `both-${scheduler.slice(0, 2)}-${named ? 'n' : 'u'}`);
      await lab.startWebServer('director', 80, 'director');
      const servers = `[${DIRECTOR.ipv4}, ${REAL1.ipv4}]`;
      const directors = named ? `directors: [${servers.slice(1, -1)}]\n` : '';
      const text = config([`address: ${VIP4}, port: 80, scheduler: ${scheduler}, realServers: ${servers}`], directors);
      lab.configure(text);
      // Of which the lab removes what it leaves.
      const other = lab.instance('standby');
      const path = join(lab.directory, 'other.yaml');
      writeFileSync(path, text);
      const beeline = (...args: string[]): Promise<string> =>
        lab.exec('real1', [process.execPath, BEELINE, '--instance', other, ...args]);
      try {
        lab.startProcess('real1', 'other', [process.execPath, BEELINE, '--instance', other, 'run', path]);
        await lab.startDirector();
        await led(lab);
        await lab.until('the other is there', () =>
          readFileSync(join(lab.directory, 'other.log'), 'utf8').includes('reaches its VIPs'),
        );

        const pages = await lab.pages(20);
        assert.deepEqual(new Set(pages), new Set(['director', PAGES.real1]));
        for (const host of ['director', 'real1'] as const) {
          const command = [process.execPath, CLIENT, 'tcp', VIP4, '80', '20'];
          const talked = JSON.parse(await lab.exec(host, command)) as Talked[];
          assert.deepEqual(errorsOf(talked), [], host);
          assert.deepEqual(new Set(talked.map(({ reply }) => reply)), new Set(['director', PAGES.real1]), host);
        }
        // 60 requests are some ten frames each; one that goes to and fro is thousands.
        const frames = async (host: HostName): Promise<number> =>
          Number(
            await lab
              .exec(host, ['cat', `/proc/net/dev`])
              .then((all) => new RegExp(`${NIC}: *\\d+ +(\\d+)`).exec(all)![1]),
          );
        assert.ok((await frames('director')) < 3_000 && (await frames('real1')) < 3_000);
      } finally {
        await beeline('stop', '--detach');
      }
    });
  }
}
