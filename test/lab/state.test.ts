/** One state, changed by commands and by a configuration file: concurrent changes, crashes and restarts. */

import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { hostNamed, inNamespace, NIC, type ProcessIdentity, run, VIP4 } from '../../src/lab/index.js';
import { instanceOf } from '../../src/model/index.js';
import { TestLab } from '../support/lab.js';

const IPVSADM = fileURLToPath(new URL('../../app/ipvsadm/main.js', import.meta.url));
const WEB = `${VIP4}:80`;
const [RIP1, RIP2] = [hostNamed('real1').ipv4, hostNamed('real2').ipv4];

/** A director in a lab, with ipvsadm on its host. */
class Bench {
  readonly lab: TestLab;
  daemon: ProcessIdentity;

  private constructor(lab: TestLab, daemon: ProcessIdentity) {
    this.lab = lab;
    this.daemon = daemon;
  }

  /** Starts a director whose configuration has only interfaces, as for users of ipvsadm. */
  static async build(context: TestContext, name: string): Promise<Bench> {
    const lab = await TestLab.build(context, name);
    lab.configure(`# ours\ninterfaces: [${NIC}]\n`);
    return new Bench(lab, await lab.startDirector());
  }

  /** @throws BeelineError `LAB` if ipvsadm does not exit with 0 */
  ipvsadm(line: string, input?: string): Promise<string> {
    const command = ['env', `BEELINE_INSTANCE=${this.lab.name}`, process.execPath, IPVSADM, ...line.split(' ')];
    const [file, args] = inNamespace(this.lab.namespace('director'), command);
    return run(file, args, input === undefined ? {} : { input });
  }

  listing(): Promise<string> {
    return this.ipvsadm('-Ln');
  }

  async restart(): Promise<void> {
    await this.lab.kill(this.daemon);
    this.daemon = await this.lab.startDirector();
  }

  get log(): string {
    return readFileSync(join(this.lab.directory, 'director.log'), 'utf8');
  }
}

function lines(text: string, pattern: RegExp): string[] {
  return text.split('\n').filter((line) => pattern.test(line));
}

