/** Drains are changes by commands: what shows them, what ends them, and what a failure leaves of them. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';

import type { PlanReport, ReloadReport } from '../../src/control/index.js';
import { hostNamed, NIC, type ProcessIdentity, VIP4 } from '../../src/lab/index.js';
import { instanceOf } from '../../src/model/index.js';
import { TestLab } from '../support/lab.js';

const WEB = `${VIP4}:80`;
const NAME = `tcp ${WEB}`;
const [ONE, TWO] = [hostNamed('real1').ipv4, hostNamed('real2').ipv4];
const FILE = `interfaces: [${NIC}]\nservices:\n  - { address: ${VIP4}, port: 80, scheduler: rr, realServers: [${ONE}, ${TWO}] }\n`;
/** A deadline that no test reaches. */
const LATE = ['--deadline', '1h'];

class Bench {
  readonly lab: TestLab;
  daemon: ProcessIdentity;

  private constructor(lab: TestLab, daemon: ProcessIdentity) {
    this.lab = lab;
    this.daemon = daemon;
  }

  static async build(context: TestContext, name: string): Promise<Bench> {
    const lab = await TestLab.build(context, name);
    lab.configure(FILE);
    return new Bench(lab, await lab.startDirector());
  }

  /** Real servers by address, with the weight that packets see. */
  async weights(): Promise<Record<string, number>> {
    const [service] = await this.lab.list();
    return Object.fromEntries(service!.realServers.map(({ address, weight }) => [address, weight]));
  }

  async drainToTheEnd(address: string): Promise<void> {
    await this.lab.beeline(['drain', '--deadline', '0s', WEB, address]);
    assert.ok(!(address in (await this.weights())));
  }

  /** Holds a drain that does not end by itself: its real server has a flow. */
  async drainSlowly(address: string): Promise<void> {
    // A flow that stays for its timeout, at each real server.
    await this.lab.pages(4);
    await this.lab.beeline(['drain', '--no-wait', ...LATE, WEB, address]);
  }

  async restart(): Promise<void> {
    await this.lab.kill(this.daemon);
    this.daemon = await this.lab.startDirector();
  }

  get log(): string {
    return readFileSync(join(this.lab.directory, 'director.log'), 'utf8');
  }
}

