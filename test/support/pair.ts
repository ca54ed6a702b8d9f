/** A lab with two directors of one configuration, and keepalived on both. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import type { StatusReport } from '../../src/control/index.js';
import {
  type Director,
  hostNamed,
  inNamespace,
  isAlive,
  NIC,
  type ProcessIdentity,
  VIP4,
  VIP6,
} from '../../src/lab/index.js';
import { ip, type IpAddress } from '../../src/model/index.js';
import { collect, TestLab } from './lab.js';
import { Terminal } from './terminal.js';
import type { VipResult } from './vip-watch.js';

const WATCH = fileURLToPath(new URL('./vip-watch.js', import.meta.url));
const UDP = fileURLToPath(new URL('./udp.js', import.meta.url));
const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const PROBE_PORT = 9000;

export const DIRECTORS: readonly Director[] = ['director', 'standby'];
const THREE: readonly Director[] = [...DIRECTORS, 'third'];
const PRIORITIES: Readonly<Record<Director, number>> = { director: 250, standby: 240, third: 230 };

export interface PairOptions {
  readonly vip?: IpAddress;
  /** Seconds between advertisements. */
  readonly interval?: number;
  readonly unicast?: boolean;
  readonly vmac?: boolean;
  readonly mode?: 'generic';
  readonly preempt?: boolean;
  /** The directors' own programs are clients too. */
  readonly hostClients?: boolean;
  /** More of the service by HTTP, as YAML's flow style. */
  readonly service?: (director: Director) => string;
  /** More services, each as YAML's flow style without address and real servers. */
  readonly services?: readonly string[];
  /** More lines at the top of the file. */
  readonly top?: (director: Director, lab: TestLab) => string;
  /** A third director. All three have one file, which tells them apart by the names of their hosts: those of the lab. */
  readonly third?: boolean;
}

export class Pair {
  readonly lab: TestLab;
  readonly vip: IpAddress;
  readonly directors: readonly Director[];
  readonly #options: PairOptions;
  readonly #daemons = new Map<Director, ProcessIdentity>();
  readonly #keepaliveds = new Map<Director, ProcessIdentity>();

  private constructor(lab: TestLab, options: PairOptions) {
    this.lab = lab;
    this.#options = options;
    this.vip = options.vip ?? VIP4;
    this.directors = options.third === true ? THREE : DIRECTORS;
  }

