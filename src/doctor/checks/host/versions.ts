/** Versions of what the director stands on. */

import type { Check } from '../../check.js';

/** The first kernel that the director's programs are for; "beeline run" refuses older ones. */
const OLDEST = { major: 6, minor: 1 };

/** When a line of Node.js gets its last fix (https://github.com/nodejs/release). Odd ones end sooner than the even one before. */
const ENDS: Readonly<Record<number, string>> = {
  20: '2026-04-30',
  21: '2024-06-01',
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
};

export const kernelOld: Check = {
  name: 'kernel-old',
  about: 'a kernel that is too old for the director',
  reads: ['host'],
  find: ({ host }) => {
    const [major = 0, minor = 0] = (host?.kernel ?? '').split('.').map((part) => parseInt(part, 10));
    return host === undefined || major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)
      ? []
      : [
          {
            check: 'kernel-old',
            severity: 'error',
            subject: 'kernel',
            text: `the kernel ${host.kernel} is too old: Beeline needs ${OLDEST.major}.${OLDEST.minor}`,
            evidence: [`uname -r: ${host.kernel}`],
            why: '"beeline run" refuses to start.',
            mend: [{ on: 'director', command: 'install a newer kernel: Debian 12 and Ubuntu 24.04 have one' }],
          },
        ];
  },
};

export const nodeOld: Check = {
  name: 'node-old',
  about: 'a line of Node.js that gets no more fixes',
  reads: ['host'],
  find: ({ host }) => {
    const line = Number(/^v(\d+)/.exec(host?.node ?? '')?.[1]);
    const ends = ENDS[line];
    return host === undefined || ends === undefined || host.at < Date.parse(ends)
      ? []
      : [
          {
            check: 'node-old',
            severity: 'note',
            subject: 'Node.js',
            text: `Node.js ${line} has had no fixes from its project since ${ends}`,
            evidence: [`the version in use is ${host.node}`],
            why: 'Forwarding does not depend on it. The daemon, which is root, runs on it: faults that become known stay.',
            mend: [
              { on: 'director', command: `install a line that is kept, then: systemctl restart beeline` },
              { on: 'director', command: 'nothing, if a distribution still sends fixes for its own package' },
            ],
          },
        ];
  },
};
