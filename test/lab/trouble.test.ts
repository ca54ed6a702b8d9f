/** Bad input and bad luck: the error is clear, no state is lost, and other traffic is unharmed. */

import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { hostNamed, NIC, PAGES, VIP4 } from '../../src/lab/index.js';
import { instanceOf, serviceName } from '../../src/model/index.js';
import { execute, Load, TestLab } from '../support/lab.js';

const CONFIG = `interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, realServers: [192.168.1.31, 192.168.1.32] }
`;

function pinsOf(lab: TestLab): string {
  return `/sys/fs/bpf/beeline/${lab.name}`;
}

async function xdpOn(lab: TestLab, device = NIC): Promise<boolean> {
  return (await lab.exec('director', ['ip', 'link', 'show', device])).includes('xdp');
}

/** Checks that a start is refused and leaves nothing behind. */
async function refused(lab: TestLab, status: number, pattern: RegExp, ...args: string[]): Promise<void> {
  const ended = await lab.run('run', ...args, lab.configPath);
  assert.match(ended.stderr, pattern);
  assert.equal(ended.status, status, ended.stderr);
  assert.doesNotMatch(ended.stderr, /\n {4}at /, "no stack trace for a user's mistake");
  assert.equal(existsSync(pinsOf(lab)), false, 'no pins');
}

async function build(context: TestContext, name: string, config = CONFIG): Promise<TestLab> {
  const lab = await TestLab.build(context, name);
  lab.configure(config);
  return lab;
}

test('starts that must not succeed', async (context) => {
  const lab = await build(context, 'refused');

  await context.test('a broken configuration exits with 2, file, line and column, and attaches nothing', async () => {
    lab.configure('interfaces: [ens3]\nservices:\n  - { address: 192.168.1.100, port: http, realServers: [] }\n');
    await refused(lab, 2, /beeline\.yaml:3:37: services\[0\]\.port must be a whole number from 0 to 65535, not "http"/);
    assert.equal(await xdpOn(lab), false);
    lab.configure('interfaces: [ens3');
    await refused(lab, 2, /beeline\.yaml:1:/);
  });

  await context.test('a configuration file that does not exist is reported', async () => {
    const { status, stderr } = await lab.run('run', '/nonexistent.yaml');
    assert.equal(status, 2);
    assert.match(stderr, /there is no configuration file \/nonexistent\.yaml/);
  });

  await context.test('a driver that refuses native mode is reported; auto falls back to generic', async () => {
    lab.configure(CONFIG);
    await lab.exec('director', ['ip', 'link', 'add', 'br7', 'type', 'bridge']);
    await lab.exec('director', ['ip', 'link', 'set', 'br7', 'up']);
    const onBridge = CONFIG.replace(NIC, 'br7');
    lab.configure(onBridge);
    await refused(
      lab,
      1,
      /the driver of br7 refuses native XDP: .*\(EOPNOTSUPP\)\nThe reason is often the number of queues or an offload/,
    );
    assert.equal(await xdpOn(lab, 'br7'), false);

    lab.configure(`${onBridge}mode: auto\n`);
    await lab.startDirector();
    const [attached] = (await lab.status()).interfaces;
    assert.deepEqual([attached!.state, attached!.mode], ['attached', 'generic']);
    assert.match(attached!.reason!, /refuses native XDP/);
    assert.match(await lab.beeline(['status']), /interface +br7, generic mode, .*refuses native XDP/);
    assert.match(
      readFileSync(join(lab.directory, 'director.log'), 'utf8'),
      /attached in generic mode, which is slower/,
    );

    // Forwarding goes on in generic mode. A reload or a new start that requests the refused mode does not change that.
    lab.configure(`${onBridge}mode: native\n`);
    assert.equal((await lab.run('reload')).status, 1);
    assert.equal(await xdpOn(lab, 'br7'), true);
    await lab.beeline(['stop']);
    const { status, stderr } = await lab.run('run', lab.configPath);
    assert.deepEqual([status, stderr.includes('refuses native XDP')], [1, true]);
    assert.equal(await xdpOn(lab, 'br7'), true);
    await lab.run('stop', '--detach');
    assert.equal(await xdpOn(lab, 'br7'), false);
  });

  await context.test('missing capabilities are named', async () => {
    lab.configure(CONFIG);
    const without = (...options: string[]) =>
      execute(lab, 'director', [
        'setpriv',
        ...options,
        process.execPath,
        'dist/app/cli/main.js',
        '--instance',
        lab.name,
        'run',
        lab.configPath,
      ]);
    for (const [options, missing] of [
      [['--bounding-set=-all'], /lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON\nRun as root/],
      [['--bounding-set=-all,+bpf,+net_admin'], /lacks CAP_PERFMON\n/],
    ] as const) {
      const { status, stderr } = await without(...options);
      assert.match(stderr, missing);
      assert.equal(status, 1);
    }
  });

  await context.test('a user with the capabilities who is not root learns what is missing', async () => {
    // The file must be readable for everybody.
    const config = join(mkdtempSync(join(tmpdir(), 'beeline-caps-')), 'beeline.yaml');
    writeFileSync(config, CONFIG);
    chmodSync(dirname(config), 0o755);
    const capabilities = '+bpf,+net_admin,+perfmon';
    const { status, stderr } = await execute(lab, 'director', [
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      `--inh-caps=${capabilities}`,
      `--ambient-caps=${capabilities}`,
      process.execPath,
      'dist/app/cli/main.js',
      '--instance',
      lab.name,
      'run',
      config,
    ]);
    rmSync(dirname(config), { recursive: true });
    assert.match(stderr, /^beeline: cannot write \/run\/beeline\/test-refused\.lock \(EACCES\)\nRun as root/);
    assert.doesNotMatch(stderr, /\n {4}at /);
    assert.equal(status, 1);
  });

  await context.test('without a daemon, commands say so and exit with 3', async () => {
    for (const command of ['status', 'list', 'reload', 'stop']) {
      const { status, stderr } = await lab.run(command);
      assert.deepEqual([status, stderr.includes('no daemon listens')], [3, true], `${command}: ${stderr}`);
    }
  });

  await context.test('a wrong command line exits with 2', async () => {
    for (const args of [
      ['run', '--fast'],
      ['dance'],
      ['run', '--log-level', 'loud'],
      ['--instance', 'a/b', 'status'],
    ]) {
      const { status, stderr } = await lab.run(...args);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /^beeline: [^\n]+\n[^\n]+\n$/);
    }
  });
});