  /** Builds the lab, starts both daemons and both keepalived, and waits until "director" is master. */
  static async build(context: TestContext, name: string, options: PairOptions = {}): Promise<Pair> {
    const lab = await TestLab.build(context, name, { pair: true, third: options.third === true });
    const pair = new Pair(lab, options);
    context.after(() => pair.#end());
    for (const host of ['real1', 'real2'] as const) {
      const ready = join(lab.directory, `udp-${host}.ready`);
      const serve = ['serve', pair.vip, String(PROBE_PORT), host, '0', ready];
      lab.startProcess(host, `udp-${host}`, [process.execPath, UDP, ...serve]);
      await lab.until('the UDP server listens', () => existsSync(ready));
    }
    for (const director of pair.directors) {
      pair.configure(director);
      await pair.startDaemon(director);
    }
    for (const director of pair.directors) {
      await pair.startKeepalived(director);
    }
    await pair.untilState('director', 'MASTER');
    for (const director of pair.directors.slice(1)) {
      await pair.untilState(director, 'BACKUP');
    }
    return pair;
  }

  /** Writes a director's configuration. @param more lines before "vrrp" */
  configure(director: Director, more = ''): void {
    writeFileSync(this.lab.configPathOf(director), this.#configuration(director, more));
  }

  #configuration(director: Director, more: string): string {
    const {
      interval = 0.1,
      unicast = false,
      vmac = false,
      preempt = true,
      hostClients = false,
      mode,
      service = () => '',
      services = [],
      top = () => '',
      third = false,
    } = this.#options;
    const family = this.vip.includes(':') ? 'ipv6' : 'ipv4';
    const realServers = (['real1', 'real2'] as const).map((host) => `"${hostNamed(host)[family]}"`).join(', ');
    const address = `address: "${this.vip}", realServers: [${realServers}]`;
    const othersOf = (one: Director): string =>
      this.directors
        .filter((each) => each !== one)
        .map((each) => `"${hostNamed(each)[family]}"`)
        .join(', ');
    const apart = this.directors.map(
      (each) => `  ${each}: { priority: ${PRIORITIES[each]}, directors: [${othersOf(each)}] }\n`,
    );
    const instance = [
      `interface: ${NIC}, id: 51, interval: ${interval}`,
      ...(third ? [] : [`priority: ${PRIORITIES[director]}`]),
      ...(unicast ? [`peers: [${othersOf(director)}], source: "${hostNamed(director)[family]}"`] : []),
      ...(vmac ? ['vmac: true'] : []),
      ...(preempt ? [] : ['preempt: false']),
    ].join(', ');
    return `interfaces: [${NIC}]
${third ? `hosts:\n${apart.join('')}` : `directors: [${othersOf(director)}]\n`}${hostClients ? 'hostClients: true\n' : ''}${mode === undefined ? '' : `mode: ${mode}\n`}${top(director, this.lab)}${more}vrrp:
  instances: [{ ${instance} }]
services:
  - { ${address}, port: 80${service(director)} }
  - { ${address}, port: ${PROBE_PORT}, protocol: udp }
${services.map((each) => `  - { ${address}, ${each} }\n`).join('')}`;
  }

  async startDaemon(director: Director): Promise<void> {
    if (this.#options.third !== true) {
      this.#daemons.set(director, await this.lab.startDirector([], undefined, director));
      return;
    }
    const command = this.#command(director, 'run', this.lab.configPathOf(director));
    this.#daemons.set(director, this.lab.startProcess(director, director, command));
    await this.lab.until('the daemon answers', () => this.lab.ask('status', {}, director).then(yes, no));
  }

  /** Ends the daemon as the service manager does, and waits until it is gone. */
  async stopDaemon(director: Director): Promise<void> {
    const identity = this.daemon(director);
    process.kill(identity.pid, 'SIGTERM');
    await this.lab.until('the daemon ended', () => !isAlive(identity));
  }

  daemon(director: Director): ProcessIdentity {
    return this.#daemons.get(director)!;
  }

  /** With the configuration that Beeline writes. */
  async startKeepalived(director: Director): Promise<void> {
    const { lab } = this;
    const config = join(lab.directory, `keepalived-${director}.conf`);
    const wrote = await this.beeline(director, 'keepalived', 'write', '--output', config, lab.configPathOf(director));
    assert.equal(wrote.status, 0, wrote.stderr);
    const files = ['-f', config, '-p', this.#pidFile(director, 'parent'), '-r', this.#pidFile(director, 'vrrp')];
    const command = ['keepalived', '--dont-fork', '--log-console', '--log-detail', '--vrrp', ...files];
    this.#keepaliveds.set(director, lab.startProcess(director, `keepalived-${director}`, command));
  }

  #pidFile(director: Director, which: string): string {
    return join(this.lab.directory, `keepalived-${director}-${which}.pid`);
  }

  /** What a director's keepalived wrote since the lab was built. */
  keepalivedLog(director: Director): string {
    return readFileSync(join(this.lab.directory, `keepalived-${director}.log`), 'utf8');
  }

  async stopKeepalived(director: Director): Promise<void> {
    const identity = this.#keepaliveds.get(director)!;
    process.kill(identity.pid, 'SIGTERM');
    await this.lab.until('keepalived ended', () => !isAlive(identity));
  }

  /** Neither may see the other end: the parent would start another child, and the child would take its addresses away. */
  async killKeepalived(director: Director): Promise<void> {
    const identity = this.#keepaliveds.get(director)!;
    const child = Number(readFileSync(this.#pidFile(director, 'vrrp'), 'utf8'));
    process.kill(identity.pid, 'SIGSTOP');
    process.kill(child, 'SIGKILL');
    process.kill(identity.pid, 'SIGKILL');
    await this.lab.until('keepalived is gone', () => !isAlive(identity));
    ['parent', 'vrrp'].forEach((which) => {
      rmSync(this.#pidFile(director, which), { force: true });
    });
  }

  /** Pulls a director's cable at the switch, or puts it in. */
  async cable(director: Director, isIn: boolean): Promise<void> {
    await this.lab.exec('switch', ['ip', 'link', 'set', director, isIn ? 'up' : 'down']);
  }

  /**
   * Keeps advertisements from and to a director, or lets them through again: first those to it, then those from it. The
   * other director gives up with one last advertisement as soon as it hears this one, which nothing else tells of it.
   */
  async advertisements(director: Director, pass: boolean): Promise<void> {
    const chain = (hook: string): string =>
      `chain ${hook} { type filter hook ${hook} device ${director} priority 0; policy accept; ` +
      'ip protocol 112 drop; ip6 nexthdr 112 drop\n}\n';
    const table = `netdev lab_${director}`;
    const changes = pass
      ? [`delete chain ${table} egress`, `delete table ${table}`]
      : [`table ${table} {\n${chain('ingress')}${chain('egress')}}`];
    for (const change of changes) {
      await this.lab.exec('switch', ['nft', `${change}\n`]);
    }
  }

  status(director: Director): Promise<StatusReport> {
    return this.lab.status(director);
  }

  /** Runs `beeline ARGS` for a director to its end, also if it fails. */
  beeline(director: Director, ...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
    const [file, argv] = inNamespace(this.lab.namespace(director), this.#command(director, ...args));
    return collect(file, argv);
  }

  /** Runs it as somebody does who can answer. */
  onTerminal(director: Director, ...args: string[]): Terminal {
    const [file, argv] = inNamespace(this.lab.namespace(director), this.#command(director, ...args));
    return new Terminal([file, ...argv].map((word) => `'${word}'`).join(' '));
  }

  /** The command line of Beeline on a director. Of three each has the name of its host, and all other things of this host. */
  #command(director: Director, ...args: string[]): string[] {
    const script = 'hostname "$1" && shift && exec "$@"';
    return [
      ...(this.#options.third === true ? ['unshare', '--uts', 'sh', '-c', script, 'sh', director] : []),
      ...[process.execPath, BEELINE, '--instance', this.lab.instance(director)],
      ...args,
    ];
  }

  async hasVip(director: Director): Promise<boolean> {
    const list = await this.lab.exec(director, ['ip', '-o', 'addr', 'show', 'to', this.vip]);
    return list.includes(this.vip);
  }

  /** The directors that have the VIP. */
  async owners(): Promise<Director[]> {
    const has = await Promise.all(this.directors.map((director) => this.hasVip(director)));
    return this.directors.filter((_, i) => has[i]);
  }

  async untilState(director: Director, state: string): Promise<void> {
    await this.lab.until(`${director} is ${state}`, async () => {
      const { vrrp } = await this.status(director);
      return vrrp?.instances[0]?.state === state;
    });
  }

  /** Waits until exactly this director has the VIP. */
  async untilOwner(director: Director): Promise<void> {
    await this.lab.until(`${director} alone has the VIP`, async () => {
      const owners = await this.owners();
      return owners.length === 1 && owners[0] === director;
    });
  }

  /** Watches the VIP from the client while something happens, and a moment longer. */
  async during(work: () => Promise<void>, settleMs = 3_000): Promise<VipResult> {
    const ready = join(this.lab.directory, 'watch.ready');
    rmSync(ready, { force: true });
    const [file, args] = inNamespace(this.lab.namespace('client'), [
      ...[process.execPath, WATCH, this.vip, String(PROBE_PORT), ready],
    ]);
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.on('data', (text: Buffer) => {
      stdout += text.toString();
    });
    const closed = once(child, 'close');
    try {
      await this.lab.until('six downloads run', () => existsSync(ready) || child.exitCode !== null);
      await work();
      await sleep(settleMs);
    } finally {
      child.kill('SIGTERM');
      await closed;
    }
    return JSON.parse(stdout) as VipResult;
  }

  /** keepalived would not end before the lab's folder, with its files, is gone. */
  async #end(): Promise<void> {
    for (const identity of this.#keepaliveds.values()) {
      if (isAlive(identity)) {
        process.kill(identity.pid, 'SIGTERM');
        await this.lab.until('keepalived ended', () => !isAlive(identity), 5_000);
      }
    }
  }
}

const yes = (): boolean => true;
const no = (): boolean => false;

export const VIPS = { IPv4: VIP4, IPv6: ip(VIP6) } as const;