test('a drain is a change by command, and every command says so', async (context) => {
  const bench = await Bench.build(context, 'drains');
  const { lab } = bench;
  const changes = async (): Promise<number> => (await lab.status()).changes!;

  await context.test('a drain that runs is weight 0 by command: in diff, status, plan and after a crash', async () => {
    await bench.drainSlowly(ONE);
    for (const moment of ['at once', 'after a crash']) {
      assert.deepEqual(await bench.weights(), { [ONE]: 0, [TWO]: 1 }, moment);
      const { status, stdout } = await lab.run('diff');
      assert.equal(status, 4);
      assert.match(stdout, /^~ tcp 192\.168\.1\.100:80 {3}192\.168\.1\.31 weight 1 -> 0$/m);
      assert.match(stdout, /^ {2}tcp 192\.168\.1\.100:80 {3}192\.168\.1\.31 is being drained: \d+ flows? left/m);
      assert.equal(await changes(), 1);
      const { drains } = await lab.status();
      assert.deepEqual(
        drains?.map(({ service, realServer, removed }) => [service, realServer, removed]),
        [[NAME, ONE, false]],
      );
      assert.match(await lab.beeline(['status']), /^draining {7}192\.168\.1\.31 of tcp .*: \d+ flows? left/m);
      const plan = JSON.parse((await lab.run('plan', '--json')).stdout) as PlanReport;
      assert.deepEqual(plan.endedDrains, [{ service: NAME, realServer: ONE }]);
      assert.match((await lab.run('plan')).stdout, /192\.168\.1\.31 is no longer drained$/m);
      await bench.restart();
    }
  });

  await context.test('reload puts it back and says so, as plan did', async () => {
    const { stdout } = await lab.run('reload');
    assert.match(stdout, /^~ tcp 192\.168\.1\.100:80 {3}192\.168\.1\.31 weight 0 -> 1$/m);
    assert.match(stdout, /192\.168\.1\.31 is no longer drained$/m);
    assert.match(stdout, /1 unsaved change replaced; 1 drain ended\n$/);
    assert.deepEqual(await bench.weights(), { [ONE]: 1, [TWO]: 1 });
    assert.match((await lab.run('reload')).stdout, /^no changes: 1 service, 2 real servers\n$/);
    assert.deepEqual((await lab.status()).drains, undefined);
  });

  await context.test(
    'a drain that is over is a removal by command: in status and diff, for save and reload',
    async () => {
      await bench.drainToTheEnd(ONE);
      assert.ok((await changes()) > 0);
      assert.match(await lab.beeline(['status']), /changes by commands since .*: see "beeline diff"/);
      assert.match((await lab.run('diff')).stdout, /^- tcp 192\.168\.1\.100:80 {3}192\.168\.1\.31 weight 1$/m);
      await bench.restart();
      assert.deepEqual(await bench.weights(), { [TWO]: 1 });
      const { stdout } = await lab.run('reload');
      assert.match(stdout, /^\+ tcp 192\.168\.1\.100:80 {3}192\.168\.1\.31 weight 1$/m);
      assert.match(stdout, /2 unsaved changes replaced\n$/);

      await bench.drainToTheEnd(ONE);
      assert.match(await lab.beeline(['save']), /^- tcp 192\.168\.1\.100:80 {3}192\.168\.1\.31 weight 1$/m);
      assert.equal(await changes(), 0);
      assert.equal((await lab.run('diff')).status, 0);
      lab.configure(FILE);
      await lab.beeline(['reload']);
    },
  );

  await context.test('save writes a running drain as weight 0; its end is another change', async () => {
    await bench.drainSlowly(TWO);
    assert.match(await lab.beeline(['save']), /192\.168\.1\.32 is being drained.*: the file has it with weight 0/);
    assert.match(readFileSync(lab.configPath, 'utf8'), /192\.168\.1\.32.*weight: 0/);
    assert.equal(await changes(), 0);
    await bench.restart();
    assert.equal((await lab.status()).drains?.length, 1);
    // The file says weight 0 too, and still a reload does not do nothing.
    const reload = JSON.parse((await lab.run('reload', '--json')).stdout) as ReloadReport;
    assert.deepEqual([reload.differences, reload.endedDrains], [[], [{ service: NAME, realServer: TWO }]]);
    assert.deepEqual(await bench.weights(), { [ONE]: 1, [TWO]: 0 });
    // One that has weight 0 already can be drained, too.
    await lab.beeline(['drain', '--deadline', '0s', WEB, TWO]);
    assert.deepEqual([await bench.weights(), await changes()], [{ [ONE]: 1 }, 1]);
    lab.configure(FILE);
    await lab.beeline(['reload']);
  });

  await context.test('apply ends drains, and says so', async () => {
    await bench.drainSlowly(ONE);
    const file = join(lab.directory, 'other.yaml');
    writeFileSync(file, FILE.replace('rr', 'wrr'));
    const { stdout } = await lab.run('apply', file);
    assert.match(stdout, /^~ tcp 192\.168\.1\.100:80 {3}192\.168\.1\.31 weight 0 -> 1$/m);
    assert.match(stdout, /1 drain ended\n$/);
    await lab.beeline(['reload']);
  });

  await context.test('an edit of the real server ends its drain, and whoever waits for it is told', async () => {
    await bench.drainSlowly(ONE);
    const logged = bench.log.length;
    const waiting = lab.run('drain', ...LATE, WEB, ONE);
    await lab.until('somebody waits', () => bench.log.slice(logged).includes('draining'));
    const { stdout, stderr } = await lab.run('weight', WEB, ONE, '3');
    assert.match(stdout, /weight 0 -> 3/);
    assert.match(stderr, /warning: 192\.168\.1\.31 of tcp .* is no longer drained: it has weight 3 and stays/);
    const { status, stderr: why } = await waiting;
    assert.equal(status, 2);
    assert.match(why, /192\.168\.1\.31 of tcp .* is not being drained.*it has weight 3/);
    // Of one that is removed by hand, the drain has come to its aim.
    await bench.drainSlowly(ONE);
    const other = lab.run('drain', ...LATE, WEB, ONE);
    await lab.beeline(['remove', WEB, ONE]);
    const ended = await other;
    assert.ok(
      ended.status === 0 ? ended.stdout.includes('was removed from') : ended.stderr.includes('has no real server'),
    );
    await lab.beeline(['reload']);
  });

  await context.test('a restart with a changed file takes the file, and says which drains ended', async () => {
    await bench.drainSlowly(ONE);
    await lab.kill(bench.daemon);
    lab.configure(FILE.replace('rr', 'wrr'));
    const logged = bench.log.length;
    bench.daemon = await lab.startDirector();
    assert.deepEqual(await bench.weights(), { [ONE]: 1, [TWO]: 1 });
    assert.match(bench.log.slice(logged), /drain of 192\.168\.1\.31 of tcp 192\.168\.1\.100:80/);
    assert.equal((await lab.status()).drains, undefined);
    const { droppedPath } = instanceOf(lab.name);
    assert.match(readFileSync(droppedPath, 'utf8'), /192\.168\.1\.31.*weight: 0/);
  });
});

test('a drain whose round fails is none', async (context) => {
  const bench = await Bench.build(context, 'undrained');
  const { lab } = bench;
  const pins = instanceOf(lab.name).pinDirectory;
  const link = readdirSync(pins).find((name) => name.startsWith('link-'))!;
  await lab.exec('director', ['bpftool', 'link', 'detach', 'pinned', `${pins}/${link}`]);
  await lab.attachPass('director', NIC);
  const { status, stderr } = await lab.run('drain', '--no-wait', WEB, ONE);
  assert.equal(status, 1);
  assert.match(stderr, /XDP program/);
  await lab.until('packets follow what is asked for', async () => (await bench.weights())[ONE] === 1);
  assert.deepEqual([(await lab.status()).drains, (await lab.status()).changes], [undefined, 0]);
  await bench.restart().catch(() => undefined);
});
