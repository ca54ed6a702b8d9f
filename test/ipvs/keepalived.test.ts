/** A file of keepalived, imported, beside keepalived itself on a real IPVS with the same file. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { formatConfig } from '../../src/config/index.js';
import { importIpvsadm, importKeepalived } from '../../src/import/index.js';
import { hostNamed, NIC, PAGES } from '../../src/lab/index.js';
import { allServices, type AnyService, type Model, serviceName } from '../../src/model/index.js';
import { flowsTo, REAL_SERVERS, SharedLab, type SharedService } from '../support/ipvs.js';
import { RECORDED_NAMES } from '../support/ipvsadm.js';
import { filesOf, PORTS } from '../support/keepalived.js';
import { allFiles, explainedDifferences } from '../support/keepalived-files.js';
import { KeepalivedGuest } from '../support/keepalived-guest.js';
import { type Row, tableOf } from '../support/service-table.js';

const ID = 'lb2';

/** What keepalived adds at the start: real servers that are up by then, or the sorry server in their place. */
function atStart(service: AnyService): AnyService {
  const { health, destinations } = service;
  if (health === undefined) {
    return service;
  }
  const isUp = ({ health: own = {} }: AnyService['destinations'][number]): boolean =>
    (own.checks ?? health.checks).length === 0 || (own.initially ?? health.initially) !== 'down';
  const up = destinations.filter(isUp);
  const sum = up.reduce((total, { weight }) => total + weight, 0);
  const { quorum: { weight: least, hysteresis = 0 } = { weight: 1 }, fallback = [] } = health;
  const isLost = sum < least + hysteresis && fallback.length > 0;
  const used = isLost ? [] : up;
  const rest = destinations.flatMap((each) => (used.includes(each) ? [] : [{ ...each, weight: 0 }]));
  const sorry = isLost ? fallback.map((address) => ({ address, weight: 1 })) : [];
  return { ...service, destinations: [...used, ...sorry, ...(health.onFailure === 'quiesce' ? rest : [])] };
}

function tableAtStart(model: Model): ReturnType<typeof tableOf> {
  const starting = allServices(model).map(atStart);
  return tableOf({ ...model, services: starting as Model['services'], markServices: [] });
}

/** Settings and weights, in the order of addresses; rules say nothing of thresholds. */
function weightsOf(row: Row | undefined): unknown {
  const flags = (settings: string): string =>
    settings
      .split(/[[\],]/)
      .sort()
      .join();
  return row && [flags(row.settings), ...[...row.weights].map(([address, [weight]]) => [address, weight]).sort()];
}

/** Beeline's only way to forward, whatever keepalived asked for; the report says what becomes of others. */
async function tableOfRules(rules: readonly string[]): Promise<ReturnType<typeof tableOf>> {
  const direct = rules
    // keepalived 2.2.7 asks for this beside a mark of IPv6 in a group.
    .filter((rule) => !rule.includes('--xxx-service'))
    .map((rule) => rule.replace(/ (?:-m|-i)(?= )/, ' -g').replace(/ --tun-[a-z]+(?: (?!-)\S+)?/g, ''));
  const { model } = await importIpvsadm(direct.join('\n'), 'eth0', RECORDED_NAMES);
  return tableOf(model);
}

/** Returns thresholds by service and real server, of real servers that have some: "10.0.0.1:80 10.9.0.1 20 10". */
function thresholdsOf(listing: string): string[] {
  let service = '';
  return listing.split('\n').flatMap((line) => {
    const [first = '', second = '', upper, lower] = line.trim().split(/ +/);
    service = first === 'TCP' || first === 'UDP' ? second : service;
    const address = second.replace(/:[0-9]+$/, '').replace(/^\[|\]$/g, '');
    return first === '->' && Number(upper) > 0 ? [`${service} ${address} ${upper!} ${lower!}`] : [];
  });
}

/** "tcp 10.0.0.1:80" → "10.0.0.1:80" */
function placeOf(service: AnyService): string {
  return serviceName(service).replace(/^[a-z]+ /, '');
}

