/** A director's network for checks: a bridge with real servers behind it, each a process in a network of its own. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { CheckLoop, type CheckJob, type CheckResult, Wire, type WireOptions } from '../../src/health/index.js';
import { ip as address, type IpAddress } from '../../src/model/index.js';
import { ip } from './isolation.js';

const REAL_SERVER = fileURLToPath(new URL('./real-server.js', import.meta.url));

/** The director's interface: a bridge. */
export const NIC = 'testc';

export interface Addresses {
  readonly local: IpAddress;
  readonly vip: IpAddress;
}

export const FAMILIES = {
  IPv4: { local: address('10.1.0.1'), vip: address('10.1.0.100') },
  IPv6: { local: address('fd01::1'), vip: address('fd01::100') },
} as const satisfies Record<string, Addresses>;

export type FamilyName = keyof typeof FAMILIES;

/** Sets kernel parameters of this process's network, or of another process's. */
export function setSysctls(settings: Readonly<Record<string, string>>, pid?: number): void {
  for (const [name, value] of Object.entries(settings)) {
    if (pid === undefined) {
      writeFileSync(`/proc/sys/${name}`, value);
    } else {
      execFileSync('nsenter', ['-t', String(pid), '-n', 'sh', '-c', `echo ${value} > /proc/sys/${name}`]);
    }
  }
}

export class RealServer {
  readonly #process: ChildProcess;
  readonly name: string;
  /** By family. */
  readonly rip: Readonly<Record<FamilyName, IpAddress>>;

  private constructor(process: ChildProcess, number: number) {
    this.#process = process;
    this.name = `real${number}`;
    this.rip = ripsOf(number);
  }

  /** Starts a real server with the VIPs on lo. Its cable is `testc${number}`. */
  static async start(number: number): Promise<RealServer> {
    const { IPv4, IPv6 } = FAMILIES;
    const child = spawn('unshare', ['--net', process.execPath, REAL_SERVER, `real${number}`, IPv4.vip, IPv6.vip], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const server = new RealServer(child, number);
    await server.#says('there');
    const cable = `testc${number}`;
    ip(
      'link',
      'add',
      cable,
      'address',
      `02:00:00:00:00:0${number}`,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      String(child.pid),
    );
    ip('link', 'set', cable, 'master', NIC, 'up');
    // "all", because the requests arrive at the card and the VIP is on lo.
    setSysctls({ 'net/ipv4/conf/all/arp_ignore': '1', 'net/ipv4/conf/all/arp_announce': '2' }, child.pid);
    const { rip } = server;
    child.stdin.write(
      [
        'link set lo up',
        `addr add ${rip.IPv4}/24 dev eth0`,
        `addr add ${rip.IPv6}/64 dev eth0 nodad`,
        `addr add ${IPv4.vip}/32 dev lo`,
        `addr add ${IPv6.vip}/128 dev lo nodad`,
        'link set eth0 up',
      ].join(';') + '\n',
    );
    await server.#says('ready');
    return server;
  }

  async #says(word: string): Promise<void> {
    const [said] = (await Promise.race([
      once(this.#process.stdout!, 'data'),
      once(this.#process, 'close').then(() => ['nothing: it ended']),
    ])) as [Buffer | string];
    if (said.toString().trim() !== word) {
      throw new Error(`${this.name} says ${said.toString()}`);
    }
  }

  /** Runs `ip` in its network. */
  ip(...args: string[]): void {
    execFileSync('nsenter', ['-t', String(this.#process.pid), '-n', 'ip', ...args]);
  }

  set(settings: Readonly<Record<string, string>>): void {
    setSysctls(settings, this.#process.pid);
  }

  /** Takes the VIPs away or gives them back. */
  setVips(action: 'add' | 'del'): void {
    this.ip('addr', action, `${FAMILIES.IPv4.vip}/32`, 'dev', 'lo');
    this.ip('addr', action, `${FAMILIES.IPv6.vip}/128`, 'dev', 'lo', ...(action === 'add' ? ['nodad'] : []));
  }

  async stop(): Promise<void> {
    // The kernel removes it with the network, but some time later: the next file needs its name.
    ip('link', 'delete', `testc${this.name.slice('real'.length)}`);
    this.#process.stdin!.end();
    await once(this.#process, 'close');
  }
}

function ripsOf(number: number): Record<FamilyName, IpAddress> {
  return { IPv4: address(`10.1.0.${30 + number}`), IPv6: address(`fd01::3${number}`) };
}

/** Makes the director's interface. Returns its index. */
export function makeNic(): number {
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', NIC, 'type', 'bridge', 'mcast_snooping', '0');
  setSysctls({ [`net/ipv6/conf/${NIC}/accept_dad`]: '0' });
  ip('addr', 'add', `${FAMILIES.IPv4.local}/24`, 'dev', NIC);
  ip('addr', 'add', `${FAMILIES.IPv6.local}/64`, 'dev', NIC, 'nodad');
  ip('link', 'set', NIC, 'up');
  const [link] = JSON.parse(ip('-j', 'link', 'show', NIC)) as { ifindex: number }[];
  return link!.ifindex;
}

/** Removes it: tests of one run share a network. */
export function removeNic(): void {
  ip('link', 'delete', NIC);
}

/** A loop whose results can be waited for. */
export class Checker implements Disposable {
  readonly #arrived: CheckResult[] = [];
  #wake: () => void = () => undefined;
  readonly wire: Wire | undefined;
  readonly loop: CheckLoop;

  private constructor(make: (onResults: (results: CheckResult[]) => void) => Wire | CheckLoop) {
    const made = make((results) => {
      this.#arrived.push(...results);
      this.#wake();
    });
    this.wire = made instanceof Wire ? made : undefined;
    this.loop = made instanceof Wire ? made.checks : made;
  }

  static async open(ifindexes: readonly number[], options: Omit<WireOptions, 'onResults'> = {}): Promise<Checker> {
    let onResults: (results: CheckResult[]) => void = () => undefined;
    const wire = await Wire.open({
      ...options,
      onResults: (results) => {
        onResults(results);
      },
    });
    for (const { error } of wire.follow(ifindexes)) {
      throw error;
    }
    return new Checker((listener) => {
      onResults = listener;
      return wire;
    });
  }

  /** Without a table: checks go to RIPs alone. */
  static withoutVips(limit?: number): Checker {
    return new Checker((onResults) => new CheckLoop({ onResults, ...(limit !== undefined && { limit }) }));
  }

  /** Waits for so many results, in the order in which they come. */
  async take(count: number): Promise<CheckResult[]> {
    while (this.#arrived.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#arrived.splice(0, count);
  }

  /** How many results wait to be taken. */
  get untaken(): number {
    return this.#arrived.length;
  }

  /** Makes a check once. */
  async check(job: CheckJob): Promise<CheckResult> {
    const number = this.loop.define(job);
    this.loop.start(Uint32Array.of(number));
    const [result] = await this.take(1);
    this.loop.undefine(number);
    return result!;
  }

  [Symbol.dispose](): void {
    (this.wire ?? this.loop).close();
  }
}

/** What a check found, in short: "ok real1 10.1.0.100", "unreachable EHOSTUNREACH". */
export function brief({ outcome, error, bytes, http }: CheckResult): string {
  const text = Buffer.from(http ? bytes.subarray(http.bodyOffset) : bytes).toString('latin1');
  return [outcome, error, text].filter((part) => part !== undefined && part !== '').join(' ');
}
