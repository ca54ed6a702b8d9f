/** Kernel parameters that make every BPF program slower. */

import type { Check } from '../../check.js';
import type { Severity } from '../../finding.js';
import { fixSettings, mendSettings } from './mends.js';

interface Slow {
  readonly key: string;
  readonly value: string;
  readonly better: string;
  readonly severity: Severity;
  readonly text: string;
  readonly why: string;
  /** Whether it is somebody's protection, not to be taken off without a thought. */
  readonly isWanted?: true;
}

const SLOW: readonly Slow[] = [
  {
    ...{ key: 'net/core/bpf_jit_enable', value: '0', better: '1', severity: 'warning' },
    text: 'the kernel interprets BPF programs instead of compiling them',
    why: 'Each packet costs several times as much. Programs that are loaded after the change are compiled: restart the director.',
  },
  {
    ...{ key: 'net/core/bpf_jit_harden', value: '2', better: '1', severity: 'note', isWanted: true },
    text: "the kernel hides the constants of root's BPF programs, too",
    why: 'Each packet costs more instructions. 1 hides those of unprivileged users alone.',
  },
  {
    ...{ key: 'kernel/bpf_stats_enabled', value: '1', better: '0', severity: 'note' },
    text: 'the kernel measures how long each BPF program runs',
    why: 'Two looks at the clock for each packet cost about as much as the director does. Somebody wanted to measure it once.',
  },
];

export const bpfSlow: Check = {
  name: 'bpf-slow',
  about: 'kernel parameters that make BPF programs slow: no compiler, hardening, statistics',
  reads: ['host'],
  find: ({ host }) =>
    SLOW.filter(({ key, value }) => host?.sysctls[key] === value).map(
      ({ key, value, better, severity, text, why, isWanted }) => ({
        ...{ check: 'bpf-slow', severity, subject: key.replaceAll('/', '.'), text, why },
        evidence: [`/proc/sys/${key}: ${value}`],
        mend: (isWanted === true ? mendSettings : fixSettings)({ [key]: better }),
      }),
    ),
};