test('commands change a running director', async (context) => {
  const bench = await Bench.build(context, 'state');
  const { lab } = bench;

  await context.test('M13: services and real servers by commands, listed as ipvsadm lists them', async () => {
    await bench.ipvsadm(`-A -t ${WEB} -s rr`);
    await bench.ipvsadm(`-a -t ${WEB} -r ${RIP1}`);
    await bench.ipvsadm(`-a -t ${WEB} -r ${RIP2} -w 1`);
    await bench.ipvsadm(`-A -u ${VIP4}:53 -s wlc -p 300`);
    await bench.ipvsadm(`-a -u ${VIP4}:53 -r ${RIP1} -w 3 -x 100 -y 50`);
    assert.equal(
      await bench.listing(),
      `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  ${WEB} rr
  -> ${RIP1}:80              Route   1      0          0         
  -> ${RIP2}:80              Route   1      0          0         
UDP  ${VIP4}:53 wlc persistent 300
  -> ${RIP1}:53              Route   3      0          0         
`,
    );
    await assert.rejects(bench.ipvsadm(`-A -t ${WEB}`), /already exists/);
    await assert.rejects(bench.ipvsadm(`-d -t ${WEB} -r 192.168.1.99`));
  });

  await context.test("M16: -Z resets ipvsadm's statistics and leaves the counters of beeline list alone", async () => {
    await lab.until('both real servers answered', async () => new Set(await lab.pages(2)).size === 2);
    await bench.ipvsadm('-Z');
    await lab.pages(6);
    const [service, ...servers] = lines(await bench.ipvsadm('-Ln --stats --exact'), /:80 /).map((line) =>
      line.trim().split(/\s+/),
    );
    assert.deepEqual(service!.slice(0, 3), ['TCP', WEB, '6']);
    assert.deepEqual(
      servers.map((cells) => cells[2]),
      ['3', '3'],
    );
    await lab.until('rates follow', async () => {
      await lab.pages(1);
      return Number(lines(await bench.ipvsadm('-Ln --rate'), /^TCP/)[0]!.split(/\s+/)[3]) > 0;
    });
    const before = (await lab.list()).flatMap(({ realServers }) => realServers.map(({ packets }) => packets));
    await bench.ipvsadm('-Z');
    assert.match(await bench.ipvsadm('-Ln --stats'), /:80 +0 +0 +0 +0 +0\n/);
    const after = (await lab.list()).flatMap(({ realServers }) => realServers.map(({ packets }) => packets));
    assert.ok(after.every((packets, i) => packets >= before[i]!));
  });

  await context.test('M14: -R makes the same listing from the output of -S', async () => {
    const before = await bench.ipvsadm('-Ln --thresholds');
    const rules = await bench.ipvsadm('-S -n');
    await bench.ipvsadm('-C');
    assert.deepEqual(lines(await bench.listing(), /TCP|UDP/), []);
    await bench.ipvsadm('-R', rules);
    assert.equal(await bench.ipvsadm('-S -n'), rules);
    // ipvsadm does not save thresholds.
    assert.equal((await bench.ipvsadm('-Ln --thresholds')).replace(/ +\d+ .*/g, ''), before.replace(/ +\d+ .*/g, ''));
  });

  await context.test('M15: a script that clears and adds makes the same state when it is run twice', async () => {
    const script = ['-C', `-A -t ${WEB} -s wrr`, `-a -t ${WEB} -r ${RIP1} -w 3`, `-a -t ${WEB} -r ${RIP2}`];
    const runScript = async (): Promise<string[]> => {
      for (const line of script) {
        await bench.ipvsadm(line);
      }
      return [await bench.listing(), await bench.ipvsadm('-S -n')];
    };
    assert.deepEqual(await runScript(), await runScript());
  });

  await context.test('no command waits for a real server that does not answer ARP', async () => {
    const requests = `net/ipv4/neigh/${NIC}/mcast_solicit`;
    // One a second, for longer than any program of the lab may run.
    await lab.sysctl('director', requests, '1000');
    await bench.ipvsadm(`-a -t ${WEB} -r 192.168.1.77`);
    await bench.ipvsadm(`-d -t ${WEB} -r 192.168.1.77`);
    await lab.sysctl('director', requests, '3');
  });

  await context.test('fifty concurrent commands add each real server exactly once', async () => {
    const addresses = Array.from({ length: 50 }, (_, i) => `192.168.1.${100 + i + 1}`);
    const begun = performance.now();
    await Promise.all(addresses.map((address) => bench.ipvsadm(`-a -t ${WEB} -r ${address}`)));
    context.diagnostic(`fifty at once, with the start of fifty programs: ${(performance.now() - begun).toFixed(0)} ms`);
    const listed = lines(await bench.listing(), /->.*:80/).map((line) => line.trim().split(/[ :]+/)[1]!);
    assert.deepEqual(listed.sort(), [RIP1, RIP2, ...addresses].sort());
  });

  await context.test('a daemon that is killed right after its reply restarts with the same listing', async () => {
    for (const line of [`-e -t ${WEB} -r ${RIP1} -w 7`, `-A -t ${VIP4}:443 -s sh`, '--set 100 20 30']) {
      await bench.ipvsadm(line);
      const before = await bench.listing();
      await bench.restart();
      assert.equal(await bench.listing(), before);
    }
    assert.match(await bench.ipvsadm('-L --timeout'), /100 20 30/);
    assert.match(bench.log, /and that goes on/);
  });

  await context.test('no acknowledged change is lost when the daemon is killed amid changes', async () => {
    const answered: string[] = [];
    const adding = Promise.allSettled(
      Array.from({ length: 20 }, async (_, i) => {
        const address = `192.168.2.${i + 1}`;
        await bench.ipvsadm(`-a -t ${VIP4}:443 -r ${address}`);
        answered.push(address);
      }),
    );
    await lab.until('some are in', () => answered.length >= 3);
    await lab.kill(bench.daemon);
    await adding;
    bench.daemon = await lab.startDirector();
    const listing = await bench.listing();
    assert.deepEqual(
      answered.filter((address) => !listing.includes(`${address}:443`)),
      [],
    );
  });

  await context.test('a truncated state is rejected: the one before is used, and the log says so', async () => {
    const { statePath } = instanceOf(lab.name);
    const before = await bench.listing();
    await bench.ipvsadm(`-d -t ${WEB} -r ${RIP2}`);
    await lab.kill(bench.daemon);
    truncateSync(statePath, statSync(statePath).size - 1);
    bench.daemon = await lab.startDirector();
    // Flows may end meanwhile.
    const withoutFlows = (listing: string): string => listing.replace(/(?:\d+ +){2}$/gm, '');
    assert.equal(withoutFlows(await bench.listing()), withoutFlows(before));
    assert.match(bench.log, /cannot be used: it was damaged or cut off; it is kept as .*; the state before/);
  });

  await context.test('status and diff report changes; save writes them and keeps comments', async () => {
    await bench.ipvsadm('-C');
    await bench.ipvsadm(`-A -t ${WEB} -s wrr`);
    await bench.ipvsadm(`-a -t ${WEB} -r ${RIP1} -w 2`);
    assert.ok((await lab.status()).changes! > 3);
    const { status, stdout } = await lab.run('diff');
    assert.equal(status, 4);
    assert.match(stdout, /^\+ tcp 192\.168\.1\.100:80 {3}wrr, 1 real server\n/m);
    chmodSync(lab.configPath, 0o640);
    assert.equal((await lab.run('save')).status, 0);
    assert.equal(statSync(lab.configPath).mode & 0o777, 0o640);
    assert.equal(
      readFileSync(lab.configPath, 'utf8'),
      `# ours
interfaces: [${NIC}]
services:
  - address: ${VIP4}
    port: 80
    scheduler: wrr
    realServers:
      - { address: ${RIP1}, weight: 2 }
timeouts: { established: 100, finWait: 20, udp: 30 }
`,
    );
    const after = await lab.run('diff');
    assert.deepEqual([after.status, after.stdout], [0, `${lab.configPath}: no changes\n`]);
    assert.equal((await lab.status()).changes, 0);
  });

  await context.test(
    'plan shows the effect of a file, apply refuses to move too much, reload restores the file',
    async () => {
      const file = join(lab.directory, 'next.yaml');
      const maglev = `interfaces: [${NIC}]\nservices: [{ address: ${VIP4}, port: 80, realServers: [${RIP1}, ${RIP2}] }]\n`;
      writeFileSync(file, maglev);
      const plan = await lab.run('plan', file);
      assert.equal(plan.status, 4);
      assert.match(plan.stdout, /^~ tcp 192\.168\.1\.100:80 {3}scheduler wrr -> maglev\n/m);
      const applied = await lab.run('apply', file);
      assert.match(applied.stdout, /^~ tcp 192\.168\.1\.100:80 {3}scheduler wrr -> maglev\n/m);
      assert.equal((await lab.run('plan', file)).status, 0);
      assert.match((await lab.run('apply', file)).stdout, /^no changes: .*servers\n$/);
      const before = await lab.list();
      writeFileSync(file, maglev.replace(`, ${RIP2}`, ''));
      const refused = await lab.run('apply', '--max-moved', '2%', file);
      assert.deepEqual([refused.status, refused.stdout], [5, '']);
      assert.match(refused.stderr, /50 % of all slots would move, more than 2 %/);
      assert.deepEqual((await lab.list()).length, before.length);
      assert.equal((await lab.run('plan', '--max-moved', '2%', file)).status, 5);
      // The applied configuration survives a crash too, because the daemon's own file was not changed meanwhile.
      await bench.restart();
      assert.match(await bench.listing(), /maglev/);
      const reloaded = await lab.run('reload');
      assert.match(reloaded.stdout, /1 unsaved change replaced/);
      assert.match(await bench.listing(), /wrr/);
    },
  );

  await context.test(
    'a file edited meanwhile replaces changes by commands, and those are saved elsewhere',
    async () => {
      await bench.ipvsadm(`-a -t ${WEB} -r ${RIP2}`);
      await lab.kill(bench.daemon);
      lab.configure(readFileSync(lab.configPath, 'utf8').replace('weight: 2', 'weight: 5'));
      bench.daemon = await lab.startDirector();
      assert.deepEqual(lines(await bench.listing(), /->.*:80/).length, 1);
      assert.match(bench.log, /replaces what commands had changed/);
      const { droppedPath } = instanceOf(lab.name);
      assert.match((await lab.run('diff')).stdout, new RegExp(`kept in ${droppedPath}\n`));
      assert.equal((await lab.run('apply', droppedPath)).status, 0);
      assert.match(await bench.listing(), new RegExp(`${RIP2}:80 `));
    },
  );
});
