/** Boots an IPVS director in Debian's user-mode Linux, for kernels without IPVS. A tap device is its network card. */

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { run } from '../../lab/index.js';
import { BeelineError, type MacAddress, type Scheduler, ip } from '../../model/index.js';
import { type Contender, REAL_SERVERS } from './contenders.js';
import { cpio, DIRECTORY, EXECUTABLE } from './cpio.js';
import { ipvsCommands } from './ipvs.js';
import { interfaceNamed, stationMac, type Wire } from './wire.js';

const MODULES = '/usr/lib/uml/modules';
/** Files of Debian's packages user-mode-linux, busybox-static, ipvsadm and iproute2. */
const NEEDED = ['/usr/bin/linux.uml', MODULES, '/bin/busybox', '/usr/sbin/ipvsadm', '/usr/sbin/ip'];

const TAP = 'uml-far';
const VIP = ip('10.9.0.105');
const MEMORY = '512M';
const BOOT_TIMEOUT_MS = 30_000;

/** The guest's network card. */
export const CARD = 'vec0';
/** Lines on the guest's console: it is a director, or cannot become one. */
export const READY = 'beeline: ready';
export const FAILED = 'beeline: failed';

/** A director in user-mode Linux. */
export interface Guest {
  /** A directory for its files, which the caller removes. */
  readonly directory: string;
  /** A tap device in the network namespace that the guest is started in. */
  readonly tap: string;
  readonly mac: MacAddress;
  readonly schedulers: readonly Scheduler[];
  /** Commands of ip and ipvsadm that set it up. */
  readonly commands: readonly string[];
  /** Kernel parameters under net/ipv4 to set to 1. */
  readonly parameters?: readonly string[];
  /** Further files of this machine; programs come with their libraries. */
  readonly copies?: readonly string[];
  /** Lines of shell that run at the end, before it is a director. */
  readonly lines?: readonly string[];
}

/** Checks that user-mode Linux is installed. @throws BeelineError `BENCH_FAILED` when a package is missing */
export function requireUml(): void {
  const missing = NEEDED.filter((path) => !existsSync(path));
  if (missing.length > 0) {
    throw new BeelineError('BENCH_FAILED', `IPVS in user-mode Linux needs ${missing.join(', ')}`, {
      hint: 'Install it: scripts/setup --ipvs',
    });
  }
}

/**
 * Boots a guest on this process's CPU as the director of one service.
 *
 * @param directory for its files, which the caller removes
 */
export async function startUml(wire: Wire, directory: string): Promise<Contender> {
  await run('ip', ['tuntap', 'add', 'dev', TAP, 'mode', 'tap']);
  await run('ip', ['link', 'set', TAP, 'up']);
  const far = await interfaceNamed(TAP);
  wire.attach('count', far);
  const commands = ipvsCommands(CARD, VIP, REAL_SERVERS);
  const guest = { directory, tap: TAP, mac: stationMac(0), schedulers: ['wrr'], commands } as const;
  const [file, ...args] = await umlCommand(guest);
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  await booted(child);
  const close = (): void => {
    child.kill('SIGKILL');
  };
  return { director: 'ipvs-uml', far, mac: stationMac(0), vip: VIP, stations: [1, 2], isProcess: true, close };
}

/** Writes a guest's initramfs and returns the command line that boots it. The guest ends with the process that starts it. */
export async function umlCommand(guest: Guest): Promise<string[]> {
  const { directory, tap, mac } = guest;
  const archive = join(directory, 'initramfs');
  writeFileSync(archive, await initramfs(guest.schedulers, (modules) => initScript(guest, modules), guest.copies));
  const options = [
    `mem=${MEMORY}`,
    `initrd=${archive}`,
    `uml_dir=${directory}`,
    'con0=null,fd:1',
    'con=null',
    'ssl=null',
    'rdinit=/init',
    'quiet',
    `${CARD}:transport=tap,ifname=${tap},mac=${mac},depth=128,gro=1`,
  ];
  return ['setpriv', '--pdeathsig', 'KILL', '--', 'linux.uml', ...options];
}