test('"lab exec" exits as the program on the host did', async (context) => {
  const lab = await build(context, 'exec');
  for (const [program, expected] of [
    ['exit 7', 7],
    ['kill -TERM $$', 143],
    ['kill -KILL $$', 137],
  ] as const) {
    const { status } = await lab.run('lab', 'exec', '--name', lab.name, 'client', 'sh', '-c', program);
    assert.equal(status, expected, program);
  }
});

test('an interface with another XDP program', async (context) => {
  const lab = await build(context, 'taken');
  await context.test('the other program is named and left alone', async () => {
    await lab.attachPass('director', NIC);
    await refused(lab, 1, /ens3 already runs XDP program "pass", id \d+ \(native mode\)\nUse --replace/);
    assert.equal(await xdpOn(lab), true);
  });

  await context.test('--replace replaces the other program', async () => {
    await lab.startDirector(['--replace']);
    assert.deepEqual(new Set(await lab.pages(20)), new Set([PAGES.real1, PAGES.real2]));
    await lab.beeline(['stop', '--detach']);
  });

  await context.test("a running director's interface is not taken, and nothing is made or logged first", async () => {
    await lab.startDirector();
    for (const options of [[], ['--replace']]) {
      const beeline = [process.execPath, 'dist/app/cli/main.js', '--instance', `${lab.name}-2`];
      const other = await execute(lab, 'director', [...beeline, 'run', ...options, lab.configPath]);
      assert.equal(other.status, 1);
      assert.match(
        other.stderr,
        /^beeline: ens3 already runs the director "test-taken": XDP program "director", id \d+/,
      );
      assert.match(other.stderr, /\nEnd that one first: beeline --instance test-taken stop --detach\n$/);
      assert.deepEqual([existsSync(`${pinsOf(lab)}-2`), existsSync(`/run/beeline/${lab.name}-2.lock`)], [false, false]);
    }
    assert.equal((await lab.pages(4)).length, 4);
  });

  await context.test('a second daemon of the same instance is refused, the first one goes on', async () => {
    const { status, stderr } = await lab.run('run', lab.configPath);
    assert.equal(status, 1);
    assert.match(stderr, /a daemon of the instance "test-taken" is running already/);
    assert.equal((await lab.status()).problems.length, 0);
  });

  await context.test('stop --detach ends the daemon and the data path', async () => {
    assert.match(await lab.beeline(['stop', '--detach']), /stopped the daemon \(pid \d+\); detached/);
  });
});

