/** A lab with two directors of the same services, Beeline and the kernel's IPVS, and a client that may turn to either. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { CARD, FAILED, READY, requireUml, umlCommand } from '../../src/bench/index.js';
import { type HostName, hostNamed, isAlive, NIC, type ProcessIdentity, run } from '../../src/lab/index.js';
import {
  BeelineError,
  type MacAddress,
  type Scheduler,
  type SchedulerFlag,
  type Tracking,
} from '../../src/model/index.js';
import { execute, TestLab } from './lab.js';
import type { Visit, Visits } from './visitor.js';

const VISITOR = fileURLToPath(new URL('./visitor.js', import.meta.url));
const BOOT_TIMEOUT_MS = 60_000;

export const REAL_SERVERS = ['real1', 'real2'] as const;

/** By the names of their ports at the switch. */
export type Director = 'director' | 'ipvs';

const MACS: Readonly<Record<Director, MacAddress>> = {
  director: hostNamed('director').mac,
  ipvs: '00:50:00:00:05:00',
};
const IPVS_ADDRESS = '192.168.1.22';
/** The client's further addresses: it is a router to itself, so that it may use each of them. */
const CLIENTS = '10.1.0.0/16';

/** A TCP service on port 80 of a virtual address of its own, with both real servers. */
export interface SharedService {
  readonly vip: string;
  readonly scheduler: Scheduler;
  readonly flags?: readonly SchedulerFlag[];
  /** Beeline's alone. */
  readonly track?: Tracking;
  readonly persistence?: { readonly timeout: number; readonly mask?: string };
  /** Of the real servers, in the order in which they are added. */
  readonly weights: readonly [number, number];
  /** How many flows each real server takes. Default: all. */
  readonly upperThreshold?: number;
}

/** The lab of both directors. It goes with the test. */
export class SharedLab extends TestLab {
  #guest: ProcessIdentity | undefined;

  static async with(context: TestContext, name: string, services: readonly SharedService[]): Promise<SharedLab> {
    requireUml();
    const lab = new SharedLab(`test-${name}`);
    // What a test that was killed left behind.
    await lab.down();
    context.after(() => lab.down());
    await lab.up();
    await lab.#addAddresses(services.map(({ vip }) => vip));
    lab.configure(JSON.stringify({ interfaces: [NIC], services: services.map(beelineService) }));
    await lab.startDirector();
    await lab.#startIpvs(services);
    return lab;
  }

  override async down(): Promise<boolean> {
    // unshare holds gentler signals back.
    if (this.#guest !== undefined && isAlive(this.#guest)) {
      await this.kill(this.#guest);
    }
    return super.down();
  }

  async #addAddresses(vips: readonly string[]): Promise<void> {
    const ip = (host: HostName, lines: readonly string[]): Promise<string> =>
      run('ip', ['-n', this.namespace(host), '-batch', '-'], { input: `${lines.join('\n')}\n` });
    await ip('client', [`route add local ${CLIENTS} dev lo`]);
    for (const host of ['director', ...REAL_SERVERS] as const) {
      const device = host === 'director' ? NIC : 'lo';
      const addVips = vips.map((vip) => `addr add ${vip}/32 dev ${device}`);
      await ip(host, [...addVips, `route add ${CLIENTS} via ${hostNamed('client').ipv4}`]);
    }
  }

