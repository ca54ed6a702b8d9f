/** Scripts and reloads that remove services and real servers and bring them back end no connection (ADR 21). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

import { hostNamed, inNamespace, NIC, run, VIP4, VIP6 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';
import { serversOf, startTalkServers, Talkers } from '../support/talkers.js';

const IPVSADM = fileURLToPath(new URL('../../src/ipvsadm/main.js', import.meta.url));
const VIPS = [VIP4, VIP6] as const;
const SCHEDULERS = { 7001: 'rr', 7002: 'wlc', 7003: 'mh', 7004: 'maglev' } as const;
const PORTS = Object.keys(SCHEDULERS).map(Number);
/** Of each service. */
const SENDING = 6;
const SILENT = 2;

interface Commands {
  readonly add: string;
  readonly servers: readonly string[];
}

/** The commands that make each service. */
const COMMANDS: readonly Commands[] = VIPS.flatMap((vip) => {
  const host = (address: string): string => (address.includes(':') ? `[${address}]` : address);
  return Object.entries(SCHEDULERS).map(([port, scheduler]) => ({
    add: `-A -t ${host(vip)}:${port} -s ${scheduler}`,
    servers: (['real1', 'real2'] as const).map((name) => {
      const { ipv4, ipv6 } = hostNamed(name);
      return `-a -t ${host(vip)}:${port} -r ${host(vip === VIP4 ? ipv4 : ipv6)}:${port} -g`;
    }),
  }));
});
const ALL = COMMANDS.flatMap(({ add, servers }) => [add, ...servers]);

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

  /** Runs commands while connections go on, and fails if one ends. */
  const living = async (work: () => Promise<unknown>): Promise<void> => {
    const talkers = await Talkers.start(
      lab,
      VIPS.flatMap((address) => PORTS.map((port) => ({ address, port, sending: SENDING, silent: SILENT }))),
    );
    await work();
    await sleep(500);
    assert.deepEqual(await talkers.failures(), []);
  };

  await context.test('-C and the same -A and -a again, one command after another', async () => {
    await living(async () => {
      await ipvsadm('-C');
      for (const line of ALL) {
        await ipvsadm(line);
      }
    });
  });

  await context.test('-C and -R of what ran', async () => {
    await living(async () => {
      const rules = await ipvsadm('-S -n');
      await ipvsadm('-C');
      await ipvsadm('-R', rules);
    });
  });

  await context.test('a reload that drops all services, and one that brings them back', async () => {
    await lab.beeline(['save']);
    await living(async () => {
      const text = readFileSync(lab.configPath, 'utf8');
      lab.configure(`interfaces: [${NIC}]\n`);
      await lab.beeline(['reload']);
      await sleep(300);
      lab.configure(text);
      await lab.beeline(['reload']);
    });
    for (const vip of VIPS) {
      assert.deepEqual(new Set(await serversOf(lab, vip, PORTS[0]!)), new Set(['real1', 'real2']));
    }
  });

  await context.test('-d and -a of one real server', async () => {
    await living(async () => {
      for (const { servers } of COMMANDS) {
        await ipvsadm(servers[0]!.replace('-a', '-d').replace(' -g', ''));
        await ipvsadm(servers[0]!);
      }
    });
  });
});