test('trouble while the director runs', async (context) => {
  const lab = await build(context, 'running');
  await lab.startDirector();
  const log = (): string => readFileSync(join(lab.directory, 'director.log'), 'utf8');

  await context.test(
    'a reload with a broken file is refused in reply and log, and the old configuration stays',
    async () => {
      lab.configure(CONFIG.replace('port: 80', 'port: 99999'));
      const { status, stderr } = await lab.run('reload');
      assert.equal(status, 2);
      assert.match(stderr, /beeline\.yaml:3:37: services\[0\]\.port must be a whole number from 0 to 65535, not 99999/);
      assert.match(log(), /the new configuration was refused; the old one goes on/);
      assert.equal((await lab.pages(4)).length, 4);
      assert.equal(serviceName((await lab.list())[0]!), `tcp ${VIP4}:80`);
    },
  );

  await context.test('a reload onto an interface that does not exist is refused', async () => {
    lab.configure(CONFIG.replace(NIC, 'ens9'));
    const { status, stderr } = await lab.run('reload');
    assert.deepEqual([status, stderr.includes('no network interface ens9')], [2, true]);
    assert.equal((await lab.pages(4)).length, 4);
  });

  await context.test('a reload onto an interface that cannot be used goes back to the old one', async () => {
    await lab.exec('director', ['ip', 'link', 'add', 'br8', 'type', 'bridge']);
    lab.configure(CONFIG.replace(NIC, 'br8'));
    const { generation } = await lab.status();
    const load = await Load.start(lab, `http://${VIP4}/`);
    const { status, stderr } = await lab.run('reload');
    assert.deepEqual([status, stderr.includes('refuses native XDP')], [1, true]);
    assert.deepEqual((await load.stop()).failures, []);
    // No packet ever followed it.
    const { interfaces, generation: after } = await lab.status();
    assert.deepEqual([interfaces[0]!.state, after], ['attached', generation]);
    assert.equal((await lab.pages(4)).length, 4);
    lab.configure(CONFIG);
    await lab.beeline(['reload']);
  });

  await context.test('a reload onto another interface finds the real servers there at once', async () => {
    const isFound = async (): Promise<boolean> => {
      lab.configure(`${CONFIG.replace(NIC, 'br8')}mode: generic\n`);
      await lab.beeline(['reload']);
      assert.match(
        (await lab.list())[0]!.realServers[0]!.reason!,
        /is reached through ens3, which is not an interface/,
      );
      lab.configure(CONFIG);
      await lab.beeline(['reload']);
      const reasons = (await lab.list())[0]!.realServers.map(({ reason = '' }) => reason);
      assert.doesNotMatch(reasons.join(), /is reached through/);
      // The look that comes every 3 s would find them too.
      const found = lab.until('they are found', async () => (await lab.status()).unresolved === 0, 2_000);
      return found.then(
        () => true,
        () => false,
      );
    };
    // The machine may be busy at one time.
    assert.ok((await isFound()) || (await isFound()) || (await isFound()));
  });

  await context.test('a real server that does not answer takes no traffic until it does', async () => {
    await lab.exec('real2', ['ip', 'link', 'set', NIC, 'down']);
    await lab.exec('director', ['ip', 'neigh', 'delete', hostNamed('real2').ipv4, 'dev', NIC]);
    const stateOfReal2 = async (): Promise<string> => (await lab.list())[0]!.realServers[1]!.state;
    await lab.until('real2 is unresolved', async () => (await stateOfReal2()) === 'unresolved');
    assert.deepEqual(new Set(await lab.pages(12)), new Set([PAGES.real1]));
    assert.match(await lab.beeline(['list']), /192\.168\.1\.32 +1 +0\.0% +unresolved/);
    assert.match(await lab.beeline(['list']), /192\.168\.1\.32: does not answer ARP or neighbour discovery/);
    assert.match(await lab.beeline(['status']), /problem +1 real server is unresolved/);

    await lab.exec('real2', ['ip', 'link', 'set', NIC, 'up']);
    await lab.until('real2 is back', async () => (await stateOfReal2()) === 'up');
    assert.deepEqual(new Set(await lab.pages(20)), new Set([PAGES.real1, PAGES.real2]));
  });

  await context.test('no connection breaks when the kernel forgets a neighbour for a moment', async () => {
    const { ipv4 } = hostNamed('real1');
    const load = await Load.start(lab, `http://${VIP4}/`);
    await sleep(500);
    for (const command of [
      ['ip', 'neigh', 'flush', 'dev', NIC],
      ['ip', 'neigh', 'delete', ipv4, 'dev', NIC],
      ['sh', '-c', `ip link set ${NIC} down; sleep 0.2; ip link set ${NIC} up`],
    ]) {
      await lab.exec('director', command);
      await sleep(700);
    }
    await lab.exec('switch', ['sh', '-c', 'ip link set director down; sleep 0.3; ip link set director up']);
    await sleep(1500);
    const { failures, requests } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(requests >= 8, `${requests} requests`);
    await lab.until('all are back', async () => (await lab.status()).unresolved === 0);
    assert.deepEqual(new Set(await lab.pages(20)), new Set([PAGES.real1, PAGES.real2]));
  });

  await context.test('real servers that direct routing cannot reach say why', async () => {
    await lab.exec('director', ['ip', 'route', 'add', '10.20.0.0/24', 'via', hostNamed('client').ipv4]);
    lab.configure(CONFIG.replace('[192.168.1.31, 192.168.1.32]', '[192.168.1.31, 10.20.0.5, 10.99.0.5]'));
    await lab.beeline(['reload']);
    const reasons = (await lab.list())[0]!.realServers.map(({ reason }) => reason);
    assert.deepEqual(
      [
        (reasons[0] ?? '').includes('behind the router 192.168.1.12'),
        (reasons[1] ?? '').includes('no route'),
        reasons[2],
      ],
      [true, true, undefined],
    );
    assert.deepEqual(new Set(await lab.pages(8)), new Set([PAGES.real1]));
    lab.configure(CONFIG);
    await lab.beeline(['reload']);
  });

  await context.test('packets follow a real server to its new MAC', async () => {
    const mac = '00:50:00:00:02:99';
    await lab.exec('real2', ['ip', 'link', 'set', NIC, 'address', mac]);
    await execute(lab, 'real2', ['arping', '-U', '-c', '1', '-I', NIC, hostNamed('real2').ipv4]);
    await lab.until('the new MAC is used', async () => (await lab.list())[0]!.realServers[1]!.mac === mac);
    assert.deepEqual(new Set(await lab.pages(20)), new Set([PAGES.real1, PAGES.real2]));
  });

  await context.test('wrong frames on the control socket disturb no other client', async () => {
    const path = `/run/beeline/${lab.name}.sock`;
    for (const bytes of [
      [0xff, 0xff, 0xff, 0xff],
      [0, 0, 0, 3, 1, 2, 3],
      [0, 0],
      [0, 0, 0, 1, 0xc1],
    ]) {
      await new Promise<void>((resolve, reject) => {
        const socket = connect(path, () => {
          socket.end(Uint8Array.from(bytes));
        });
        socket.on('error', reject);
        socket.on('close', () => {
          resolve();
        });
        socket.resume();
      });
    }
    assert.equal((await lab.status()).problems.length, 0);
  });

  await context.test('an interface that vanishes is reported, and used again when it is back', async () => {
    const { mac, ipv4 } = hostNamed('director');
    const logged = log().length;
    await lab.exec('director', ['ip', 'link', 'delete', NIC]);
    // A round that was attaching to it finds that out in its own words, and another follows.
    await lab.until('it is missed', async () => {
      const { interfaces, problems } = await lab.status();
      return interfaces[0]!.state === 'missing' && problems.join() === 'interface ens3 is missing';
    });
    // Other changes are still accepted.
    lab.configure(`${CONFIG}  - { address: ${VIP4}, port: 25, realServers: [192.168.1.31] }\n`);
    assert.match(await lab.beeline(['reload']), /\+ tcp 192\.168\.1\.100:25/);
    lab.configure(CONFIG.replace(NIC, 'ens9'));
    assert.match((await lab.run('reload')).stderr, /no network interface ens9/);

    await lab.exec('switch', [
      'ip',
      'link',
      'add',
      'director',
      'type',
      'veth',
      'peer',
      'name',
      NIC,
      'netns',
      lab.namespace('director'),
    ]);
    await lab.attachPass('switch', 'director');
    for (const command of [
      ['ip', 'link', 'set', NIC, 'address', mac],
      ['ip', 'addr', 'add', `${ipv4}/24`, 'dev', NIC],
      ['ip', 'addr', 'add', `${VIP4}/32`, 'dev', NIC],
      ['ip', 'link', 'set', NIC, 'up'],
    ]) {
      await lab.exec('director', command);
    }
    await lab.exec('switch', ['ip', 'link', 'set', 'director', 'master', 'br0']);
    await lab.exec('switch', ['ip', 'link', 'set', 'director', 'up']);
    await lab.until('it is attached again', async () => {
      const { interfaces, unresolved } = await lab.status();
      return interfaces[0]!.state === 'attached' && unresolved === 0;
    });
    assert.deepEqual(new Set(await lab.pages(20)), new Set([PAGES.real1, PAGES.real2]));
    assert.deepEqual((await lab.status()).problems, []);
    // No wrong state is published, not even for a moment.
    assert.doesNotMatch(log().slice(logged), /not an interface of the director/);
  });
});

