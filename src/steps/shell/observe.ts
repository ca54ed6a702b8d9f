/** Asks the host for the facts that plans and checks need. */

import { type Facts, parseAddresses, parseNft, parseRules } from '../facts.js';
import type { Record_ } from '../record.js';
import type { RuleStep, Step } from '../step.js';
import type { MachineToLookAt } from './host.js';

const TOOLS = ['arptables', 'iptables', 'ip6tables'] as const;

const LISTINGS: Readonly<Record<RuleStep['tool'], readonly [string, ...string[]]>> = {
  arptables: ['arptables-save'],
  iptables: ['iptables', '-t', 'nat', '-S', 'PREROUTING'],
  ip6tables: ['ip6tables', '-t', 'nat', '-S', 'PREROUTING'],
};

/**
 * Returns the facts for these steps, and for those of the record. What a step needs must be there: without the listing,
 * it would seem to be gone.
 *
 * @param all whether to ask every program that is there, for a check: else only those that the steps need, since a listing
 *   may load modules of the kernel
 * @throws BeelineError `HOST_FAILED`, `HOST_TOOL`
 */
export async function observe(
  host: MachineToLookAt,
  steps: readonly Step[],
  record: Record_<unknown>,
  all = false,
): Promise<Facts> {
  const every = [...steps, ...record.entries.map(({ step }) => step)];
  const list = (isNeeded: boolean, [file, ...args]: readonly [string, ...string[]]): Promise<string | undefined> =>
    isNeeded ? host.run({ file, args }) : all ? host.listing(file, ...args) : Promise.resolve(undefined);
  const [addresses, nft, ...rules] = await Promise.all([
    host.run({ file: 'ip', args: ['-j', 'address', 'show'] }),
    list(every.some(({ kind }) => kind === 'nft') && !all, ['nft', '-j', 'list', 'ruleset']),
    ...TOOLS.map((tool) =>
      list(every.some((step) => step.kind === 'rule' && step.tool === tool) && !all, LISTINGS[tool]),
    ),
  ]);
  return {
    ...parseAddresses(addresses),
    ...parseNft(nft ?? ''),
    rules: {
      arptables: parseRules(rules[0] ?? ''),
      iptables: parseRules(rules[1] ?? ''),
      ip6tables: parseRules(rules[2] ?? ''),
    },
    sysctls: sysctlsOf(host, every),
    files: Object.fromEntries(
      every.flatMap((step) => ('path' in step ? [[step.path, host.read(step.path)] as const] : [])),
    ),
  };
}

function sysctlsOf(host: MachineToLookAt, steps: readonly Step[]): Record<string, string> {
  const keys = steps.flatMap((step) => (step.kind === 'sysctl' ? [step.key] : []));
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = host.sysctl(key);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}
