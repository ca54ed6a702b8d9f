/** What the configuration, the network cards and the daemon warn of: the same as in "beeline check" and "beeline status". */

import { isProblem } from '../../model/index.js';
import type { Check } from '../check.js';
import type { Finding } from '../finding.js';
import { isToldHere } from './network/vip-unanswered.js';

export const directorWarnings: Check = {
  name: 'director-warnings',
  about: 'what "beeline check" warns of, and what the daemon says goes wrong',
  find: ({ director: { warnings, status, configPath }, network, probes }) => {
    const known = new Set(warnings.map(({ message, remedy }) => `${message}: ${remedy}`));
    // The checks of VIPs see these by themselves, with the frames.
    const isSeen = network !== undefined && probes !== undefined;
    return [
      ...warnings
        .filter(({ code }) => !isSeen || !isToldHere(code))
        .map((warning): Finding => ({
          check: 'director-warnings',
          severity: isProblem(warning) ? 'error' : 'warning',
          subject: warning.vip ?? warning.realServer ?? warning.service ?? warning.interface ?? 'configuration',
          text: warning.message,
          evidence: [`warning ${warning.code} of ${status === undefined ? configPath : 'the daemon'}`],
          why: `docs/errors.md says what ${warning.code} does to traffic.`,
          mend: [{ on: 'director', command: warning.remedy }],
        })),
      ...(status?.problems ?? [])
        .filter((problem) => !known.has(problem))
        .map((problem): Finding => ({
          check: 'director-warnings',
          severity: 'error',
          subject: 'daemon',
          text: problem,
          evidence: ['"beeline status" says so'],
          why: 'The daemon cannot do all that the configuration asks for.',
          mend: [],
        })),
    ];
  },
};
