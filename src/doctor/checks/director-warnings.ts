/** What the configuration, the network cards and the daemon warn of: the same as in "beeline check" and "beeline status". */

import { isProblem, type WarningCode, warningText } from '../../model/index.js';
import type { Check } from '../check.js';
import type { Finding } from '../finding.js';
import { isToldHere } from './network/vip-unanswered.js';
import { vrrpTwoOwners } from './vrrp/two-owners.js';

const OF_TWO_OWNERS: readonly WarningCode[] = ['VRRP_TWO_MASTERS', 'VRRP_UNMAINTAINED'];

export const directorWarnings: Check = {
  name: 'director-warnings',
  about: 'what "beeline check" warns of, and what the daemon says goes wrong',
  reads: ['network', 'probes'],
  find: (facts) => {
    const { network, probes } = facts;
    const { warnings, status, configPath } = facts.director;
    // Another check has the evidence.
    const told: readonly WarningCode[] = vrrpTwoOwners.find(facts).length > 0 ? OF_TWO_OWNERS : [];
    const toldOnes = (status?.warnings ?? []).filter(({ code }) => told.includes(code));
    const known = new Set([...warnings, ...toldOnes].map(warningText));
    // The checks of VIPs see these by themselves, with the frames.
    const isSeen = network !== undefined && probes !== undefined;
    return [
      ...warnings
        .filter(({ code }) => !(isSeen && isToldHere(code)) && !told.includes(code))
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
