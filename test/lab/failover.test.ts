/** Failover in a lab: two directors of one configuration, and real keepalived on both. Times are measured by failover-lab.ts. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { type Director, isAlive, type Lab } from '../../src/lab/index.js';
import { DIRECTORS, Pair, VIPS } from '../support/pair.js';
import type { VipResult } from '../support/vip-watch.js';

/** Far above what is measured (docs/failover.md), and below what a client would take for an outage. */
const PLANNED_GAP_MS = 1_500;
const CABLE_GAP_MS = 3_000;

function requireUnnoticed({ udp, http, downloads }: VipResult, gapMs = PLANNED_GAP_MS): void {
  assert.deepEqual(http.failures, [], 'no request failed');
  assert.deepEqual(downloads.failures, [], 'no download was reset');
  assert.equal(downloads.alive, 6, 'all downloads go on');
  assert.ok(udp.sent > 0 && http.requests > 0);
  assert.ok(udp.longestGapMs < gapMs, `the longest gap was ${udp.longestGapMs} ms`);
}

async function codes(pair: Pair): Promise<string[]> {
  const { warnings = [] } = await pair.status('director');
  return warnings.map(({ code }) => code);
}

test('clients notice nothing of a failover, whatever ends on the master and comes back', async (context) => {
  const events = (director: Director, lab: Lab): string => join(lab.directory, `${director}.events`);
  const pair = await Pair.build(context, 'failover', {
    top: (director, lab) => `health: { hooks: [{ command: [/bin/sh, -c, "cat >>'${events(director, lab)}'"] }] }\n`,
  });

  await context.test("the master's keepalived ends and returns", async () => {
    const away = await pair.during(async () => {
      await pair.stopKeepalived('director');
      await pair.untilOwner('standby');
    });
    requireUnnoticed(away);
    await pair.untilState('director', 'STOP');
    const back = await pair.during(async () => {
      await pair.startKeepalived('director');
      await pair.untilOwner('director');
    });
    requireUnnoticed(back);
    await pair.lab.until('a hook was told, as the log was', () =>
      [events('director', pair.lab), join(pair.lab.directory, 'director.log')]
        .map((path) => (existsSync(path) ? readFileSync(path, 'utf8') : ''))
        .every((text) => /(STOP|keepalived ended)[^]*MASTER/.test(text)),
    );
    const told = readFileSync(events('director', pair.lab), 'utf8');
    assert.match(told, /"vrrp-state"[^]*"VI_51"[^]*"STOP"/);
  });

  await context.test('keepalived is killed: both have the VIP, which status says, and one has it again', async () => {
    const result = await pair.during(async () => {
      await pair.killKeepalived('director');
      await pair.untilState('standby', 'MASTER');
      await pair.untilState('director', 'UNKNOWN');
      assert.deepEqual(await pair.owners(), DIRECTORS);
      const { problems } = await pair.status('director');
      assert.match(problems.join('\n'), /keepalived is gone, and VIP \S+ is on this host still/);
      await pair.startKeepalived('director');
      await pair.untilOwner('director');
    });
    requireUnnoticed(result);
    await pair.lab.becomes([], () => codes(pair));
  });

  await context.test('the daemon is killed: it stays master, and the next daemon knows', async () => {
    const result = await pair.during(async () => {
      await pair.lab.kill(pair.daemon('director'));
      await sleep(1_000);
      assert.deepEqual(await pair.owners(), ['director']);
      await pair.startDaemon('director');
      assert.deepEqual(await pair.owners(), ['director']);
    });
    requireUnnoticed(result);
    await pair.lab.becomes({ state: 'MASTER', may: true, reasons: [] }, async () => {
      const { vrrp } = await pair.status('director');
      return { state: vrrp?.instances[0]?.state, may: vrrp?.mayBeMaster, reasons: vrrp?.reasons };
    });
  });

  await context.test('the daemon is restarted, as an upgrade of the package does: it stays master', async () => {
    const result = await pair.during(async () => {
      await pair.stopDaemon('director');
      assert.deepEqual(await pair.owners(), ['director']);
      await pair.startDaemon('director');
      assert.deepEqual(await pair.owners(), ['director']);
    });
    requireUnnoticed(result);
    await pair.untilState('director', 'MASTER');
  });

  await context.test('the cable is pulled and put in again', async () => {
    const away = await pair.during(async () => {
      await pair.cable('director', false);
      await pair.untilState('standby', 'MASTER');
    });
    requireUnnoticed(away, CABLE_GAP_MS);
    await pair.lab.becomes(false, async () => (await pair.status('director')).vrrp?.mayBeMaster);
    const back = await pair.during(async () => {
      await pair.cable('director', true);
      await pair.untilOwner('director');
    });
    requireUnnoticed(back);
  });

  await context.test('the directors do not hear each other, and then they do', async () => {
    const apart = await pair.during(async () => {
      await pair.advertisements('director', false);
      await pair.untilState('standby', 'MASTER');
      // A master that is one for a moment only may hear the one before it.
      await sleep(2_000);
    });
    requireUnnoticed(apart);
    assert.deepEqual(await pair.owners(), DIRECTORS);
    const together = await pair.during(async () => {
      await pair.advertisements('director', true);
      await pair.untilOwner('director');
    });
    requireUnnoticed(together);
    await pair.lab.becomes(['VRRP_TWO_MASTERS'], () => codes(pair));
  });

  await context.test('another mode: the program leaves the interface while the other director is master', async () => {
    const result = await pair.during(async () => {
      for (const more of ['mode: generic\n', '']) {
        pair.configure('director', more);
        const { status, stderr } = await pair.beeline('director', 'reload');
        assert.equal(status, 0, stderr);
        await pair.untilOwner('director');
      }
    });
    requireUnnoticed(result);
  });
});

