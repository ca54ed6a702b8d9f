/** A lab with two directors of the same services, Beeline and the kernel's IPVS, and a client that can use either. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { CARD, FAILED, type Guest, READY, requireUml, umlCommand } from '../../src/bench/index.js';
import { type HostName, hostNamed, isAlive, NIC, type ProcessIdentity, run } from '../../src/lab/index.js';
import {
  BeelineError,
  mac,
  type MacAddress,
  type Scheduler,
  type SchedulerFlag,
  type Tracking,
} from '../../src/model/index.js';
import { KEEPALIVED, STARTED } from './keepalived-guest.js';
import { execute, TestLab } from './lab.js';
import type { Visit, Visits } from './visitor.js';

const VISITOR = fileURLToPath(new URL('./visitor.js', import.meta.url));
const BOOT_TIMEOUT_MS = 60_000;

export const REAL_SERVERS = ['real1', 'real2'] as const;

/** The directors, by the names of their ports at the switch. */
export type Director = 'director' | 'ipvs';

const MACS: Readonly<Record<Director, MacAddress>> = {
  director: hostNamed('director').mac,
  ipvs: mac('00:50:00:00:05:00'),
};
const IPVS_ADDRESS = '192.168.1.22';
/** The network of the client's further addresses. A local route lets the client use each of them. */
const CLIENTS = '10.1.0.0/16';

/** A TCP service on port 80 of a separate VIP, with both real servers. */
export interface SharedService {
  readonly vip: string;
  readonly scheduler: Scheduler;
  readonly flags?: readonly SchedulerFlag[];
  /** Options that only Beeline gets. */
  readonly track?: Tracking;
  readonly persistence?: { readonly timeout: number; readonly mask?: string };
  /** Weights of the real servers, in the order in which they are added. */
  readonly weights: readonly [number, number];
  /** Number of flows that each real server takes. Default: no limit. */
  readonly upperThreshold?: number;
}

/** What each director gets in place of what follows from the services: Beeline a configuration, IPVS commands of ipvsadm. */
export interface Given {
  readonly configuration: string;
  readonly rules: readonly string[];
  /** A configuration of keepalived, which drives IPVS then. */
  readonly keepalived?: string;
}

/** The lab with both directors. It is removed with the test. */
export class SharedLab extends TestLab {
  #guest: ProcessIdentity | undefined;

  /** @param given what the directors get; by default what makes the services */
  static async with(
    context: TestContext,
    name: string,
    services: readonly SharedService[],
    given?: (lab: TestLab) => Promise<Given>,
  ): Promise<SharedLab> {
    requireUml();
    const lab = new SharedLab(`test-${name}`);
    // Remove the leftovers of a test that was killed.
    await lab.down();
    context.after(() => lab.down());
    await lab.up();
    await lab.#addAddresses(services.map(({ vip }) => vip));
    const { configuration, rules, keepalived }: Given = (await given?.(lab)) ?? {
      configuration: JSON.stringify({ interfaces: [NIC], services: services.map(beelineService) }),
      rules: services.flatMap(ipvsRules),
    };
    lab.configure(configuration);
    await lab.startDirector();
    await lab.#startIpvs(services, rules, keepalived);
    return lab;
  }

