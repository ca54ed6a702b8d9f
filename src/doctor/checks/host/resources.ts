/** What the daemon may run out of: files, memory, disk. */

import { DEFAULT_FLOWS, withDefaults } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { StateDisk } from '../../facts-host.js';
import type { Finding } from '../../finding.js';

const MB = 1 << 20;
/** From this part of its files on. */
const NEAR = 0.8;
/** Bytes of a flow (bpf/flow_table.h; docs/errors.md says what tables need), and what the daemon itself needs. */
const FLOW_BYTES = { ipv4: 16, ipv6: 32 } as const;
const DAEMON_BYTES = 128 * MB;
/** Of memory that is left: less, and less than this part, is little. */
const LITTLE_BYTES = 128 * MB;
const LITTLE = 0.05;
const STATE_BYTES = 16 * MB;

export const openFilesFew: Check = {
  name: 'open-files-few',
  about: 'a daemon that is near its limit of open files',
  reads: ['host'],
  find: ({ host, director: { status } }) => {
    const { open, most } = host?.daemonFiles ?? { open: 0, most: Infinity };
    return open < most * NEAR
      ? []
      : [
          {
            check: 'open-files-few',
            severity: 'warning',
            subject: 'daemon',
            text: `the daemon may have ${most} files open, and nearly all of them are`,
            evidence: [`/proc/${status?.pid}/fd: ${open}`, `/proc/${status?.pid}/limits: Max open files ${most}`],
            why: 'Each health check and each connection to the control socket is one. Beyond the limit checks are not made.',
            mend: [
              {
                on: 'director',
                command:
                  'systemctl edit beeline: "[Service]", "LimitNOFILE=65536"; then: systemctl restart beeline (packets go on)',
              },
            ],
          },
        ];
  },
};

export const memoryShort: Check = {
  name: 'memory-short',
  about: 'too little memory for the flow tables, or for the daemon',
  reads: ['host'],
  find: ({ host, director: { model, source } }) => {
    if (host?.memory === undefined) {
      return [];
    }
    const { availableBytes: free, totalBytes: all } = host.memory;
    const flows = withDefaults(DEFAULT_FLOWS, model.flows);
    const tables = flows.ipv4 * FLOW_BYTES.ipv4 + flows.ipv6 * FLOW_BYTES.ipv6;
    const isBefore = source === 'file';
    const needed = isBefore ? tables + DAEMON_BYTES : Math.min(LITTLE_BYTES, all * LITTLE);
    return free >= needed
      ? []
      : [
          {
            check: 'memory-short',
            severity: 'warning',
            subject: 'memory',
            text: isBefore
              ? `"beeline run" needs about ${megabytes(needed)} of memory, and this host has less`
              : 'this host has nearly no memory left',
            evidence: [
              `/proc/meminfo: MemAvailable ${megabytes(free)} of ${megabytes(all)}`,
              ...(isBefore ? [`flow tables: ${flows.ipv4} IPv4 and ${flows.ipv6} IPv6 flows`] : []),
            ],
            why: isBefore
              ? 'It may be refused, or ended by the kernel.'
              : 'The kernel may end the daemon. Packets go on then, without checks and changes until it is back.',
            mend: [
              ...(isBefore ? [{ on: 'configuration' as const, command: 'flows: smaller tables' }] : []),
              { on: 'director', command: 'ps -eo rss,pid,args --sort=-rss | head' },
            ],
          },
        ];
  },
};

export const stateDisk: Check = {
  name: 'state-disk',
  about: 'a disk that cannot keep what must survive a boot',
  reads: ['host'],
  find: ({ host }) => {
    const disk = host?.stateDisk;
    const reason =
      disk === undefined
        ? undefined
        : disk.isReadOnly
          ? 'is read-only'
          : !disk.hasFreeFiles
            ? 'has no room for another file'
            : disk.freeBytes < STATE_BYTES
              ? 'is nearly full'
              : undefined;
    return disk === undefined || reason === undefined ? [] : [findingOf(disk, reason)];
  },
};

function findingOf({ path, freeBytes }: StateDisk, reason: string): Finding {
  return {
    check: 'state-disk',
    severity: 'warning',
    subject: path,
    text: `the disk of ${path} ${reason}`,
    evidence: [`${megabytes(freeBytes)} are free there`],
    why: 'Changes by commands, and real servers that were disabled, are lost at the next boot.',
    mend: [{ on: 'director', command: `df -h ${path}; df -i ${path}` }],
  };
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / MB)} MB`;
}
