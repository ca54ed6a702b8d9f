/** Another XDP program is where the director's is to be. */

import type { Check } from '../../check.js';

/** libxdp's program, which runs those of several others one after another. */
const DISPATCHER = 'xdp_dispatcher';

export const xdpForeign: Check = {
  name: 'xdp-foreign',
  about: "other programs' XDP on an interface of the director, before it runs",
  reads: ['cards'],
  // Of a director that runs the daemon tells, and has what it could get.
  find: ({ director: { source, model }, cards = [] }) =>
    source !== 'file'
      ? []
      : cards
          .filter(({ name }) => model.interfaces.includes(name))
          .flatMap(({ name, programs }) =>
            programs.map(({ id, name: program, mode }) => ({
              check: 'xdp-foreign',
              severity: 'warning' as const,
              subject: name,
              text: `${name} runs another XDP program: "beeline run" will refuse it`,
              evidence: [`XDP program "${program}", id ${id} (${mode} mode)`],
              why: 'One interface has one XDP program. To take it from the other one ends whatever that does.',
              mend: [
                program === DISPATCHER
                  ? { on: 'director' as const, command: `xdp-loader unload ${name} --all` }
                  : { on: 'director' as const, command: `ip link set dev ${name} xdp off` },
                { on: 'director' as const, command: 'or, if nothing needs that program: beeline run --replace' },
              ],
            })),
          ),
};
