/**
 * Measures failover in a lab with two directors and real keepalived, and prints a line for each event. By hand, since times are
 * no tests: node dist/test/support/failover-lab.js [--only NAME] [--family IPv6] [--unicast] [--vmac] [--interval SECONDS] [--times N]
 */

import { parseArgs } from 'node:util';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Pair, VIPS } from './pair.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    family: { type: 'string', default: 'IPv4' },
    unicast: { type: 'boolean', default: false },
    vmac: { type: 'boolean', default: false },
    interval: { type: 'string', default: '0.1' },
    times: { type: 'string', default: '1' },
  },
});

/** Each begins and ends with "director" as master. */
const EVENTS: Readonly<Record<string, readonly (readonly [string, (pair: Pair) => Promise<void>])[]>> = {
  'keepalived-sigterm': [
    [
      "SIGTERM of the master's keepalived",
      async (pair) => {
        await pair.stopKeepalived('director');
        await pair.untilOwner('standby');
      },
    ],
    [
      'its return',
      async (pair) => {
        await pair.startKeepalived('director');
        await pair.untilOwner('director');
      },
    ],
  ],
  'keepalived-kill': [
    [
      'kill -9 of keepalived',
      async (pair) => {
        await pair.killKeepalived('director');
        await pair.untilState('standby', 'MASTER');
      },
    ],
    [
      'its return after that',
      async (pair) => {
        await pair.startKeepalived('director');
        await pair.untilOwner('director');
      },
    ],
  ],
  'beeline-kill': [
    [
      'kill -9 of Beeline on the master, and its return',
      async (pair) => {
        await pair.lab.kill(pair.daemon('director'));
        await sleep(1_000);
        await pair.startDaemon('director');
      },
    ],
  ],
  cable: [
    [
      'cable pulled',
      async (pair) => {
        await pair.cable('director', false);
        await pair.untilState('standby', 'MASTER');
      },
    ],
    [
      'cable put in again',
      async (pair) => {
        await pair.cable('director', true);
        await pair.untilOwner('director');
      },
    ],
  ],
  failover: [
    [
      'beeline failover',
      async (pair) => {
        await pair.beeline('director', 'failover');
      },
    ],
    [
      'beeline failover --take',
      async (pair) => {
        await pair.beeline('director', 'failover', '--take');
        await pair.untilOwner('director');
      },
    ],
  ],
  detach: [
    [
      'beeline stop --detach',
      async (pair) => {
        await pair.beeline('director', 'stop', '--detach');
      },
    ],
    [
      'beeline run after that',
      async (pair) => {
        await pair.startDaemon('director');
        await pair.untilOwner('director');
      },
    ],
  ],
  mode: [
    [
      'reload with another mode, and back',
      async (pair) => {
        pair.configure('director', 'mode: generic\n');
        await pair.beeline('director', 'reload');
        await pair.untilOwner('director');
        pair.configure('director');
        await pair.beeline('director', 'reload');
        await pair.untilOwner('director');
      },
    ],
  ],
  split: [
    [
      'advertisements blocked',
      async (pair) => {
        await pair.advertisements('director', false);
        await pair.untilState('standby', 'MASTER');
        await sleep(1_000);
      },
    ],
    [
      'and let through',
      async (pair) => {
        await pair.advertisements('director', true);
        await pair.untilOwner('director');
      },
    ],
  ],
};

const afters: (() => unknown)[] = [];
const context = { after: (each: () => unknown) => afters.unshift(each) } as unknown as TestContext;
const { family, unicast, vmac, interval } = values;
try {
  const vip = VIPS[family as keyof typeof VIPS];
  const pair = await Pair.build(context, 'fail-lab', { vip, unicast, vmac, interval: Number(interval) });
  process.stdout.write('longest gap   lost      http failed  slowest    downloads  event\n');
  for (const [name, steps] of Object.entries(EVENTS)) {
    if (values.only !== undefined && !values.only.split(',').includes(name)) {
      continue;
    }
    for (const [text, work] of Array.from({ length: Number(values.times) }, () => steps).flat()) {
      const { udp, http, downloads } = await pair.during(() => work(pair));
      const failures = [...http.failures, ...downloads.failures];
      process.stdout.write(
        `${`${udp.longestGapMs} ms`.padEnd(14)}${`${udp.lost}/${udp.sent}`.padEnd(10)}` +
          `${`${http.failures.length}/${http.requests}`.padEnd(13)}${`${http.slowestMs} ms`.padEnd(11)}` +
          `${`${downloads.alive}/6`.padEnd(11)}${text}${failures.length === 0 ? '' : `: ${[...new Set(failures)].join(', ')}`}\n`,
      );
    }
  }
} finally {
  for (const each of afters) {
    await each();
  }
}