test('a link that somebody else detached is not reported as attached, and is soon attached again', async (context) => {
  const lab = await build(context, 'unlinked');
  await lab.startDirector();
  // The look that comes every few seconds may have attached it before the status is asked for.
  const told = {
    state: 'failed' as const,
    problems: [`${NIC}: the XDP program is not attached, and packets are not forwarded`],
  };
  await lab.becomes(told, async () => {
    await execute(lab, 'director', ['bpftool', 'link', 'detach', 'pinned', `${pinsOf(lab)}/${linkName(lab)}`]);
    const { interfaces, problems } = await lab.status();
    return { state: interfaces[0]!.state, problems };
  });
  await lab.until('attached again', async () => (await lab.status()).interfaces[0]!.state === 'attached');
  assert.equal((await lab.pages(4)).length, 4);
});

test('a drain that cannot be kept holds, status and log say so, and it is kept as soon as that is possible', async (context) => {
  const lab = await build(context, 'nodisk');
  const daemon = await lab.startDirector();
  const { statePath } = instanceOf(lab.name);
  // No file can be written there.
  mkdirSync(`${statePath}.new`, { recursive: true });
  try {
    const { status, stderr } = await lab.run('drain', '--no-wait', `${VIP4}:80`, hostNamed('real2').ipv4);
    assert.equal(status, 0);
    assert.match(stderr, /^beeline: warning: changes made by commands are in force, but cannot be kept, .*: EISDIR/);
    assert.deepEqual(new Set(await lab.pages(8)), new Set([PAGES.real1]));
    const [problem, ...others] = (await lab.status()).problems;
    assert.match(
      problem!,
      /^changes made by commands are in force, but cannot be kept, and a restart would lose them: EISDIR/,
    );
    assert.deepEqual(others, []);
    assert.match(
      readFileSync(join(lab.directory, 'director.log'), 'utf8'),
      /cannot keep changes made by commands; trying again/,
    );
  } finally {
    rmdirSync(`${statePath}.new`);
  }
  await lab.until('it is kept', async () => (await lab.status()).problems.length === 0);
  await lab.kill(daemon);
  await lab.startDirector();
  assert.deepEqual(new Set(await lab.pages(8)), new Set([PAGES.real1]));
});

/** The pin of the director's only link. */
function linkName(lab: TestLab): string {
  return readdirSync(pinsOf(lab)).find((name) => name.startsWith('link-'))!;
}
