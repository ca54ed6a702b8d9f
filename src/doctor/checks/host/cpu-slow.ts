/** CPUs that always run at their lowest frequency. */

import type { Check } from '../../check.js';

/** With these drivers "powersave" is the usual setting: the CPU itself goes faster when there is work. */
const SCALES_ITSELF = /^(intel_pstate|amd-pstate-epp)$/;

export const cpuSlow: Check = {
  name: 'cpu-slow',
  about: 'CPUs that are kept at their lowest frequency',
  reads: ['host'],
  find: ({ host }) => {
    const slow = (host?.frequencies ?? []).filter(
      ({ driver, governor }) => governor === 'powersave' && driver !== '' && !SCALES_ITSELF.test(driver),
    );
    return slow.length === 0
      ? []
      : [
          {
            check: 'cpu-slow',
            severity: 'note',
            subject: 'CPU',
            text: 'CPUs of this host are kept at their lowest frequency',
            evidence: [`the governor of ${slow.length} groups of CPUs is powersave, under ${slow[0]!.driver}`],
            why: 'Each packet takes longer, and so fewer fit into a second.',
            mend: [
              {
                on: 'director',
                command:
                  'for f in /sys/devices/system/cpu/cpufreq/policy*/scaling_governor; do echo performance >$f; done',
              },
            ],
          },
        ];
  },
};