  override async down(): Promise<boolean> {
    // unshare blocks milder signals.
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

  /** Starts IPVS in user-mode Linux. Its NIC is a tap device at the switch. It ends with the lab. */
  async #startIpvs(
    services: readonly SharedService[],
    rules: readonly string[],
    keepalived: string | undefined,
  ): Promise<void> {
    const ipvs: Director = 'ipvs';
    await run('ip', ['-n', this.namespace('switch'), 'tuntap', 'add', 'dev', ipvs, 'mode', 'tap']);
    await run('ip', ['-n', this.namespace('switch'), 'link', 'set', ipvs, 'up', 'master', 'br0']);
    const command = await umlCommand({
      directory: this.directory,
      tap: ipvs,
      mac: MACS.ipvs,
      schedulers: [...new Set(services.map(({ scheduler }) => scheduler))],
      commands: ipvsCommands(services, rules),
      // Like Beeline, IPVS accepts flows that began elsewhere.
      parameters: ['vs/sloppy_tcp'],
      ...(keepalived !== undefined && keepalivedOf(this.directory, keepalived)),
    });
    // A PID namespace, because its helpers would outlive it and keep the tap device; it ends with the test process.
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

  /** Sends the client's packets for these services to this director, without ARP, because both directors answer it. */
  async turnTo(director: Director, services: readonly SharedService[]): Promise<void> {
    const lines = services.map(({ vip }) => `neigh replace ${vip} lladdr ${MACS[director]} dev ${NIC} nud permanent`);
    await run('ip', ['-n', this.namespace('client'), '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** Returns the answers to visits of the client, in order. */
  async answers(visits: Visits): Promise<string[]> {
    const path = join(this.directory, 'visits.json');
    writeFileSync(path, JSON.stringify(visits));
    const { status, stdout, stderr } = await execute(this, 'client', [process.execPath, VISITOR, path]);
    if (status !== 0) {
      throw new BeelineError('LAB', `the visitor ended with ${String(status)}: ${stderr}`);
    }
    return JSON.parse(stdout) as string[];
  }

  /** Returns the number of established TCP connections of a host. */
  async connections(host: HostName): Promise<number> {
    const lines = await this.exec(host, ['ss', '-Htn', 'state', 'established']);
    return lines.split('\n').filter(Boolean).length;
  }

  /** Returns the number of frames that each director has received. */
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

/** Returns what the guest has and does besides, so that keepalived has made its virtual servers when it is ready. */
function keepalivedOf(directory: string, text: string): Pick<Guest, 'copies' | 'lines'> {
  const path = join(directory, 'keepalived.conf');
  writeFileSync(path, text);
  const busybox = '/bin/busybox';
  return {
    // bash is for checks by a program.
    copies: [KEEPALIVED, '/bin/bash', path],
    lines: [
      `${busybox} mkdir -p /run`,
      `${busybox} mknod /dev/null c 1 3`,
      // keepalived passes executable files over.
      `${busybox} chmod 644 ${path}`,
      `${KEEPALIVED} --check --no_bfd --dont-fork --log-console --no-syslog --use-file=${path} >/log 2>&1 &`,
      `until ${busybox} grep '${STARTED}' /log; do ${busybox} sleep 1; done`,
      `${busybox} tail -n +1 -f /log &`,
    ],
  };
}

/** Returns the commands of ip and ipvsadm that make the services. @param rules arguments of ipvsadm */
function ipvsCommands(services: readonly SharedService[], rules: readonly string[]): string[] {
  return [
    `ip addr add ${IPVS_ADDRESS}/24 dev ${CARD}`,
    `ip route add ${CLIENTS} via ${hostNamed('client').ipv4}`,
    ...services.map(({ vip }) => `ip addr add ${vip}/32 dev ${CARD}`),
    ...rules.map((rule) => `ipvsadm ${rule}`),
  ];
}

function ipvsRules({ vip, scheduler, flags = [], persistence, weights, upperThreshold = 0 }: SharedService): string[] {
  const { timeout, mask = '255.255.255.255' } = persistence ?? {};
  const options = [
    ...(flags.length === 0 ? [] : [` -b ${flags.join()}`]),
    ...(timeout === undefined ? [] : [` -p ${timeout} -M ${mask}`]),
  ].join('');
  return [
    `-A -t ${vip}:80 -s ${scheduler}${options}`,
    ...REAL_SERVERS.map((host, i) => {
      const realServer = `-r ${hostNamed(host).ipv4}:80 -g -w ${weights[i]!} -x ${upperThreshold}`;
      return `-a -t ${vip}:80 ${realServer}`;
    }),
  ];
}

/** Returns distinct flows, numbered from `first` up to 60,000: several from each client. */
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
