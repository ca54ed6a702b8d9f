/**
 * Measures what flow hand-over costs the two daemons: 100,000 idle flows, and 10,000 new ones a second. Needs root.
 *
 *   node dist/test/support/hand-over-cost.js
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Director, hostNamed, NIC, type ProcessIdentity, VIP4 } from '../../src/lab/index.js';
import { flood } from './flood.js';
import { TestLab } from './lab.js';

const IDLE = 100_000;
const NEW_PER_SECOND = 10_000;
const SECONDS = 20;
const DIRECTORS: readonly Director[] = ['director', 'standby'];
/** USER_HZ. */
const TICKS_PER_SECOND = 100;

/** utime and stime of a process, in seconds. */
function cpuSeconds({ pid }: ProcessIdentity): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function measure(handOver: boolean): Promise<void> {
  const lab = new TestLab('hand-cost');
  await lab.down();
  await lab.up(undefined, { pair: true });
  try {
    const daemons: ProcessIdentity[] = [];
    for (const director of DIRECTORS) {
      const [peer] = DIRECTORS.filter((each) => each !== director);
      const own = `listen: ${hostNamed(director).ipv4}, peer: ${hostNamed(peer!).ipv4}, plain: true`;
      const servers = (['real1', 'real2'] as const).map((host) => hostNamed(host).ipv4).join(', ');
      const service = (port: number): string =>
        `  - { address: ${VIP4}, port: ${port}, scheduler: wlc, realServers: [${servers}] }\n`;
      writeFileSync(
        lab.configPathOf(director),
        `interfaces: [${NIC}]\n${handOver ? `flowHandOver: { ${own} }\n` : ''}services:\n${service(80)}${service(81)}`,
      );
      daemons.push(await lab.startDirector([], undefined, director));
    }
    const send = (port: number, clients: number, seconds: number): Promise<number> =>
      flood(lab, { vip: VIP4, ports: [port], pattern: ['S', 'A'], clients, seconds });
    await send(80, IDLE, 10);
    await sleep(8_000);
    const idle = await during(daemons, () => sleep(SECONDS * 1000));
    const busy = await during(daemons, () => send(81, NEW_PER_SECOND * SECONDS, SECONDS));
    const text = (shares: readonly number[]): string =>
      DIRECTORS.map((each, i) => `${each} ${shares[i]!.toFixed(2)} %`).join(', ');
    process.stdout.write(
      `${handOver ? 'with' : 'without'} hand-over: idle ${text(idle)}; ${NEW_PER_SECOND} new flows a second ${text(busy)}\n`,
    );
    if (handOver) {
      process.stdout.write(await lab.beeline(['status'], undefined, 'standby'));
    }
  } finally {
    await lab.down();
  }
}

/** Returns the share of a core that each daemon took, in percent. */
async function during(daemons: readonly ProcessIdentity[], work: () => Promise<unknown>): Promise<number[]> {
  const [before, began] = [daemons.map(cpuSeconds), performance.now()];
  await work();
  const seconds = (performance.now() - began) / 1000;
  return daemons.map((each, i) => (100 * (cpuSeconds(each) - before[i]!)) / seconds);
}

await measure(false);
await measure(true);
