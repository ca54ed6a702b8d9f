/** Somebody sets the wall clock, or NTP does: what the daemon measures goes on as if nobody had. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { DrainReport } from '../../src/control/index.js';
import { hostNamed, NIC, type ProcessIdentity, VIP4 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';
import { startTalkServers, Talkers } from '../support/talkers.js';

const MAIN = 'dist/app/cli/main.js';
const DAY_MS = 86_400_000;
const [ONE, TWO] = [hostNamed('real1').ipv4, hostNamed('real2').ipv4];

/** Replaces the wall clock of a Node.js process by one that a file sets forward or back. */
const CLOCK = `
  import { readFileSync } from 'node:fs';
  const path = process.env.CLOCK;
  const Real = Date;
  const now = () => Real.now() + Number(readFileSync(path, 'utf8'));
  globalThis.Date = class extends Real {
    constructor(...parts) { super(...(parts.length === 0 ? [now()] : parts)); }
    static now() { return now(); }
  };`;

/** A director whose wall clock a test sets. */
class Clocked {
  readonly lab: TestLab;
  #daemon: ProcessIdentity | undefined;

  private constructor(lab: TestLab) {
    this.lab = lab;
    this.set(0);
  }

  static async build(context: TestContext, name: string): Promise<Clocked> {
    return new Clocked(await TestLab.build(context, name));
  }

  /** @param stepMs how far the wall clock is from the truth */
  set(stepMs: number): void {
    writeFileSync(this.#path, String(stepMs));
  }

  get #path(): string {
    return join(this.lab.directory, 'clock');
  }

  get log(): string {
    return readFileSync(join(this.lab.directory, 'director.log'), 'utf8');
  }

  async start(): Promise<void> {
    const clock = `data:text/javascript;base64,${Buffer.from(CLOCK).toString('base64')}`;
    const run = [process.execPath, '--import', clock, MAIN, '--instance', this.lab.name, 'run', this.lab.configPath];
    this.#daemon = this.lab.startProcess('director', 'director', ['env', `CLOCK=${this.#path}`, ...run]);
    await this.lab.until('it answers', async () => (await this.lab.run('status')).status === 0);
  }

