/** Interfaces of the director that are not there, are down, or have no cable. */

import type { Model } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, HostLink, NetworkFacts } from '../../facts.js';
import { type Finding, fixBy } from '../../finding.js';
import { listOf } from '../../words.js';

const NAME = 'interface-down';

export const interfaceDown: Check = {
  name: NAME,
  about: "the director's interfaces that are missing, down or without a carrier",
  reads: ['network'],
  find: (facts) => {
    const { director, network } = facts;
    return network === undefined
      ? []
      : brokenInterfaces(director.model, network).map(({ name, link }) =>
          link === undefined ? ofMissing(name, facts, network) : ofDown(link, network),
        );
  },
};

/** Returns the interfaces that carry nothing: other checks need not tell what follows from that. */
export function brokenInterfaces(
  { interfaces }: Model,
  { links }: NetworkFacts,
): { readonly name: string; readonly link: HostLink | undefined }[] {
  return interfaces.flatMap((name) => {
    const link = links.find((each) => each.name === name);
    return link?.up === true && link.carrier ? [] : [{ name, link }];
  });
}

function ofMissing(name: string, { director: { model } }: Facts, { links, routes }: NetworkFacts): Finding {
  const here = links.flatMap((link) => (link.name === 'lo' ? [] : [link.name]));
  const ways = [...routes.values()].flatMap((route) =>
    route.kind === 'unicast' && route.gateway === undefined && here.includes(route.interface) ? [route.interface] : [],
  );
  const wanted = [...new Set([...model.interfaces.filter((each) => here.includes(each)), ...ways])];
  return {
    check: NAME,
    severity: 'error',
    subject: name,
    text: `the director's interface ${name} does not exist`,
    evidence: [`ip link: ${here.length === 0 ? 'lo alone' : listOf(here, 8)}`],
    why: '"beeline run" refuses to start; of a director that runs, nothing comes in and goes out there.',
    mend: [
      {
        on: 'configuration',
        command: `interfaces: [${wanted.length === 0 ? 'NAME' : wanted.join(', ')}], ${wanted.length === 0 ? 'one that there is' : 'which leads to the real servers'}`,
      },
    ],
  };
}

function ofDown({ name, up }: HostLink, { links }: NetworkFacts): Finding {
  const bond = links.find(({ kind, leaves = [] }) => (kind === 'bond' || kind === 'team') && leaves.includes(name));
  const others = links.filter((each) => each.name !== name && bond?.leaves?.includes(each.name) === true);
  const goesOn = others.some((each) => each.up && each.carrier);
  return {
    check: NAME,
    severity: goesOn ? 'warning' : 'error',
    subject: name,
    text: `the director's interface ${name} ${up ? 'has no carrier' : 'is down'}`,
    evidence: [`ip link show ${name}: ${up ? 'UP, NO-CARRIER' : 'not UP'}`],
    why: goesOn
      ? `The other members of ${bond?.name} have to carry everything.`
      : 'Nothing comes in and goes out there: neither clients nor real servers are reached by it.',
    mend: up
      ? [{ on: 'director', command: `look at the cable and the switch port: ethtool ${name}` }]
      : [fixBy('ip', 'link', 'set', name, 'up')],
  };
}
