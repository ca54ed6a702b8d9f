/** Two directors that have the VIPs of one virtual router at the same time. */

import { type IpAddress, isLinkLocal, type MacAddress, type VirtualRouter } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts } from '../../facts.js';
import type { Finding, Mend } from '../../finding.js';
import { advertisementText, lastOf, otherDirectors, type Rivals, rivalsOf, type Sender } from '../../vrrp.js';
import { whoIs } from '../../who.js';
import { mendsOfMisfits } from './advertisements.js';

const NAME = 'vrrp-two-owners';

export const vrrpTwoOwners: Check = {
  name: NAME,
  about: 'virtual routers with two masters: both advertise, or both have the VIPs',
  reads: ['network', 'probes'],
  find: (facts) => rivalsOf(facts).flatMap((each) => findingsOf(each, facts)),
};

/** The VIPs of the virtual routers that have two masters: other checks need not say so of each. */
export function vipsOfTwoOwners(facts: Facts): ReadonlySet<IpAddress> {
  const told = rivalsOf(facts).filter((each) => findingsOf(each, facts).length > 0);
  return new Set(told.flatMap(({ router }) => router.addresses));
}

interface Owner {
  readonly name: string;
  readonly evidence: readonly string[];
  readonly isHere?: boolean;
}

function findingsOf({ router, directors }: Rivals, facts: Facts): Finding[] {
  const own = ownVips(router, facts);
  const masters = ownersBy(directors, router, facts, own.length > 0).filter((each) => hasVipsOf(router, each));
  const advertised = new Set<string>(masters.map(({ mac }) => mac));
  const answering = own.length === 0 ? [] : answersOf(own, facts).filter(({ mac }) => !advertised.has(mac));
  const owners: Owner[] = [
    ...(own.length === 0 ? [] : [ownerHere(router, own, facts)]),
    ...masters.map((sender) => ({
      name: `${sender.source} (${sender.mac})`,
      evidence: [advertisementText(sender)],
    })),
    ...answering.map(({ mac, evidence }) => ({ name: nameOf(mac, facts), evidence })),
  ];
  if (owners.length < 2) {
    return [];
  }
  return [
    {
      check: NAME,
      severity: 'error',
      subject: router.name,
      text: `vrrp ${router.name} (id ${router.id}) has ${owners.length} masters: ${owners.map(({ name }) => name).join(' and ')}`,
      evidence: owners.flatMap(({ evidence }) => evidence),
      why: 'Both answer for the VIPs: clients change from one to the other with each answer that they hear, and their connections break.',
      mend: mendsFor(owners, router, masters, facts),
    },
  ];
}

function nameOf(mac: MacAddress, facts: Facts): string {
  const { kind, address } = whoIs(mac, facts);
  return kind === 'director' && address !== undefined ? `${address} (${mac})` : `the director with the MAC ${mac}`;
}

/** One that advertises other VIPs altogether has those: vrrp-advertisements tells of it. Of IPv6 a link-local address says nothing. */
function hasVipsOf({ addresses }: VirtualRouter, sender: Sender): boolean {
  const theirs = lastOf(sender).addresses.filter((each) => !isLinkLocal(each));
  return theirs.length === 0 || theirs.some((each) => addresses.includes(each));
}

/** The VIPs of a router that this host has. */
function ownVips({ addresses }: VirtualRouter, { network }: Facts): IpAddress[] {
  const here = new Set(
    (network?.addresses ?? []).filter(({ scope }) => scope !== 'host').map(({ address }) => address),
  );
  return addresses.filter((each) => here.has(each));
}

/** A takeover has two masters for a moment, one after the other: only those count that advertise in turn. */
function ownersBy(
  directors: readonly Sender[],
  { interval }: VirtualRouter,
  { probes }: Facts,
  isHere: boolean,
): Sender[] {
  const active = directors
    .map((sender) => ({ ...sender, heard: sender.heard.filter(({ priority }) => priority > 0) }))
    .filter(({ heard }) => heard.length > 0);
  if (isHere) {
    // One that has just given up says so once more. With a long interval more than one cannot be heard.
    const isSlow = interval * 2_000 > (probes?.ms ?? 0);
    return active.filter(({ heard }) => heard.length > 1 || isSlow);
  }
  const span = ({ heard }: Sender): { from: number; to: number } => ({ from: heard[0]!.at, to: heard.at(-1)!.at });
  return active.filter((each) =>
    active.some((other) => other !== each && span(each).from < span(other).to && span(other).from < span(each).to),
  );
}

function ownerHere({ interface: name }: VirtualRouter, own: readonly IpAddress[], facts: Facts): Owner {
  const { director, network } = facts;
  const where = network!.addresses.find(({ address }) => address === own[0])?.interface ?? name;
  const { vrrp } = director.status ?? {};
  return {
    name: 'this host',
    evidence: [
      `${where} of this host has ${own.join(', ')}`,
      ...(vrrp === undefined
        ? []
        : [`keepalived of this host: ${vrrp.keepalived === 'gone' ? 'gone, and its VIPs are still here' : 'running'}`]),
    ],
    isHere: true,
  };
}

/** Other directors that answer for VIPs which this host has. */
function answersOf(own: readonly IpAddress[], facts: Facts): { mac: MacAddress; evidence: string[] }[] {
  const others = otherDirectors(facts);
  const answers = (facts.probes?.vips ?? [])
    .filter(({ vip }) => own.includes(vip))
    .flatMap(({ vip, answers }) => answers.map((each) => ({ vip, mac: each.mac ?? each.sourceMac, via: each })))
    .map(({ vip, mac, via }) => ({ mac, text: `${via.interface}: ${via.protocol}, ${vip} is-at ${mac}` }))
    .filter(({ mac }) => others.has(mac));
  return [...new Set(answers.map(({ mac }) => mac))].map((mac) => ({
    mac,
    evidence: [...new Set(answers.filter((each) => each.mac === mac).map(({ text }) => text))],
  }));
}

/** @param masters the other ones, of those that are heard */
function mendsFor(
  owners: readonly Owner[],
  router: VirtualRouter,
  masters: readonly Sender[],
  { director }: Facts,
): Mend[] {
  const isGone = director.status?.vrrp?.keepalived === 'gone';
  if (isGone && owners.some(({ isHere }) => isHere)) {
    return [{ on: 'director', command: 'systemctl restart keepalived' }];
  }
  // Who is heard, and drops what it hears or is dropped itself, is kept away by no firewall.
  const misfits = masters.flatMap((sender) => mendsOfMisfits(router, sender));
  if (misfits.length > 0) {
    return misfits;
  }
  return [
    {
      on: 'director',
      command:
        'let VRRP (IP protocol 112, to 224.0.0.18 and ff02::12) through the firewalls and switches between the directors',
    },
    {
      on: 'director',
      host: 'without keepalived',
      command: 'systemctl restart keepalived',
    },
    {
      on: 'director',
      host: 'whose VRRP version, id or peers differ',
      command: 'beeline keepalived write && systemctl reload keepalived',
    },
  ];
}