  async crash(): Promise<void> {
    await this.lab.kill(this.#daemon!);
  }

  /** Waits until the daemon has looked at its flows, and did what followed from that, at least twice. */
  async settle(): Promise<void> {
    const begun = performance.now();
    await this.lab.until('two sweeps and rechecks', () => performance.now() - begun > 6500);
  }
}

const SCHEDULERS = ['maglev', 'mh', 'sh'];

type Step = (clocked: Clocked) => void | Promise<void>;

/** What happens to the clock. Each has services of its own: on a slot that moved before, new flows are remembered. */
const STEPS: Readonly<Record<string, Step>> = {
  'set forward by a day': (clocked) => {
    clocked.set(DAY_MS);
  },
  'set back by two days': (clocked) => {
    clocked.set(-DAY_MS);
  },
  'set forward while no daemon runs': async (clocked) => {
    await clocked.crash();
    clocked.set(2 * DAY_MS);
    await clocked.start();
  },
  'set back while no daemon runs': async (clocked) => {
    await clocked.crash();
    clocked.set(0);
    await clocked.start();
  },
};

const portsOf = (step: number): number[] => SCHEDULERS.map((_, i) => 7001 + 10 * step + i);

/** @param changed how many of the steps have had their change */
function moving(changed: number): string {
  const services = Object.keys(STEPS).flatMap((_, step) =>
    portsOf(step).map((port, i) => {
      const servers = `[${ONE}, { address: ${TWO}, weight: ${step < changed ? 5 : 1} }]`;
      return `  - { address: ${VIP4}, port: ${port}, scheduler: ${SCHEDULERS[i]!}, track: moved, realServers: ${servers} }\n`;
    }),
  );
  return `interfaces: [${NIC}]\nservices:\n${services.join('')}`;
}

test('silent connections on moved slots keep their real servers, whatever is done to the wall clock', async (context) => {
  const clocked = await Clocked.build(context, 'step-moved');
  const { lab } = clocked;
  const all = Object.keys(STEPS).flatMap((_, step) => portsOf(step));
  await startTalkServers(lab, all);
  lab.configure(moving(0));
  await clocked.start();
  for (const [step, [what, take]] of Object.entries(STEPS).entries()) {
    await context.test(what, async () => {
      const talkers = await Talkers.start(
        lab,
        portsOf(step).map((port) => ({ address: VIP4, port, sending: 2, silent: 14 })),
      );
      lab.configure(moving(step + 1));
      await lab.beeline(['reload']);
      await take(clocked);
      await clocked.settle();
      assert.deepEqual(await talkers.failures(), []);
    });
  }
});

test('checks go on, and states stay, whatever is done to the wall clock', async (context) => {
  const clocked = await Clocked.build(context, 'step-health');
  const { lab } = clocked;
  lab.configure(
    `interfaces: [${NIC}]\nservices:\n  - { address: ${VIP4}, port: 80, health: { checks: tcp, interval: 0.3, timeout: 1, fall: 2 }, realServers: [${ONE}, ${TWO}] }\n`,
  );
  await clocked.start();
  const states = async (): Promise<string> => (await lab.list())[0]!.realServers.map(({ state }) => state).join(' ');
  await lab.until('all are up', async () => (await states()) === 'up up');
  let isThere = true;
  for (const step of [DAY_MS, -DAY_MS]) {
    const logged = clocked.log.length;
    const before = await states();
    clocked.set(step);
    // Several checks.
    await sleep(1500);
    assert.equal(await states(), before);
    assert.doesNotMatch(clocked.log.slice(logged), /is (up|down)/);
    isThere = !isThere;
    await lab.exec('real1', ['ip', 'addr', isThere ? 'add' : 'del', `${VIP4}/32`, 'dev', 'lo']);
    await lab.until('its checks say so', async () => (await states()) === (isThere ? 'up up' : 'down up'));
  }
});

test('a drain waits for its flows and for its deadline, whatever is done to the wall clock', async (context) => {
  const clocked = await Clocked.build(context, 'step-drain');
  const { lab } = clocked;
  await startTalkServers(lab, [7001]);
  lab.configure(
    `interfaces: [${NIC}]\ntimeouts: { finWait: 1, timeWait: 1, close: 1 }\nservices:\n  - { address: ${VIP4}, port: 7001, scheduler: rr, realServers: [${ONE}, ${TWO}] }\n`,
  );
  await clocked.start();
  const talkers = await Talkers.start(lab, [{ address: VIP4, port: 7001, sending: 2, silent: 10 }]);
  const drain = async (...options: string[]): Promise<DrainReport> =>
    JSON.parse(await lab.beeline(['drain', '--no-wait', '--json', ...options, `${VIP4}:7001`, TWO])) as DrainReport;
  await drain('--deadline', '1h');

  for (const [what, step] of [
    ['forward by a day', DAY_MS],
    ['back by a day', -DAY_MS],
  ] as const) {
    await context.test(`set ${what}: the deadline of an hour is not over`, async () => {
      clocked.set(step);
      await clocked.settle();
      assert.doesNotMatch(clocked.log, /drained and removed/);
      await clocked.crash();
      await clocked.start();
      await clocked.settle();
      assert.doesNotMatch(clocked.log, /drained and removed/);
      const { flows, removed, deadline } = await drain('--deadline', '1h');
      assert.deepEqual([flows, removed], [6, false]);
      // It is told by the wall clock of the daemon.
      const minutes = (deadline! - Date.now() - step) / 60_000;
      assert.ok(minutes > 50 && minutes < 61, `${minutes} minutes`);
    });
  }
  await context.test('set back: a deadline that has come ends the drain all the same', async () => {
    await drain('--deadline', '1s');
    clocked.set(-3 * DAY_MS);
    await lab.until('it is removed', () => /drained and removed, \d flows left/.test(clocked.log));
  });
  await talkers.end();

  await context.test('set back: a drain without flows ends', async () => {
    await lab.beeline(['reload']);
    const { realServers } = (await lab.list())[0]!;
    assert.equal(realServers.length, 2);
    const logged = clocked.log.length;
    await lab.beeline(['drain', '--no-wait', `${VIP4}:7001`, ONE]);
    clocked.set(-9 * DAY_MS);
    await lab.until('it is removed', () => clocked.log.slice(logged).includes('drained and removed'));
  });

  await context.test('status says how long the daemon has run', async () => {
    clocked.set(40 * DAY_MS);
    const { uptimeMs } = await lab.status();
    assert.ok(uptimeMs! < DAY_MS, `${uptimeMs!} ms`);
    assert.match(await lab.beeline(['status']), /, up \d+ (s|min)\b/);
  });
});