test('keepalived with the same file asks IPVS for the services that are imported', async () => {
  const files = allFiles();
  await using guest = await KeepalivedGuest.boot(files);
  const { rules, thresholds, log } = await guest.start('all.conf', ID);
  const { model, remarks } = importKeepalived({ paths: ['all.conf'], files: filesOf(files), names: PORTS, id: ID });
  const ours = tableAtStart(model);
  const theirs = await tableOfRules(rules);
  assert.ok(theirs.size > 60, log);
  const names = [...new Set([...theirs.keys(), ...ours.keys()])];
  const differing = names.filter((name) => !isDeepStrictEqual(weightsOf(theirs.get(name)), weightsOf(ours.get(name))));
  // Each difference that must be is explained, by the remark at its line.
  const explained = explainedDifferences();
  const unexplained = differing.filter((name) => {
    const { first, last, text } = explained.get(name) ?? { first: 0, last: 0, text: /^$/ };
    return !remarks.some(
      ({ file, line, text: said }) => file === 'neighbours.conf' && line >= first && line <= last && text.test(said),
    );
  });
  const shown = (table: typeof ours): unknown[] => unexplained.map((name) => [name, weightsOf(table.get(name))]);
  assert.deepEqual(shown(theirs), shown(ours), log);
  assert.deepEqual(differing.filter((name) => explained.has(name)).sort(), [...explained.keys()].sort());
  const onePacket = allServices(model).flatMap((service) => (service.onePacket === true ? [placeOf(service)] : []));
  const isRefused = (name: string): boolean => explained.has(`tcp ${name}`);
  const bounded = allServices(model).flatMap((service) =>
    service.destinations.flatMap(({ address, upperThreshold, lowerThreshold = 0 }) => {
      const name = placeOf(service);
      return upperThreshold === undefined || isRefused(name)
        ? []
        : [`${name} ${address} ${upperThreshold} ${lowerThreshold}`];
    }),
  );
  // One-packet services count no flows, and have no thresholds in Beeline (the report says so).
  const counted = thresholdsOf(thresholds).filter((each) => !onePacket.some((name) => each.startsWith(`${name} `)));
  assert.deepEqual(counted.sort(), bounded.sort());
});

/** All have both real servers; the last two have one more server at real2, which takes over. */
const SERVICES: readonly SharedService[] = [
  { vip: '192.168.1.101', scheduler: 'wrr', weights: [3, 1] },
  { vip: '192.168.1.102', scheduler: 'sh', flags: ['sh-port'], weights: [2, 1] },
  { vip: '192.168.1.103', scheduler: 'wlc', persistence: { timeout: 300, mask: '255.255.240.0' }, weights: [1, 2] },
  { vip: '192.168.1.104', scheduler: 'mh', weights: [3, 1] },
  { vip: '192.168.1.105', scheduler: 'rr', weights: [1, 1] },
];
const SORRY = '192.168.1.33';
const CLIENTS = 20;
const FLOWS = 30;

/** The page's digest is the MD5 of what the web server sends. */
function checkOf(at: number, host: (typeof REAL_SERVERS)[number]): string {
  const digest = createHash('md5').update(`${PAGES[host]!}\n`).digest('hex');
  const program = `/bin/bash -c 'exec </dev/tcp/${hostNamed(host).ipv4}/80'`;
  return [
    `HTTP_GET { url { path /\n digest ${digest}\n status_code 200\n }\n`,
    'TCP_CHECK {\n',
    `MISC_CHECK { misc_path "${program}"\n misc_timeout 3\n`,
  ][at % 3]!;
}

function keepalivedConf(): string {
  return SERVICES.map(({ vip, scheduler, flags = [], persistence, weights }, at) => {
    const policy = [
      ...flags,
      ...(persistence === undefined ? [] : [`persistence_timeout ${persistence.timeout}`]),
      ...(persistence?.mask === undefined ? [] : [`persistence_granularity ${persistence.mask}`]),
      ...(at < SERVICES.length - 2 ? [] : [`quorum ${weights[0] + weights[1]}`, `sorry_server ${SORRY} 80`]),
    ];
    const realServers = REAL_SERVERS.map((host, i) => {
      const check = `${checkOf(at, host)} connect_timeout 2\n retry 1\n delay_before_retry 1\n }`;
      return ` real_server ${hostNamed(host).ipv4} 80 {\n weight ${weights[i]!}\n ${check.replace('{', '{\n')}\n }`;
    });
    const lines = [
      `lvs_sched ${scheduler}`,
      'lvs_method DR',
      'protocol TCP',
      'delay_loop 2',
      ...policy,
      ...realServers,
    ];
    return `virtual_server ${vip} 80 {\n ${lines.join('\n ')}\n}\n`;
  }).join('');
}

