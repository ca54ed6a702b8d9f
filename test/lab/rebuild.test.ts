/** Scripts and reloads that remove services and real servers and bring them back end no connection (ADR 21). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { hostNamed, inNamespace, NIC, run, VIP4, VIP6 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';
import { startTalkServers, type Talked, Talkers } from '../support/talkers.js';

const IPVSADM = fileURLToPath(new URL('../../app/ipvsadm/main.js', import.meta.url));
/** Each scheduler with one of the VIPs. */
const SERVICES = [
  { vip: VIP4, port: 7001, scheduler: 'rr' },
  { vip: VIP6, port: 7002, scheduler: 'wlc' },
  { vip: VIP4, port: 7003, scheduler: 'mh' },
  { vip: VIP6, port: 7004, scheduler: 'maglev' },
] as const;
const PORTS = SERVICES.map(({ port }) => port);
/** Connections of each service. */
const COUNTS = { sending: 6, silent: 3 };

function host(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** The commands that make each service. */
const COMMANDS = SERVICES.map(({ vip, port, scheduler }) => ({
  service: `-A -t ${host(vip)}:${port} -s ${scheduler}`,
  servers: (['real1', 'real2'] as const).map((name) => {
    const { ipv4, ipv6 } = hostNamed(name);
    return `-a -t ${host(vip)}:${port} -r ${host(vip === VIP4 ? ipv4 : ipv6)}:${port} -g`;
  }),
}));
const ALL = COMMANDS.flatMap(({ service, servers }) => [service, ...servers]);

test('connections live while scripts rebuild what runs, by IPv4 and IPv6', async (context) => {
  const lab = await TestLab.build(context, 'rebuild');
  const ipvsadm = (line: string, input?: string): Promise<string> => {
    const command = ['env', `BEELINE_INSTANCE=${lab.name}`, process.execPath, IPVSADM, ...line.split(' ')];
    const [file, args] = inNamespace(lab.namespace('director'), command);
    return run(file, args, input === undefined ? {} : { input });
  };
  lab.configure(`interfaces: [${NIC}]\n`);
  await startTalkServers(lab, PORTS);
  await lab.startDirector();
  await ipvsadm('-R', ALL.map((line) => `${line}\n`).join(''));
  await lab.until('all real servers resolve', async () => (await lab.status()).unresolved === 0);

  /** Runs commands while connections go on, and returns those that ended. */
  const endedBy = async (work: () => Promise<unknown>): Promise<Talked[]> => {
    const talks = SERVICES.map(({ vip, port }) => ({ address: vip, port, ...COUNTS }));
    const talkers = await Talkers.start(lab, talks);
    await work();
    return talkers.failures();
  };

  await context.test('a reload that drops all services, and one that brings them back', async () => {
    await lab.beeline(['save']);
    const before = readFileSync(lab.configPath, 'utf8');
    const ended = await endedBy(async () => {
      for (const text of [`interfaces: [${NIC}]\n`, before]) {
        lab.configure(text);
        await lab.beeline(['reload']);
      }
    });
    assert.deepEqual(ended, []);
  });

  for (const [name, work] of [
    [
      '-C and -R of what ran',
      async () => {
        const rules = await ipvsadm('-S -n');
        await ipvsadm('-C');
        await ipvsadm('-R', rules);
      },
    ],
    [
      '-C and the same -A and -a again, one command after another',
      async () => {
        for (const line of ['-C', ...ALL]) {
          await ipvsadm(line);
        }
      },
    ],
    [
      '-d and -a of one real server',
      async () => {
        // Each service's real server at its own time.
        await Promise.all(
          COMMANDS.map(async ({ servers }) => {
            await ipvsadm(servers[0]!.replace('-a', '-d').replace(' -g', ''));
            await ipvsadm(servers[0]!);
          }),
        );
      },
    ],
  ] as const) {
    const ended = await endedBy(work);
    await context.test(`${name}: silent connections`, () => {
      assert.deepEqual(
        ended.filter(({ isSending }) => !isSending),
        [],
      );
    });
    await context.test(`${name}: sending connections`, () => {
      assert.deepEqual(
        ended.filter(({ isSending }) => isSending),
        [],
      );
    });
  }
});
