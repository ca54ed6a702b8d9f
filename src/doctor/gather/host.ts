/** Reads this host's settings, as far as it has them. What is not there is no fact, and no failure. */

import { accessSync, constants, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { dirname } from 'node:path';

import { DEFAULT_INSTANCE, instanceOf } from '../../model/index.js';
import type { DirectorFacts } from '../facts.js';
import type { HostFacts, NeighbourTable, StateDisk } from '../facts-host.js';
import { namesIn, printed, ProgramMissing, textOf } from './programs.js';

/** Those of the host, by their keys under /proc/sys. */
const SYSCTLS = [
  'kernel/bpf_stats_enabled',
  'net/bridge/bridge-nf-call-ip6tables',
  'net/bridge/bridge-nf-call-iptables',
  'net/core/bpf_jit_enable',
  'net/core/bpf_jit_harden',
  'net/ipv4/ip_forward',
  'net/ipv4/ip_local_port_range',
  'net/ipv4/ip_local_reserved_ports',
  ...['ipv4', 'ipv6'].flatMap((family) => [1, 2, 3].map((each) => `net/${family}/neigh/default/gc_thresh${each}`)),
];
/** Those of each interface. */
const OF_INTERFACES = [
  ...['arp_filter', 'arp_ignore', 'rp_filter', 'send_redirects'].map((each) => ['ipv4', each] as const),
  ...['accept_ra', 'disable_ipv6', 'forwarding'].map((each) => ['ipv6', each] as const),
];

/** Whether systemd runs here (sd_booted(3)). */
const SYSTEMD = '/run/systemd/system';
const CPU_FREQUENCIES = '/sys/devices/system/cpu/cpufreq';

export async function gatherHost({ status }: DirectorFacts): Promise<HostFacts> {
  return {
    at: Date.now(),
    kernel: release(),
    node: process.version,
    sysctls: readSysctls(),
    memory: parseMemory(textOf('/proc/meminfo') ?? ''),
    neighbourTables: [
      ...parseNeighbours(4, textOf('/proc/net/stat/arp_cache')),
      ...parseNeighbours(6, textOf('/proc/net/stat/ndisc_cache')),
    ],
    defaultRoutes: {
      4: parseRoutes(textOf('/proc/net/route') ?? ''),
      6: parseIpv6Routes(textOf('/proc/net/ipv6_route') ?? ''),
    },
    stateDisk: readStateDisk(dirname(instanceOf(DEFAULT_INSTANCE).statePath)),
    daemonFiles: status === undefined ? undefined : readDaemonFiles(status.pid),
    isClockSynchronised: await readClock(),
    frequencies: namesIn(CPU_FREQUENCIES)
      .filter((name) => name.startsWith('policy'))
      .map((name) => ({
        driver: textOf(`${CPU_FREQUENCIES}/${name}/scaling_driver`) ?? '',
        governor: textOf(`${CPU_FREQUENCIES}/${name}/scaling_governor`) ?? '',
      })),
  };
}

function readSysctls(): Record<string, string> {
  const ofInterfaces = OF_INTERFACES.flatMap(([family, setting]) =>
    namesIn(`/proc/sys/net/${family}/conf`).map((name) => `net/${family}/conf/${name}/${setting}`),
  );
  return Object.fromEntries(
    [...SYSCTLS, ...ofInterfaces].flatMap((key) => {
      const value = textOf(`/proc/sys/${key}`);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

/** Parses /proc/meminfo. */
export function parseMemory(text: string): HostFacts['memory'] {
  const bytesOf = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1] ?? NaN) * 1024;
  const [availableBytes, totalBytes] = [bytesOf('MemAvailable'), bytesOf('MemTotal')];
  return Number.isNaN(availableBytes) || Number.isNaN(totalBytes) ? undefined : { availableBytes, totalBytes };
}

/** Parses /proc/net/stat/arp_cache: a line a CPU, hexadecimal; the first column is the same in all of them. */
export function parseNeighbours(family: 4 | 6, text: string | undefined): NeighbourTable[] {
  const [head = '', ...rows] = (text ?? '').split('\n').filter(Boolean);
  const column = head.trim().split(/\s+/).indexOf('table_fulls');
  const cells = rows.map((row) => row.trim().split(/\s+/));
  const [first] = cells;
  return first === undefined
    ? []
    : [
        {
          family,
          entries: parseInt(first[0]!, 16),
          refused: column < 0 ? 0 : cells.reduce((sum, row) => sum + parseInt(row[column] ?? '0', 16), 0),
        },
      ];
}

/** Returns the interfaces of default routes, from /proc/net/route. */
export function parseRoutes(text: string): string[] {
  const rows = text.split('\n').map((line) => line.split(/\s+/));
  return [...new Set(rows.filter((row) => row[1] === '00000000' && row[7] === '00000000').map(([name = '']) => name))];
}

/** The same from /proc/net/ipv6_route. Without routes the kernel keeps one to nowhere, by lo. */
export function parseIpv6Routes(text: string): string[] {
  const rows = text.split('\n').map((line) => line.split(/\s+/));
  const found = rows.filter((row) => /^0+$/.test(row[0] ?? '') && row[1] === '00' && row[9] !== 'lo');
  return [...new Set(found.map((row) => row[9]!))];
}

function readStateDisk(wanted: string): StateDisk | undefined {
  for (let path = wanted; ; path = dirname(path)) {
    try {
      const { bavail, bsize, files, ffree } = statfsSync(path);
      return {
        path: wanted,
        freeBytes: bavail * bsize,
        // Some file systems do not count files.
        hasFreeFiles: files === 0 || ffree > 0,
        isReadOnly: isReadOnly(path),
      };
    } catch {
      if (path === dirname(path)) {
        return undefined;
      }
    }
  }
}

function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS';
  }
}

function readDaemonFiles(pid: number): HostFacts['daemonFiles'] {
  const most = /^Max open files\s+(\d+)/m.exec(textOf(`/proc/${pid}/limits`) ?? '')?.[1];
  const open = namesIn(`/proc/${pid}/fd`).length;
  return most === undefined || open === 0 ? undefined : { open, most: Number(most) };
}

/** Only systemd is asked: other hosts tell nobody who is not root's own program. */
async function readClock(): Promise<boolean | undefined> {
  if (namesIn(SYSTEMD).length === 0) {
    return undefined;
  }
  try {
    const answer = await printed('timedatectl', 'show', '--property=NTPSynchronized', '--value');
    return { yes: true, no: false }[answer?.trim() ?? ''];
  } catch (error) {
    if (error instanceof ProgramMissing) {
      return undefined;
    }
    throw error;
  }
}