function booted(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why: string): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new BeelineError('BENCH_FAILED', `user-mode Linux ${why}: ${output.trim().slice(-2000)}`));
    };
    const timer = setTimeout(() => {
      fail('does not boot');
    }, BOOT_TIMEOUT_MS);
    const onOutput = (text: Buffer): void => {
      output += text.toString();
      if (output.includes(READY)) {
        clearTimeout(timer);
        resolve();
      } else if (output.includes(FAILED)) {
        fail('cannot be a director');
      }
    };
    child.stdout!.on('data', onOutput);
    child.stderr!.on('data', onOutput);
    child.once('error', (error) => {
      fail(error.message);
    });
    child.once('exit', (status) => {
      fail(`ended with ${String(status)}`);
    });
  });
}

/**
 * Builds a guest's file system: a shell, ip and ipvsadm with their libraries, IPVS's modules, and the script that it runs.
 *
 * @param init returns the script for modules in the order in which they load
 * @param copies further files of this machine; programs come with their libraries
 * @param further modules to load after IPVS's
 */
export async function initramfs(
  schedulers: readonly Scheduler[],
  init: (modules: readonly string[]) => string,
  copies: readonly string[] = [],
  further: readonly string[] = [],
): Promise<Uint8Array> {
  const modules = kernelModules(['ip_vs', ...schedulers.map((name) => `ip_vs_${name}`), ...further]);
  const programs = ['/bin/busybox', '/usr/sbin/ip', '/usr/sbin/ipvsadm'];
  const libraries = new Set((await Promise.all([...programs, ...copies].map(librariesOf))).flat());
  const copied = [...programs, ...libraries, ...modules, ...copies];
  const directories = new Set(['proc', 'sys', 'dev', ...copied.flatMap(parents)]);
  return cpio([
    ...[...directories].sort().map((path) => ({ path, mode: DIRECTORY })),
    ...copied.map((path) => ({ path: path.slice(1), mode: EXECUTABLE, content: readFileSync(path) })),
    { path: 'init', mode: EXECUTABLE, content: Buffer.from(init(modules)) },
  ]);
}

/** "/a/b/c" → "a", "a/b" */
function parents(path: string): string[] {
  const parent = dirname(path);
  return parent === '/' ? [] : [...parents(parent), parent.slice(1)];
}

async function librariesOf(program: string): Promise<string[]> {
  const output = await run('sh', ['-c', 'ldd "$1" 2>&1 || true', 'sh', program]);
  return [...output.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
}

/**
 * Returns modules and those that they depend on, in the order in which they load. modules.dep lists a module's
 * dependencies in the reverse order.
 */
function kernelModules(names: readonly string[]): string[] {
  const folder = join(MODULES, readdirSync(MODULES)[0]!);
  const loadOrders = new Map(
    readFileSync(join(folder, 'modules.dep'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const [module = '', dependencies = ''] = line.split(':');
        return [
          module.slice(module.lastIndexOf('/') + 1),
          [module, ...dependencies.split(' ').filter(Boolean)].reverse(),
        ];
      }),
  );
  const all = names.flatMap((name) => loadOrders.get(`${name}.ko`) ?? []);
  return [...new Set(all)].map((path) => join(folder, path));
}

function initScript({ commands, parameters = [], lines = [] }: Guest, modules: readonly string[]): string {
  return `#!/bin/busybox sh
fail() { echo "${FAILED}: $*"; /bin/busybox sleep 60; }
/bin/busybox mount -t proc proc /proc
${modules.map((path) => `/bin/busybox insmod ${path} || fail ${path}`).join('\n')}
for parameter in conf/all/send_redirects conf/default/send_redirects conf/all/rp_filter conf/default/rp_filter; do
  echo 0 > /proc/sys/net/ipv4/$parameter
done
for parameter in ${['ip_forward', ...parameters].join(' ')}; do
  echo 1 > /proc/sys/net/ipv4/$parameter
done
/usr/sbin/ip link set lo up || fail lo
/usr/sbin/ip link set ${CARD} up || fail ${CARD}
${commands
  // With its path: busybox's shell would run its builtin ip, which has fewer commands.
  .map((command) => `/usr/sbin/${command} || fail ${command}`)
  .join('\n')}
${lines.join('\n')}
echo "${READY}"
while :; do /bin/busybox sleep 3600; done
`;
}
