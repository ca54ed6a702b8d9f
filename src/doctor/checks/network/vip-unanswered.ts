/** VIPs that no packet can reach: this host does not have them, and nobody answers for them. */

import { addressBits, familyOf, type IpAddress, isLinkLocal, vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, NetworkFacts } from '../../facts.js';
import { type Finding, fixBy, type Mend } from '../../finding.js';
import { cameFor } from '../../services.js';
import { isOfVrrp, placesOf, whoIs } from '../../who.js';
import { few } from '../../words.js';
import { vipsWithoutOwner } from '../vrrp/no-owner.js';

export const vipUnanswered: Check = {
  name: 'vip-unanswered',
  about: 'VIPs that are on no interface of this host that is up, that nobody answers for, and that no route leads here',
  reads: ['network', 'probes'],
  find: (facts) => {
    const { network, probes, director } = facts;
    const told = vipsWithoutOwner(facts);
    // Where nobody was asked, the daemon's own warnings are told.
    const isTold = probes === undefined && director.warnings.some(({ code }) => isToldHere(code));
    return network === undefined || isTold
      ? []
      : few(
          vipsOf(facts.director.model).flatMap((vip) => (told.has(vip) ? [] : findingsOf(vip, facts, network))),
          'VIPs',
        );
  },
};

function findingsOf(vip: IpAddress, facts: Facts, network: NetworkFacts): Finding[] {
  if (placesOf(vip, network).length > 0) {
    return [];
  }
  const probes = facts.probes?.vips.filter((each) => each.vip === vip && each.asked > 0) ?? [];
  const macs = new Set(probes.flatMap(({ answers }) => answers.map((each) => each.mac ?? each.sourceMac)));
  const leaks = [...macs].map((mac) => whoIs(mac, facts, vip));
  // Real servers and those who answer for others are none that should have it.
  if (leaks.some(({ kind }) => kind !== 'real server' && kind !== 'proxy')) {
    return [];
  }
  const down = network.addresses.find(({ address }) => address === vip);
  if (down !== undefined) {
    return [ofDown(vip, down.interface, down.prefixLength)];
  }
  const route = network.routes.get(vip);
  // A route for this address alone was made on purpose.
  if (route !== undefined && (route.kind === 'local' || route.prefixLength === addressBits(familyOf(vip)))) {
    return [];
  }
  const way = route?.kind === 'unicast' && route.gateway === undefined ? route.interface : undefined;
  if (way === undefined || isLinkLocal(vip)) {
    return isLinkLocal(vip) || comesAnyway(vip, facts) ? [] : [ofUnrouted(vip, facts)];
  }
  // Only who was asked can be silent.
  return probes.length === 0
    ? []
    : [
        ofMissing(
          vip,
          { way, asked: probes.map((each) => each.interface), leaks: leaks.map(({ text }) => text) },
          facts,
        ),
      ];
}

/** Another director may have it, or packets came: a router sends them here. */
function comesAnyway(vip: IpAddress, { director }: Facts): boolean {
  return cameFor(vip, director).ever > 0 || (director.model.directors ?? []).length > 0;
}

function ofDown(vip: IpAddress, name: string, prefixLength: number): Finding {
  return {
    check: 'vip-unanswered',
    severity: 'error',
    subject: vip,
    text: `the VIP ${vip} is on ${name} alone, which is down`,
    evidence: [`${name} has ${vip}/${prefixLength}, and is down`],
    why: 'This host does not answer for it: clients reach it only if a router sends its packets here.',
    mend: [fixBy('ip', 'link', 'set', name, 'up')],
  };
}

interface Missing {
  /** The interface to whose network the route leads. */
  readonly way: string;
  readonly asked: readonly string[];
  /** Those that answered, and should not. */
  readonly leaks: readonly string[];
}

function ofMissing(vip: IpAddress, { way, asked, leaks }: Missing, { director, probes }: Facts): Finding {
  const { meanwhile } = cameFor(vip, director);
  const questions = familyOf(vip) === 4 ? 'ARP requests' : 'neighbour solicitations';
  const others = leaks.length === 0 ? 'nobody' : 'no other director';
  return {
    check: 'vip-unanswered',
    // By a route to this host, without a question.
    severity: meanwhile > 0 ? 'note' : 'error',
    subject: vip,
    text:
      `the VIP ${vip} is on no interface of this host, and ${others} on ${way} answers for it` +
      (meanwhile > 0 ? '; packets for it come all the same' : ''),
    evidence: [
      leaks.length === 0
        ? `no answer to 2 ${questions} on ${asked.join(', ')}`
        : `2 ${questions} on ${asked.join(', ')}: ${leaks.join(' and ')}`,
      ...(meanwhile > 0 ? [`${meanwhile} packets for it in ${((probes?.ms ?? 0) / 1000).toFixed(1)} s`] : []),
      ...warningOf(vip, director),
    ],
    why:
      meanwhile > 0
        ? 'A router has a route for it to this host, or remembers its MAC; nobody else reaches it.'
        : leaks.length > 0
          ? 'No client reaches it by this director.'
          : 'No client reaches it, unless a router has a route for it to this host.',
    mend: addMends(vip, director),
  };
}

function ofUnrouted(vip: IpAddress, { director, network }: Facts): Finding {
  const gateway = network?.routes.get(vip)?.gateway;
  return {
    check: 'vip-unanswered',
    severity: 'warning',
    subject: vip,
    text: `the VIP ${vip} is on no interface and no network of this host`,
    evidence: [
      gateway === undefined ? 'this host has no route to it' : `the route to it leads to ${gateway}`,
      ...warningOf(vip, director),
    ],
    why: 'Clients reach it only if a router sends its packets here, and then this host must take them.',
    mend: [
      ...addMends(vip, director),
      {
        on: 'router',
        command: `route ${vip}/${addressBits(familyOf(vip))} to this host, unless clients are on the same network`,
      },
    ],
  };
}

/** While keepalived has a VIP, nobody else may add it. */
function addMends(vip: IpAddress, director: Facts['director']): Mend[] {
  return isOfVrrp(vip, director)
    ? [
        {
          on: 'director',
          command: 'beeline status, which tells why keepalived does not have it here, and on the other director',
        },
      ]
    : [fixBy('beeline', 'vip', 'add', vip)];
}

function warningOf(vip: IpAddress, { warnings }: Facts['director']): string[] {
  return warnings.filter((each) => each.vip === vip && isToldHere(each.code)).map(({ code }) => `warning ${code}`);
}

/** Whether a warning of the director's is one that this check and vip-answered-by-others find by themselves. */
export function isToldHere(code: string): boolean {
  return ['VIP_MISSING', 'VIP_UNROUTED', 'VIP_ELSEWHERE'].includes(code);
}
