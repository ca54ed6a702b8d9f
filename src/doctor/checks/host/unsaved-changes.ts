/** Changes by commands that the configuration file has not had for long. */

import type { Check } from '../../check.js';

const LONG_MS = 24 * 3_600_000;

export const unsavedChanges: Check = {
  name: 'unsaved-changes',
  about: 'changes by commands that nobody saved for more than a day',
  reads: ['host'],
  find: ({ director: { status, configPath }, host }) => {
    const { changes = 0, changedSince } = status ?? {};
    const age = (host?.at ?? NaN) - Date.parse(changedSince ?? '');
    return changes === 0 || !(age > LONG_MS)
      ? []
      : [
          {
            check: 'unsaved-changes',
            severity: 'warning',
            subject: configPath,
            text: `${configPath} lacks ${changes === 1 ? 'a change' : `${changes} changes`} that ${changes === 1 ? 'was' : 'were'} made by commands`,
            evidence: [`the first of them at ${changedSince}`],
            why: 'Who changes the file and reloads it takes them back, and a copy of the file as a backup does not have them.',
            mend: [
              { on: 'director', command: 'beeline diff' },
              { on: 'director', command: 'beeline save' },
            ],
          },
        ];
  },
};