  /** Its card is a tap device at the switch, where its process runs; it ends with the lab. */
  async #startIpvs(services: readonly SharedService[]): Promise<void> {
    const ipvs: Director = 'ipvs';
    await run('ip', ['-n', this.namespace('switch'), 'tuntap', 'add', 'dev', ipvs, 'mode', 'tap']);
    await run('ip', ['-n', this.namespace('switch'), 'link', 'set', ipvs, 'up', 'master', 'br0']);
    const command = await umlCommand({
      directory: this.directory,
      tap: ipvs,
      mac: MACS.ipvs,
      schedulers: [...new Set(services.map(({ scheduler }) => scheduler))],
      commands: ipvsCommands(services),
      // Like Beeline: flows that began elsewhere are taken on.
      parameters: ['vs/sloppy_tcp'],
    });
    // A process namespace, since its helpers would outlive it and keep the tap device; it goes with whoever runs the test.
    const alone = ['setpriv', '--pdeathsig', 'KILL', '--', 'unshare', '--pid', '--mount-proc', '--fork', '--'];
    const guest = this.startProcess('switch', ipvs, [...alone, ...command]);
    this.#guest = guest;
    const log = (): string => readFileSync(join(this.directory, `${ipvs}.log`), 'utf8');
    const isOver = (): boolean => log().includes(FAILED) || !isAlive(guest);
    await this.until('user-mode Linux boots', () => log().includes(READY) || isOver(), BOOT_TIMEOUT_MS);
    if (isOver()) {
      throw new BeelineError('LAB', `user-mode Linux is no director: ${log().trim().slice(-2000)}`);
    }
  }

  /** From now on the client's packets for these services go to this director. No ARP: both answer for the addresses. */
  async turnTo(director: Director, services: readonly SharedService[]): Promise<void> {
    const lines = services.map(({ vip }) => `neigh replace ${vip} lladdr ${MACS[director]} dev ${NIC} nud permanent`);
    await run('ip', ['-n', this.namespace('client'), '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** The answers to some visits of the client, in their order. */
  async answers(visits: Visits): Promise<string[]> {
    const path = join(this.directory, 'visits.json');
    writeFileSync(path, JSON.stringify(visits));
    const { status, stdout, stderr } = await execute(this, 'client', [process.execPath, VISITOR, path]);
    if (status !== 0) {
      throw new BeelineError('LAB', `the visitor ended with ${String(status)}: ${stderr}`);
    }
    return JSON.parse(stdout) as string[];
  }

  /** TCP connections of a host that are established now. */
  async connections(host: HostName): Promise<number> {
    const lines = await this.exec(host, ['ss', '-Htn', 'state', 'established']);
    return lines.split('\n').filter(Boolean).length;
  }

  /** Frames that each director has been sent. */
  async sentTo(): Promise<Readonly<Record<Director, number>>> {
    const links = JSON.parse(await run('ip', ['-n', this.namespace('switch'), '-j', '-s', 'link', 'show'])) as {
      ifname: string;
      stats64: { tx: { packets: number } };
    }[];
    const count = (name: Director): number => links.find(({ ifname }) => ifname === name)!.stats64.tx.packets;
    return { director: count('director'), ipvs: count('ipvs') };
  }
}

function beelineService({ vip, weights, upperThreshold, ...scheduling }: SharedService): unknown {
  const realServers = REAL_SERVERS.map((host, i) => ({
    address: hostNamed(host).ipv4,
    weight: weights[i],
    upperThreshold,
  }));
  return { address: vip, port: 80, ...scheduling, realServers };
}

/** ip's and ipvsadm's. */
function ipvsCommands(services: readonly SharedService[]): string[] {
  return [
    `ip addr add ${IPVS_ADDRESS}/24 dev ${CARD}`,
    `ip route add ${CLIENTS} via ${hostNamed('client').ipv4}`,
    ...services.flatMap(({ vip, scheduler, flags = [], persistence, weights, upperThreshold = 0 }) => {
      const { timeout, mask = '255.255.255.255' } = persistence ?? {};
      const options = [
        ...(flags.length === 0 ? [] : [` -b ${flags.join()}`]),
        ...(timeout === undefined ? [] : [` -p ${timeout} -M ${mask}`]),
      ].join('');
      return [
        `ip addr add ${vip}/32 dev ${CARD}`,
        `ipvsadm -A -t ${vip}:80 -s ${scheduler}${options}`,
        ...REAL_SERVERS.map((host, i) => {
          const realServer = `-r ${hostNamed(host).ipv4}:80 -g -w ${weights[i]!} -x ${upperThreshold}`;
          return `ipvsadm -a -t ${vip}:80 ${realServer}`;
        }),
      ];
    }),
  ];
}

/** Flows by their numbers, from `first` on, up to 60,000: several of each of some clients, never twice the same. */
export function flowsTo({ vip }: SharedService, clients: number, count: number, first = 0): Visit[] {
  return Array.from({ length: count }, (_, i) => {
    const client = (first + i) % clients;
    return {
      client: `10.1.${(client * 7) % 256}.${1 + ((client * 11) % 254)}`,
      clientPort: 1024 + (((first + i) * 7919) % 60_000),
      vip,
    };
  });
}
