/** What is done to a daemon from outside: signals, Node.js's options, a cleaned /run, a damaged file, a late interface. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { hostNamed, NIC, PAGES, type ProcessIdentity, VIP4 } from '../../src/lab/index.js';
import { instanceOf } from '../../src/model/index.js';
import { execute, TestLab } from '../support/lab.js';

const CONFIG = `interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, realServers: [192.168.1.31, 192.168.1.32] }
`;
const MAIN = 'dist/app/cli/main.js';

async function build(context: TestContext, name: string, config = CONFIG): Promise<TestLab> {
  const lab = await TestLab.build(context, name);
  lab.configure(config);
  return lab;
}

const logOf = (lab: TestLab): string => {
  const path = join(lab.directory, 'director.log');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

/** The TCP ports that anything listens to on the director. */
const listeners = (lab: TestLab): Promise<string> => lab.exec('director', ['ss', '-Hltn']);

/** Starts a daemon by another command than the usual one, and waits until it is ready. */
async function startBy(lab: TestLab, command: readonly string[]): Promise<ProcessIdentity> {
  const before = logOf(lab).length;
  const identity = lab.startProcess('director', 'director', command);
  await lab.until('it is ready', () => logOf(lab).slice(before).includes('"msg":"ready"'));
  return identity;
}

test('signals', async (context) => {
  const lab = await build(context, 'signals');
  const { pid } = await lab.startDirector();
  await lab.until('it is ready', () => logOf(lab).includes('"msg":"ready"'));

  await context.test('SIGUSR1 opens no inspector: it writes the state to the log', async () => {
    process.kill(pid, 'SIGUSR1');
    await lab.until('the report', () => logOf(lab).includes('"msg":"state of a service"'));
    assert.equal(await listeners(lab), '');
    const log = logOf(lab);
    assert.match(log, new RegExp(`"pid":${pid},.*"services":1,"realServers":2,"unresolved":0,"msg":"state"`));
    assert.match(log, /"interface":"ens3","state":"attached".*"msg":"state of an interface"/);
    assert.match(log, /"service":"tcp 192\.168\.1\.100:80","scheduler":"maglev","realServers":2,"up":2,"msg"/);
  });

  await context.test('SIGUSR2 does not end the daemon: it writes the statistics to the log', async () => {
    await lab.pages(4);
    process.kill(pid, 'SIGUSR2');
    await lab.until('the report', () => logOf(lab).includes('"msg":"statistics of a service"'));
    assert.match(logOf(lab), /"service":"tcp 192\.168\.1\.100:80","packets":\d\d+,.*"flows":4,"msg":"statistics of a/);
    assert.equal((await lab.status()).pid, pid);
  });

  await context.test('no signal ends or opens a daemon that is still starting, or is ending', async () => {
    await lab.beeline(['stop', '--detach']);
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
      const logged = logOf(lab).length;
      const command = [process.execPath, MAIN, '--instance', lab.name, 'run', lab.configPath];
      const { pid: starting } = lab.startProcess('director', 'director', command);
      // Node.js's own start is over when the first line of the log is there.
      await lab.until('it logs', () => logOf(lab).length > logged);
      process.kill(starting, signal);
      await lab.until('it is ready', () => logOf(lab).slice(logged).includes('"msg":"ready"'));
      assert.equal(await listeners(lab), '');
      process.kill(starting, 'SIGTERM');
      process.kill(starting, signal);
      await lab.until('it has ended in order', () => logOf(lab).slice(logged).includes('packets are forwarded still'));
    }
  });
});