test('mastership is given up on purpose: clients notice nothing, and the program leaves last', async (context) => {
  const pair = await Pair.build(context, 'handover');

  await context.test('beeline failover, which a restart of the daemon does not end', async () => {
    const away = await pair.during(async () => {
      const { status, stdout, stderr } = await pair.beeline('director', 'failover');
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^mastership is given up.*\n192\.168\.1\.100 is at 00:50:00:00:05:00\n$/);
      assert.deepEqual(await pair.owners(), ['standby']);
      await pair.lab.kill(pair.daemon('director'));
      await pair.startDaemon('director');
      await sleep(1_000);
      assert.deepEqual(await pair.owners(), ['standby']);
    });
    requireUnnoticed(away);
    const back = await pair.during(async () => {
      assert.equal((await pair.beeline('director', 'failover', '--take')).status, 0);
      await pair.untilOwner('director');
    });
    requireUnnoticed(back);
  });

  await context.test('beeline stop --detach', async () => {
    const away = await pair.during(async () => {
      const { status, stderr } = await pair.beeline('director', 'stop', '--detach');
      assert.equal(status, 0, stderr);
      await pair.untilOwner('standby');
    });
    requireUnnoticed(away);
    const back = await pair.during(async () => {
      await pair.startDaemon('director');
      await pair.untilOwner('director');
    });
    requireUnnoticed(back);
  });

  await context.test('beeline stop --detach without a daemon', async () => {
    const result = await pair.during(async () => {
      await pair.lab.kill(pair.daemon('director'));
      const { status, stderr } = await pair.beeline('director', 'stop', '--detach');
      assert.equal(status, 0, stderr);
      await pair.untilOwner('standby');
      await pair.startDaemon('director');
      await pair.untilOwner('director');
    });
    requireUnnoticed(result);
  });

  await context.test('with nobody to take over it is refused, and nothing changes', async () => {
    await pair.stopKeepalived('standby');
    for (const command of [['failover'], ['stop', '--detach']]) {
      const { status, stderr } = await pair.beeline('director', ...command);
      assert.equal(status, 1);
      assert.match(stderr, /no other director took over.*nobody answer(s|ed) for 192\.168\.1\.100/);
      await pair.untilOwner('director');
    }
    assert.ok(isAlive(pair.daemon('director')));
    for (const [answer, owners] of [
      ['n', ['director']],
      ['y', []],
    ] as const) {
      const terminal = pair.onTerminal('director', 'failover');
      await terminal.until(/No other director took over.* \[y\/N\] /s, 0);
      terminal.type(`${answer}\n`);
      await terminal.ended();
      await pair.lab.until('the answer is done', async () => isDeepStrictEqual(await pair.owners(), owners));
    }
    assert.equal((await pair.beeline('director', 'failover', '--take')).status, 0);
    await pair.untilOwner('director');
    assert.equal((await pair.beeline('director', 'failover', '--force')).status, 0);
    assert.deepEqual(await pair.owners(), []);
    assert.equal((await pair.beeline('director', 'failover', '--take')).status, 0);
    await pair.untilOwner('director');
  });

  await context.test('both come back from a loss of power: one is master, and only once it forwards', async () => {
    for (const director of DIRECTORS) {
      if (director === 'director') {
        await pair.stopKeepalived(director);
      }
      await pair.beeline(director, 'stop', '--detach', '--force');
      for (const suffix of ['forwards', 'vrrp', 'mastership']) {
        rmSync(`/run/beeline/${pair.lab.instance(director)}.${suffix}`, { force: true });
      }
    }
    await Promise.all(DIRECTORS.map((director) => pair.startKeepalived(director)));
    await sleep(1_500);
    assert.deepEqual(await pair.owners(), []);
    await Promise.all(DIRECTORS.map((director) => pair.startDaemon(director)));
    await pair.untilOwner('director');
    requireUnnoticed(await pair.during(() => sleep(1_000)));
    assert.deepEqual(await pair.owners(), ['director']);
  });
});

