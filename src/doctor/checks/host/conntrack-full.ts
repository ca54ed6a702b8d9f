/** The table of connection tracking is full, or nearly so. */

import type { Check } from '../../check.js';
import { mendSettings } from './mends.js';

/** From this part on. */
const NEAR = 0.9;
const KEY = 'net/netfilter/nf_conntrack_max';

export const conntrackFull: Check = {
  name: 'conntrack-full',
  about: 'a table of tracked connections that is nearly full',
  reads: ['firewall'],
  find: ({ firewall }) => {
    const { count, most } = firewall?.conntrack ?? { count: 0, most: 0 };
    if (most === 0 || count < most * NEAR) {
      return [];
    }
    return [
      {
        check: 'conntrack-full',
        severity: count >= most ? 'error' : 'warning',
        subject: 'conntrack',
        text: `connection tracking has room for ${most} connections, and ${count >= most ? 'is full' : 'is nearly full'}`,
        evidence: [`/proc/sys/net/netfilter/nf_conntrack_count: ${count}`, `/proc/sys/${KEY}: ${most}`],
        why:
          'When it is full the kernel drops what opens a connection of this host: health checks fail, and SSH. What the ' +
          'director forwards is not tracked: something else fills the table.',
        mend: mendSettings({ [KEY]: most * 4 }),
      },
    ];
  },
};
