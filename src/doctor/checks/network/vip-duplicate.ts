/** A VIP that this host has, and another host that is no real server as well. */

import type { IpAddress } from '../../../model/index.js';
import { vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, HeardMessage, HostAddress } from '../../facts.js';
import type { Finding, Mend } from '../../finding.js';
import { announceAgain, isOfVrrp, placesOf, type Who, whoIs } from '../../who.js';
import { few, frameText } from '../../words.js';
import { vipsOfTwoOwners } from '../vrrp/two-owners.js';
import { addAnew } from './mends.js';
import { quietRealServer } from './vip-answered-by-others.js';

export const vipDuplicate: Check = {
  name: 'vip-duplicate',
  about:
    'VIPs that this host and another one have at the same time, and IPv6 VIPs that the kernel refuses as duplicates',
  reads: ['network', 'probes'],
  find: (facts) => {
    const told = vipsOfTwoOwners(facts);
    return few(
      vipsOf(facts.director.model).flatMap((vip) => findingsOf(vip, facts, told)),
      'VIPs',
    );
  },
};

/** @param told VIPs of which VRRP's check says that two directors have them */
function findingsOf(vip: IpAddress, facts: Facts, told: ReadonlySet<IpAddress>): Finding[] {
  const here = placesOf(vip, facts.network);
  const answers = (facts.probes?.vips ?? []).filter((each) => each.vip === vip).flatMap((each) => each.answers);
  const owners = new Map(answers.map((each) => [each.mac ?? each.sourceMac, each]));
  const refused = here.find(({ duplicate }) => duplicate);
  if (refused !== undefined) {
    return [refusedBy(vip, refused, [...owners.values()], facts)];
  }
  const [place] = here;
  if (place === undefined || told.has(vip)) {
    return [];
  }
  return [...owners].flatMap(([mac, answer]) => {
    const who = whoIs(mac, facts, vip);
    return who.kind === 'real server' || who.kind === 'proxy' ? [] : [sharedWith(vip, place, who, answer, facts)];
  });
}

function refusedBy(vip: IpAddress, place: HostAddress, answers: readonly HeardMessage[], facts: Facts): Finding {
  const others = answers.map((each) => whoIs(each.mac ?? each.sourceMac, facts, vip));
  const { interface: name, prefixLength } = place;
  return {
    check: 'vip-duplicate',
    severity: 'error',
    subject: vip,
    text:
      `the kernel does not use the VIP ${vip} on ${name}: ` +
      (others.length === 0 ? 'another host had it' : `${others.map(({ text }) => text).join(' and ')} has it`),
    evidence: [`${name} has ${vip}/${prefixLength}, dadfailed`, ...answers.map(frameText)],
    why: 'This host answers no neighbour solicitation for it, so that clients reach another host, or nobody.',
    mend: [
      ...others.flatMap(({ kind, address }) => (kind === 'real server' ? quietRealServer([vip], address) : [])),
      { on: 'director', command: addAnew(place) },
    ],
  };
}

function sharedWith(vip: IpAddress, place: HostAddress, who: Who, answer: HeardMessage, facts: Facts): Finding {
  return {
    check: 'vip-duplicate',
    severity: 'error',
    subject: vip,
    text: `${who.text} has the VIP ${vip} on ${answer.interface} as well as this host`,
    evidence: [frameText(answer), `${place.interface} has ${vip}/${place.prefixLength}`],
    why: 'Each client goes to the one whose answer it took last, and connections break when that changes.',
    mend: mendsOf(vip, place, who, facts),
  };
}

function mendsOf(vip: IpAddress, { interface: name, prefixLength }: HostAddress, who: Who, facts: Facts): Mend[] {
  const isPair = who.kind === 'director' || who.kind === 'virtual';
  if (isPair && isOfVrrp(vip, facts.director)) {
    return [{ on: 'director', command: 'beeline status, which tells what keepalived is doing, on both directors' }];
  }
  if (isPair) {
    return [
      { on: 'director', command: `ip addr del ${vip}/${prefixLength} dev ${name}, on the one that should not have it` },
    ];
  }
  const host = who.address === undefined ? {} : { host: who.address };
  return [{ on: 'client', ...host, command: `take ${vip} off ${who.text}` }, ...announceAgain([vip], facts)];
}