test('no flag and no NODE_OPTIONS opens an inspector in a daemon', async (context) => {
  const lab = await build(context, 'inspector');
  const run = ['--instance', lab.name, 'run', lab.configPath];
  await context.test('a flag', async () => {
    await startBy(lab, [process.execPath, '--inspect', MAIN, ...run]);
    assert.equal(await listeners(lab), '');
    assert.match(logOf(lab), /closed Node\.js's inspector/);
    await lab.beeline(['stop']);
  });
  await context.test('NODE_OPTIONS, past the first line of the program', async () => {
    await startBy(lab, ['env', 'NODE_OPTIONS=--inspect', process.execPath, MAIN, ...run]);
    assert.equal(await listeners(lab), '');
    await lab.beeline(['stop']);
  });
  await context.test(
    'NODE_OPTIONS that would wait for a debugger do not reach a program that is started by its name',
    async () => {
      await startBy(lab, ['env', 'NODE_OPTIONS=--inspect-brk', MAIN, ...run]);
      assert.equal(await listeners(lab), '');
    },
  );
});

test('a configuration that is no regular file', async (context) => {
  const lab = await build(context, 'fifo');
  const fifo = join(lab.directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  await context.test(
    'is refused at the start, which would wait for ever for a FIFO and read a device without end',
    async () => {
      for (const [path, kind] of [
        [fifo, 'a FIFO'],
        ['/dev/zero', 'a device'],
        ['/dev/null', 'a device'],
      ] as const) {
        const { status, stderr } = await lab.run('run', path);
        assert.deepEqual([status, stderr.split('\n')[0]], [2, `beeline: ${path} is ${kind}, not a file`]);
      }
    },
  );
  await context.test('is refused at a reload, and the daemon goes on', async () => {
    await lab.startDirector();
    rmSync(lab.configPath);
    execFileSync('mkfifo', [lab.configPath]);
    assert.match((await lab.run('reload')).stderr, /beeline\.yaml is a FIFO, not a file/);
    assert.equal((await lab.list()).length, 1);
  });
  await context.test('is read by commands: people pipe into them', async () => {
    const { status, stderr } = await execute(lab, 'director', [
      'sh',
      '-c',
      `printf '%s' '${CONFIG.replace('31,', '31, 192.168.1.33,')}' | "$0" ${MAIN} --instance ${lab.name} apply /dev/stdin`,
      process.execPath,
    ]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal((await lab.list())[0]!.realServers.length, 3);
  });
});

test('a second daemon does not start beside the first', async (context) => {
  const lab = await build(context, 'beside');
  const { lockPath, pinDirectory } = instanceOf(lab.name);
  const { pid } = await lab.startDirector();
  const isRefused = async (): Promise<void> => {
    const { status, stderr } = await lab.run('run', '--replace', lab.configPath);
    assert.match(stderr, /^beeline: a daemon of the instance "test-beside" is running already\n/);
    assert.equal(status, 1);
    assert.equal((await lab.status()).pid, pid);
  };
  await context.test('at once after its lock file was removed', async () => {
    rmSync(lockPath);
    await isRefused();
  });
  await context.test('after another file took the place of its lock file', async () => {
    await lab.until('locked again', () => logOf(lab).includes('.lock had been removed: locked again'));
    rmSync(lockPath);
    writeFileSync(lockPath, '');
    await isRefused();
  });
  await context.test('after its pins were removed, once it has noticed', async () => {
    rmSync(pinDirectory, { recursive: true });
    // The lock file, too, if that was not noticed before.
    const line = `"msg":"${pinDirectory}`;
    await lab.until(
      'locked again',
      () => logOf(lab).split(line)[1]?.includes('had been removed: locked again') === true,
    );
    rmSync(lockPath, { force: true });
    await isRefused();
  });
  await context.test('and a command that cleans up is refused as well', async () => {
    rmSync(`/run/beeline/${lab.name}.sock`);
    rmSync(lockPath, { force: true });
    assert.match((await lab.run('stop', '--detach')).stderr, /is running already/);
    assert.deepEqual(new Set(await lab.pages(16)), new Set([PAGES.real1, PAGES.real2]));
    process.kill(pid, 'SIGTERM');
  });
});

test('a damaged state file is kept aside and told of until it is removed', async (context) => {
  const lab = await build(context, 'damaged');
  const { statePath } = instanceOf(lab.name);
  await lab.startDirector();
  await lab.beeline(['drain', '--no-wait', `${VIP4}:80`, hostNamed('real2').ipv4]);
  await lab.beeline(['stop']);
  const damaged = readFileSync(statePath, 'latin1').replace('"weight":0', '"weight":9');
  writeFileSync(statePath, damaged, 'latin1');
  rmSync(`${statePath}.previous`, { force: true });
  await lab.startDirector();
  await lab.beeline(['drain', '--no-wait', `${VIP4}:80`, hostNamed('real1').ipv4]);
  assert.equal(readFileSync(`${statePath}.damaged`, 'latin1'), damaged);
  assert.match(
    logOf(lab),
    /test-damaged\.state cannot be used: .*; it is kept as .*\.damaged; the changes made by commands in it are lost/,
  );
  const told = `a file of changes made by commands could not be used and is kept as ${statePath}.damaged: remove it when it is not needed`;
  assert.deepEqual((await lab.status()).problems, [told]);
  rmSync(`${statePath}.damaged`);
  assert.deepEqual((await lab.status()).problems, []);
});

/** Prints each datagram to a unix socket as a line. */
const LISTEN = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True:
    print(s.recv(4096).decode().strip().replace("\\n", " "), flush=True)
`;

test('an interface that is missing at the start is waited for, and the service manager is told what is', async (context) => {
  const lab = await build(context, 'late', CONFIG.replace(NIC, 'ens9'));
  const socket = join(lab.directory, 'notify');
  lab.startProcess('director', 'notified', ['python3', '-c', LISTEN, socket]);
  const told = (): string[] => readFileSync(join(lab.directory, 'notified.log'), 'utf8').trim().split('\n');
  await lab.until('the manager listens', () => told().includes('listening'));
  const run = [process.execPath, MAIN, '--instance', lab.name, 'run', lab.configPath];
  await startBy(lab, ['env', `NOTIFY_SOCKET=${socket}`, ...run]);

  await context.test('the daemon is ready without it, and says so', async () => {
    const { interfaces, problems } = await lab.status();
    assert.deepEqual([interfaces[0]!.state, problems], ['missing', ['interface ens9 is missing']]);
    assert.match(logOf(lab), /"level":40,[^\n]*interface ens9: missing/);
    await lab.until('the manager knows', () => told().length >= 3);
    assert.deepEqual(told().slice(1, 3), [
      'READY=1',
      'STATUS=1 service, 2 real servers (2 unresolved), attached to no interface; interface ens9 is missing',
    ]);
  });

  await context.test('it is attached when it comes, and packets flow', async () => {
    for (const command of ['down', 'name ens9', 'up']) {
      await lab.exec('director', ['ip', 'link', 'set', command === 'up' ? 'ens9' : NIC, ...command.split(' ')]);
    }
    await lab.until('it is attached', async () => {
      const { interfaces, unresolved } = await lab.status();
      return interfaces[0]!.state === 'attached' && unresolved === 0;
    });
    assert.deepEqual(new Set(await lab.pages(16)), new Set([PAGES.real1, PAGES.real2]));
    assert.deepEqual((await lab.status()).problems, []);
    await lab.until('the manager knows', () => told().at(-1) === 'STATUS=1 service, 2 real servers, on ens9');
  });

  await context.test('the manager is told of a refused reload, and that the next one was not', async () => {
    const before = told().length;
    lab.configure('interfaces: [');
    await lab.run('reload');
    const [{ pid }] = [await lab.status()];
    process.kill(pid, 'SIGHUP');
    // The status follows each round, and one may come between the command's reload and the signal's.
    const steps = (): string[] =>
      told()
        .slice(before)
        .filter((each) => !each.startsWith('STATUS='));
    await lab.until('the manager knows', () => steps().length === 2);
    assert.deepEqual(steps(), ['RELOADING=1', 'READY=1']);
    await lab.until('the status says so', () => told().at(-1)!.endsWith('on ens9; the last reload was refused'));
    lab.configure(CONFIG.replace(NIC, 'ens9'));
    process.kill(pid, 'SIGHUP');
    await lab.until('the manager knows', () => told().at(-1) === 'STATUS=1 service, 2 real servers, on ens9');
  });
});

test('pins that were removed by hand under a living daemon are pinned again, so that a crash ends nothing', async (context) => {
  const lab = await build(context, 'unpinned');
  const { pinDirectory } = instanceOf(lab.name);
  let daemon = await lab.startDirector();
  const pins = (): string[] => readdirSync(pinDirectory, { recursive: true, encoding: 'utf8' }).sort();
  const set = pins().find((name) => /^set-\d+$/.test(name))!;
  const link = pins().find((name) => name.startsWith('link-'))!;
  for (const [what, path] of [
    ['the link', link],
    ['a map', `${set}/control`],
    ['the flow table', `${set}/flows4`],
    ['the array of programs', `${set}/programs`],
    ['the program', `${set}/program`],
    ['the maps', set],
    ['everything', ''],
  ] as const) {
    await context.test(what, async () => {
      const before = pins();
      const logged = logOf(lab).length;
      rmSync(join(pinDirectory, path), { recursive: true });
      await lab.until('it is pinned again', () =>
        logOf(lab).slice(logged).includes('pins had been removed: pinned again'),
      );
      assert.deepEqual(pins(), before);
    });
  }
  await context.test('at a reload at once', async () => {
    const before = pins();
    rmSync(join(pinDirectory, link));
    rmSync(join(pinDirectory, set), { recursive: true });
    await lab.beeline(['reload']);
    assert.deepEqual(pins(), before);
  });
  await context.test(
    'packets go on after a crash, and the next daemon adopts what the last one pinned again',
    async () => {
      const before = (await lab.status()).packets;
      await lab.kill(daemon);
      assert.deepEqual(new Set(await lab.pages(16)), new Set([PAGES.real1, PAGES.real2]));
      const logged = logOf(lab).length;
      daemon = await lab.startDirector();
      assert.match(logOf(lab).slice(logged), /adopted the pinned maps/);
      assert.ok((await lab.status()).packets > before);
    },
  );
  await context.test('an interface leaves the configuration although its pin is gone', async () => {
    rmSync(join(pinDirectory, link));
    await lab.beeline(['stop', '--detach']);
    assert.equal(existsSync(pinDirectory), false);
    assert.doesNotMatch(await lab.exec('director', ['ip', 'link', 'show', NIC]), /xdp/);
  });
});

test('pins in a BPF file system that ends with the daemon are told of at the start, in the status and at the end', async (context) => {
  const lab = await build(context, 'private');
  // As people do it: this makes a mount namespace, with a /sys that has no BPF file system.
  const run = [process.execPath, MAIN, '--instance', lab.name, 'run', lab.configPath];
  await startBy(lab, ['ip', 'netns', 'exec', lab.namespace('director'), ...run]);
  assert.match(
    logOf(lab),
    /"code":"PINS_PRIVATE","msg":"the BPF file system at \/sys\/fs\/bpf is in this process's mount/,
  );
  assert.match(await lab.beeline(['status']), /^warning +the BPF file system .*"nsenter --net=\/run\/netns\/NAME"$/m);
  assert.match(
    await lab.beeline(['stop']),
    /^stopped the daemon \(pid \d+\); forwarding ends with its mount namespace/,
  );
  await lab.until('it has ended', () => logOf(lab).includes('stopped; forwarding ends with the mount namespace'));
  const shown = (): Promise<string> => lab.exec('director', ['ip', 'link', 'show', NIC]);
  await lab.until('it forwards no more', async () => !(await shown()).includes('xdp'));

  await lab.startDirector();
  assert.deepEqual((await lab.status()).warnings, []);
});

test('the log', async (context) => {
  const lab = await build(context, 'log');
  const run = `exec "$0" ${MAIN} --instance ${lab.name} run --log-level debug ${lab.configPath}`;
  const starting = (script: string): ProcessIdentity =>
    lab.startProcess('director', 'director', ['sh', '-c', script, process.execPath]);
  const answers = async (): Promise<boolean> => (await lab.run('status')).status === 0;

  await context.test('on a full disk: the daemon starts, runs and ends, and the status says so', async () => {
    const { pid } = starting(`${run} 2>/dev/full`);
    await lab.until('it answers', answers);
    assert.match((await lab.status()).problems.join(), /^the log cannot be written: ENOSPC/);
    assert.deepEqual(new Set(await lab.pages(16)), new Set([PAGES.real1, PAGES.real2]));
    await lab.beeline(['stop']);
    await lab.until('it is gone', () => !existsSync(`/proc/${pid}/exe`));
  });

  await context.test(
    'in a pipe that nobody reads: the daemon goes on, and the lines come when somebody does',
    async () => {
      const pipe = join(lab.directory, 'pipe');
      execFileSync('mkfifo', [pipe]);
      // The daemon has the other end, so that there is one.
      const { pid } = starting(`exec 3<>${pipe}; ${run} 2>${pipe}`);
      await lab.until('it answers', answers);
      await lab.until(
        'the pipe is full',
        async () => {
          // Signals that come at once are one.
          for (let i = 0; i < 60; i += 1) {
            process.kill(pid, 'SIGUSR1');
            await sleep(3);
          }
          return (await lab.status()).problems.some((each) =>
            each.startsWith('the log cannot be written: nobody reads it'),
          );
        },
        120_000,
      );
      lab.configure(CONFIG.replace('port: 80', 'port: 81'));
      await lab.beeline(['reload']);
      lab.startProcess('director', 'reader', ['cat', pipe]);
      const read = (): string => readFileSync(join(lab.directory, 'reader.log'), 'utf8');
      await lab.until('the last line is read', () => read().includes('"msg":"reloaded"'));
      for (const line of read().trimEnd().split('\n')) {
        JSON.parse(line);
      }
      assert.deepEqual((await lab.status()).problems, []);
      await lab.beeline(['stop']);
    },
  );

  await context.test("in systemd's journal: text with priorities; JSON if that is asked for", async () => {
    const journal = join(lab.directory, 'journal');
    const connected = `exec 2>${journal}; export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/2);`;
    const said = (): string => readFileSync(journal, 'utf8');
    starting(`${connected} ${run}`);
    await lab.until('it is ready', () => existsSync(journal) && said().includes('<6>ready pid='));
    await lab.beeline(['stop']);
    await lab.until('it has ended', () => said().includes('<6>stopped; packets are forwarded still'));
    assert.ok(
      said()
        .trimEnd()
        .split('\n')
        .every((line) => /^<[3467]>/.test(line)),
    );
    starting(`${connected} ${run.replace(' run ', ' run --log-format json ')}`);
    await lab.until('it is ready', () => said().includes('"msg":"ready"}'));
  });
});

test('an error that lasts is logged once, and its end', async (context) => {
  const lab = await build(context, 'lasting');
  const { pinDirectory } = instanceOf(lab.name);
  const { pid } = await lab.startDirector();
  const link = readdirSync(pinDirectory).find((name) => name.startsWith('link-'))!;
  const count = (text: string): number => logOf(lab).split(text).length - 1;
  // Else the daemon may attach its own program first.
  process.kill(pid, 'SIGSTOP');
  await lab.exec('director', ['bpftool', 'link', 'detach', 'pinned', join(pinDirectory, link)]);
  await lab.attachPass('director', NIC);
  process.kill(pid, 'SIGCONT');
  await lab.until('it is noticed', () => count('could not bring the data path up to date') > 0);
  assert.match((await lab.status()).problems.join(), /^ens3 already runs XDP program "pass"/);
  // It is tried again every few seconds.
  await sleep(11_000);
  assert.equal(count('could not bring the data path up to date'), 1);
  await lab.exec('director', ['ip', 'link', 'set', NIC, 'xdpdrv', 'off']);
  await lab.until('it is over', () => count('the data path is up to date again') > 0);
  assert.equal(count('could not bring the data path up to date'), 1);
  assert.deepEqual((await lab.status()).problems, []);
});