test('a master without a real server that is up for what is essential gives the VIPs to one that has some', async (context) => {
  const sick = (name: string): string => join('/run', `beeline-failover-${process.pid}-${name}`);
  const check = (name: string): string =>
    `{ type: exec, command: [/usr/bin/test, "!", -e, ${sick(name)}], interval: 0.5 }`;
  context.after(() => {
    DIRECTORS.forEach((each) => {
      rmSync(sick(each), { force: true });
    });
  });
  const pair = await Pair.build(context, 'essential', {
    service: (director) => `, essential: true, health: { checks: [${check(director)}], fall: 1 }`,
  });
  // Until then its clients are refused: half a second, so that a reload moves no VIPs.
  writeFileSync(sick('director'), '');
  await pair.untilOwner('standby');
  requireUnnoticed(await pair.during(() => sleep(500)));
  await pair.untilState('director', 'FAULT');
  const { vrrp } = await pair.status('director');
  assert.match(vrrp!.reasons.join(), /no real server is up, and it is essential/);
  rmSync(sick('director'));
  await pair.untilOwner('director');
});

for (const [variant, options] of [
  ['IPv6', { vip: VIPS.IPv6 }],
  ['unicast', { unicast: true }],
  ['directors that are clients themselves', { hostClients: true }],
  ['a virtual MAC', { vmac: true }],
  ['a virtual MAC, in generic mode', { vmac: true, mode: 'generic' }],
  ['IPv6 with unicast and a virtual MAC', { vip: VIPS.IPv6, unicast: true, vmac: true }],
] as const) {
  test(`clients notice nothing of a failover with ${variant}`, async (context) => {
    const pair = await Pair.build(context, 'variant', options);
    requireUnnoticed(await pair.during(() => thereAndBack(pair)));
    if ('hostClients' in options) {
      for (const director of DIRECTORS) {
        const page = await pair.lab.exec(director, ['curl', '-sS', '--max-time', '3', `http://${pair.vip}/`]);
        assert.match(page, /Real Server/, `${director}, as master or standby, is served`);
      }
    }
  });
}

/** Moves the VIPs to the standby and back, twice. */
async function thereAndBack(pair: Pair): Promise<void> {
  await pair.stopKeepalived('director');
  await pair.untilOwner('standby');
  await pair.startKeepalived('director');
  await pair.untilOwner('director');
  const { status, stderr } = await pair.beeline('director', 'failover');
  assert.equal(status, 0, stderr);
  await pair.untilOwner('standby');
  assert.equal((await pair.beeline('director', 'failover', '--take')).status, 0);
  await pair.untilOwner('director');
}
