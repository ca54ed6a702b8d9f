/** A file of ldirectord, imported, beside a real IPVS with the commands that ldirectord itself gives for the same file. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { formatConfig } from '../../src/config/index.js';
import { hostNamed, PAGES } from '../../src/lab/index.js';
import { BeelineError } from '../../src/model/index.js';
import { flowsTo, REAL_SERVERS, SharedLab, type SharedService } from '../support/ipvs.js';
import type { TestLab } from '../support/lab.js';
import { importText } from '../support/ldirectord-files.js';
import { recordIpvsadm } from '../support/ldirectord-lab.js';

const SERVICES: readonly SharedService[] = [
  { vip: '192.168.1.101', scheduler: 'wrr', weights: [3, 1] },
  { vip: '192.168.1.102', scheduler: 'sh', flags: ['sh-port'], weights: [2, 1] },
  { vip: '192.168.1.103', scheduler: 'mh', weights: [3, 1] },
  { vip: '192.168.1.104', scheduler: 'wlc', weights: [1, 2] },
  { vip: '192.168.1.105', scheduler: 'sh', persistence: { timeout: 300, mask: '255.255.240.0' }, weights: [1, 1] },
];
const FLOWS = 60;
const CLIENTS = 20;
const MOST_ATTEMPTS = 4;

type Host = (typeof REAL_SERVERS)[number];

/** @param orders the real servers of each section, in their order */
function fileOf(orders: readonly (readonly Host[])[]): string {
  const sections = SERVICES.map(({ vip, scheduler, flags, persistence, weights }, at) =>
    [
      `virtual=${vip}:80`,
      ...orders[at]!.map((host) => `\treal=${hostNamed(host).ipv4}:80 gate ${weights[REAL_SERVERS.indexOf(host)]!}`),
      `\tscheduler=${scheduler}`,
      ...(flags === undefined ? [] : [`\tschedflags=${flags.join()}`]),
      ...(persistence === undefined ? [] : [`\tpersistent=${persistence.timeout}`]),
      ...(persistence?.mask === undefined ? [] : [`\tnetmask=${persistence.mask}`]),
      '\tchecktype=connect',
    ].join('\n'),
  );
  return `checkinterval=1\nchecktimeout=2\n${sections.join('\n')}\n`;
}

/**
 * Returns a file and ldirectord's commands for it, both with the real servers in the same order. Schedulers depend on it, and
 * ldirectord adds real servers in the order of a hash, or of their checks: the file is written anew until it has the same.
 */
async function inOneOrder(lab: TestLab): Promise<{ text: string; rules: string[] }> {
  const enough = SERVICES.length * (1 + REAL_SERVERS.length);
  let orders: readonly (readonly Host[])[] = SERVICES.map(() => REAL_SERVERS);
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
    const text = fileOf(orders);
    const rules = [...new Set(await recordIpvsadm(lab, text, (all) => new Set(all).size >= enough))];
    const added = SERVICES.map(({ vip }) => {
      const ofService = rules.filter((rule) => rule.startsWith(`-a -t ${vip}:80 `));
      return ofService.map((rule) => REAL_SERVERS.find((host) => rule.includes(` -r ${hostNamed(host).ipv4}:80 `))!);
    });
    if (isDeepStrictEqual(added, orders)) {
      return { text, rules };
    }
    orders = added;
  }
  throw new BeelineError('LAB', 'ldirectord adds no real servers in the order of the file');
}

test('flows go where IPVS, driven by ldirectord with the same file, sends them', async (context) => {
  const lab = await SharedLab.with(context, 'ipvs', SERVICES, async (bare) => {
    const { text, rules } = await inOneOrder(bare);
    return { configuration: formatConfig((await importText(text)).model), rules };
  });
  await lab.until('all checks have passed', async () => !(await lab.run('list', '--checks')).stdout.includes('down'));
  for (const service of SERVICES) {
    await context.test(service.scheduler, async () => {
      const visits = { visits: flowsTo(service, CLIENTS, FLOWS), concurrency: 1, hold: true };
      await lab.turnTo('ipvs', [service]);
      const byIpvs = await lab.answers(visits);
      await lab.turnTo('director', [service]);
      const byBeeline = await lab.answers(visits);
      // The turn of wrr begins elsewhere: its real servers came up one after another.
      const turns = service.scheduler === 'wrr' ? service.weights[0] + service.weights[1] : 1;
      const shifted = Array.from({ length: turns }, (_, by) => byIpvs.slice(by, FLOWS - turns + by));
      const isSame = shifted.some((each) => isDeepStrictEqual(each, byBeeline.slice(0, FLOWS - turns)));
      assert.ok(isSame, `Beeline: ${shortly(byBeeline)}, IPVS: ${shortly(byIpvs)}`);
      assert.equal(new Set(byIpvs).size, REAL_SERVERS.length);
    });
  }
});

/** Returns "1" for each page of the first real server, and "2" for the others. */
function shortly(answers: readonly string[]): string {
  return answers.map((answer) => (answer === PAGES.real1 ? '1' : '2')).join('');
}
