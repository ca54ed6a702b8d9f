/** How findings say what was seen. Pure. */

import type { HeardMessage, Outcome } from './facts.js';
import type { Finding } from './finding.js';

/** The most alike findings that are told one by one. */
const FEW = 5;
/** The most names in one line. */
const MOST_NAMES = 20;

/**
 * Of many alike findings, the first one for all of them.
 *
 * @param others what they are about: "real servers"
 * @param nameOf the name of one in the list of the others
 */
export function few(
  findings: readonly Finding[],
  others: string,
  nameOf: (finding: Finding) => string = ({ subject }) => subject,
): Finding[] {
  const groups = new Map<string, Finding[]>();
  for (const each of findings) {
    const key = `${each.check} ${each.severity}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()].flatMap(([first, ...more]) => {
    if (first === undefined || more.length < FEW) {
      return [...(first === undefined ? [] : [first]), ...more];
    }
    const text = `${first.text} (and so with ${more.length} other ${others})`;
    const also = `also ${listOf(more.map(nameOf), MOST_NAMES)}`;
    return [{ ...first, text, evidence: [...first.evidence, also] }];
  });
}

/** "a, b, c and 97 others" */
export function listOf(names: readonly string[], most = 3): string {
  // One that is left takes no more room than to say so.
  const shown = names.length === most + 1 ? names : names.slice(0, most);
  const left = names.length - shown.length;
  return `${shown.join(', ')}${left > 0 ? ` and ${left} others` : ''}`;
}

/** Completes "a ping: ", "a SYN to port 80: ". */
export function outcomeText(outcome: Outcome | undefined): string {
  if (outcome === undefined) {
    return 'not asked';
  }
  switch (outcome.kind) {
    case 'silent':
      return 'no answer';
    case 'icmp':
      return `"${outcome.text}" from ${outcome.from} (${outcome.mac})`;
    case 'answer':
    case 'refused':
      return `${outcome.text} from ${outcome.mac} after ${outcome.ms.toFixed(1)} ms`;
  }
}

/** A message of ARP or neighbour discovery as tcpdump would show it. */
export function frameText(message: HeardMessage): string {
  const { kind, protocol, address, mac, sourceMac, destinationMac, asker, unasked } = message;
  const asks =
    protocol === 'ARP' ? `Request who-has ${address} tell ${asker}` : `solicitation by ${asker}, who has ${address}`;
  const says =
    protocol === 'ARP' ? `Reply ${address} is-at ${mac ?? sourceMac}` : `neighbor advertisement, tgt is ${address}`;
  const text = kind === 'asks' ? asks : `${unasked ? 'unasked ' : ''}${says}`;
  return `${sourceMac} > ${destinationMac}, ${protocol}, ${text}`;
}