type Answers = Readonly<Record<'ipvs' | 'director', readonly string[]>>;

/** Returns who answers flows of each service through either director: "1" and "2", for the real servers. */
async function answersOf(lab: SharedLab, first: number): Promise<Answers> {
  const visits = SERVICES.flatMap((service) => flowsTo(service, CLIENTS, FLOWS, first));
  const by = async (director: 'ipvs' | 'director'): Promise<string[]> => {
    await lab.turnTo(director, SERVICES);
    const answers = await lab.answers({ visits, concurrency: 1, hold: true });
    return SERVICES.map((_, at) =>
      answers
        .slice(at * FLOWS, (at + 1) * FLOWS)
        .map(shortly)
        .join(''),
    );
  };
  return { ipvs: await by('ipvs'), director: await by('director') };
}

function shortly(answer: string): string {
  return answer === PAGES.real1 ? '1' : answer === PAGES.real2 ? '2' : ` ${answer} `;
}

/** Compares what a service's flows got. @param isSame whether both directors must choose the same real servers */
function compare(
  { scheduler, weights }: SharedService,
  ipvs: string,
  director: string,
  expected: string,
  isSame: boolean,
): void {
  const both = `Beeline: ${director}, IPVS: ${ipvs}`;
  assert.deepEqual(
    [ipvs, director].map((each) => [...new Set(each)].sort().join('')),
    [expected, expected],
    both,
  );
  // A turn of rr and wrr begins elsewhere: the checks of the two directors end at other times.
  const turns = scheduler === 'wrr' || scheduler === 'rr' ? weights[0] + weights[1] : 1;
  const shifted = Array.from({ length: turns }, (_, by) => ipvs.slice(by, FLOWS - turns + by));
  assert.ok(!isSame || shifted.includes(director.slice(0, FLOWS - turns)), both);
}

test('flows go where IPVS, driven by keepalived with the same file, sends them, also while a real server is down', async (context) => {
  const keepalived = keepalivedConf();
  const lab = await SharedLab.with(context, 'ipvs', SERVICES, async (bare) => {
    await bare.exec('real2', ['ip', 'addr', 'add', `${SORRY}/24`, 'dev', NIC]);
    const options = {
      paths: ['k.conf'],
      files: filesOf({ 'k.conf': keepalived }),
      names: PORTS,
      id: ID,
      interfaces: [NIC],
    };
    return { configuration: formatConfig(importKeepalived(options).model), rules: [], keepalived };
  });
  const log = (): string => readFileSync(join(lab.directory, 'ipvs.log'), 'utf8');
  /** Waits until both directors know; keepalived says so once for each service. */
  const awaitDown = (count: number, said: string): Promise<void> =>
    lab.until(`${count} are down`, async () => {
      const { stdout } = await lab.run('list', '--checks');
      return stdout.split(' down ').length - 1 === count && log().split(said).length > SERVICES.length;
    });
  const phase = async (
    name: string,
    first: number,
    check: (service: SharedService) => [expected: string, isSame: boolean],
  ): Promise<void> => {
    const answers = await answersOf(lab, first);
    for (const [at, service] of SERVICES.entries()) {
      await context.test(`${service.scheduler}, ${name}`, () => {
        compare(service, answers.ipvs[at]!, answers.director[at]!, ...check(service));
      });
    }
  };
  await awaitDown(0, 'Gained quorum');
  await phase('both up', 0, () => ['12', true]);
  const [, pid] = /pid=(\d+)/.exec(await lab.exec('real1', ['ss', '-Hltnp', 'sport', '=', ':80']))!;
  process.kill(Number(pid), 'SIGKILL');
  await awaitDown(SERVICES.length, 'Removing service [192.168.1.31]');
  await phase('real1 down', 1000, () => ['2', true]);
  await lab.startWebServer('real1', 80, PAGES.real1!);
  await awaitDown(0, 'Adding service [192.168.1.31]');
  // Persistent clients stay. keepalived adds a real server anew, at the other end of IPVS's list, and sh goes by its order.
  await phase('both up again', 2000, ({ scheduler, persistence }) => [
    persistence === undefined ? '12' : '2',
    scheduler !== 'sh',
  ]);
});
