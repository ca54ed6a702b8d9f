/** The wall clock follows no other. */

import type { Check } from '../../check.js';

export const clockFree: Check = {
  name: 'clock-free',
  about: 'a clock that follows no server of time',
  reads: ['host'],
  find: ({ host }) =>
    host?.isClockSynchronised !== false
      ? []
      : [
          {
            check: 'clock-free',
            severity: 'note',
            subject: 'clock',
            text: 'the clock of this host follows no server of time',
            evidence: ['"timedatectl show --property=NTPSynchronized" says no'],
            why: 'The times in logs of two directors do not agree, and checks by TLS take certificates for expired or not valid yet.',
            mend: [
              { on: 'director', command: 'timedatectl set-ntp true' },
              { on: 'director', command: 'or: apt-get install systemd-timesyncd' },
            ],
          },
        ],
};
