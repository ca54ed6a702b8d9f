/**
 * A kernel with IPVS in user-mode Linux that takes commands on its console, and frames on its card. The card's wire is a
 * UDP socket of this process (L2TPv3), so neither root nor a network namespace is needed.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { CARD, initramfs, requireUml } from '../../src/bench/index.js';
import { BeelineError, type Scheduler } from '../../src/model/index.js';
import { WIRE } from './wire-text.js';

/** The schedulers that Debian's user-mode Linux has as modules. */
const SCHEDULERS = 'rr wrr lc wlc sed nq sh mh dh fo ovf lblc lblcr'.split(' ') as Scheduler[];
const DEVICES = ['macvlan', '8021q', 'bridge', 'dummy'];
const READY = 'beeline: ready';
const ENDED = /\nbeeline: ended (\d+)\n$/;
const TIMEOUT_MS = 60_000;
/** How long what the guest sends may come after its answer to ARP, because another queue is slower. */
const LATER_MS = 5;
/** A data packet of session 1 (RFC 3931, 4.1.2.1). */
const L2TP = Buffer.from([0, 3, 0, 0, 0, 0, 0, 1]);
/** A frame that the guest answers at once, to an address that it must have, and the beginning of the answer. */
const QUESTION = { address: [10, 0, 0, 1], asker: [10, 0, 0, 250] } as const;

export interface Answered {
  readonly output: string;
  readonly status: number;
}

function script(modules: readonly string[], lines: readonly string[]): string {
  return `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mknod /dev/null c 1 3
/bin/busybox stty -F /dev/console -opost -echo
export PATH=/usr/sbin:/bin
for program in cat cut echo grep head httpd mkdir nc printf sed sleep sort; do alias $program="/bin/busybox $program"; done
# The shell would run busybox's own ip, which has fewer commands.
alias ip=/usr/sbin/ip
${modules.map((path) => `/bin/busybox insmod ${path}`).join('\n')}
echo 1 > /proc/sys/kernel/printk
ip link set lo up
${lines.join('\n')}
echo '${READY}'
while read -r line; do eval "$line"; printf '\\nbeeline: ended %s\\n' $?; done
`;
}

export class IpvsGuest implements AsyncDisposable {
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #wire: Socket;
  readonly #port: number;
  readonly #received: Uint8Array[] = [];
  #text = '';

  private constructor(directory: string, child: ChildProcess, wire: Socket, port: number) {
    this.#directory = directory;
    this.#child = child;
    this.#wire = wire;
    this.#port = port;
    child.stdout!.on('data', (text: Buffer) => {
      this.#text += text.toString('latin1').replaceAll('\r', '');
    });
    wire.on('message', (message) => {
      this.#received.push(Uint8Array.from(message.subarray(L2TP.length)));
    });
  }

  /**
   * @param lines shell commands that run before the guest is ready
   * @param programs further programs of this machine
   */
  static async boot(lines: readonly string[] = [], programs: readonly string[] = []): Promise<IpvsGuest> {
    requireUml();
    const directory = mkdtempSync(join(tmpdir(), 'ipvs-guest-'));
    const archive = join(directory, 'initramfs');
    const make = (modules: readonly string[]): string => script(modules, lines);
    writeFileSync(archive, await initramfs(SCHEDULERS, make, ['/etc/services', ...programs], DEVICES));
    const [wire, guests] = [createSocket('udp4'), createSocket('udp4')];
    for (const socket of [wire, guests]) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
    }
    const port = guests.address().port;
    guests.close();
    const ends = `src=127.0.0.1,dst=127.0.0.1,srcport=${port},dstport=${wire.address().port},tx_session=1,rx_session=1`;
    const card = `${CARD}:transport=l2tpv3,udp=1,${ends},mac=${WIRE['director']!},depth=64`;
    const options = [
      `mem=${programs.length === 0 ? 128 : 256}M`,
      `initrd=${archive}`,
      `uml_dir=${directory}`,
      'rdinit=/init',
      'quiet',
      card,
    ];
    const command = ['--pdeathsig', 'KILL', '--', 'linux.uml', ...options, 'con0=fd:0,fd:1', 'con=null', 'ssl=null'];
    const child = spawn('setpriv', command, { stdio: ['pipe', 'pipe', 'ignore'] });
    const guest = new IpvsGuest(directory, child, wire, port);
    await guest.#until('user-mode Linux boots', () => guest.#text.includes(`${READY}\n`));
    return guest;
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS;
    while (!holds()) {
      if (performance.now() > deadline || this.#child.exitCode !== null) {
        throw new BeelineError('LAB', `${what}: not so; its console says ${this.#text.slice(-2000)}`);
      }
      await sleep(1);
    }
  }

  /** Runs a line of shell. Output of the kernel is part of the line's. */
  async run(line: string): Promise<Answered> {
    this.#text = '';
    this.#child.stdin!.write(`${line}\n`);
    await this.#until(line, () => ENDED.test(this.#text));
    return { output: this.#text.replace(ENDED, ''), status: Number(ENDED.exec(this.#text)![1]) };
  }

  /** Sends frames and returns the IP packets that the guest sends until it answers a question that follows them. */
  async send(...frames: readonly Uint8Array[]): Promise<Uint8Array[]> {
    this.#received.length = 0;
    for (const frame of [...frames, question()]) {
      this.#wire.send(Buffer.concat([L2TP, frame]), this.#port, '127.0.0.1');
    }
    await this.#until('the guest answers ARP', () => this.#received.some(isAnswer));
    await sleep(LATER_MS);
    return this.#received.splice(0).filter(isTraffic);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its helper processes would outlive it if it were killed.
    this.#child.stdin!.write('/bin/busybox poweroff -f\n');
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await once(this.#child, 'exit');
    }
    this.#wire.close();
    rmSync(this.#directory, { recursive: true });
  }
}

/** An ARP request for the guest's address. */
function question(): Uint8Array {
  const sender = Buffer.from(WIRE['client']!.replaceAll(':', ''), 'hex');
  const head = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1, ...sender, ...QUESTION.asker, 0, 0, 0, 0, 0, 0, ...QUESTION.address];
  return Uint8Array.from([...new Array<number>(6).fill(0xff), ...sender, ...head, ...new Array<number>(18).fill(0)]);
}

const typeOf = (frame: Uint8Array): number => (frame[12]! << 8) | frame[13]!;

function isAnswer(frame: Uint8Array): boolean {
  return typeOf(frame) === 0x0806 && frame[21] === 2;
}

/** IP packets, without multicast listener reports and neighbour discovery. */
function isTraffic(frame: Uint8Array): boolean {
  const isDiscovery = frame[0] === 0x33 || (frame[20] === 58 && frame[54]! >= 130);
  return [0x0800, 0x8100].includes(typeOf(frame)) || (typeOf(frame) === 0x86dd && !isDiscovery);
}
