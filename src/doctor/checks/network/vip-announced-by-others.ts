/** Other hosts than the director tell the network that they have a VIP, without being asked. */

import { compareIp, type IpAddress, type MacAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, HeardMessage } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { announceAgain, compareHosts, isOfVrrp, placesOf, type Who, whoIs } from '../../who.js';
import { few, frameText, listOf } from '../../words.js';
import { quietRealServer } from './vip-answered-by-others.js';

/** A host, and what it said of VIPs that it should not have. */
interface Host {
  readonly who: Who;
  readonly mac: MacAddress;
  readonly vips: readonly IpAddress[];
  readonly messages: readonly HeardMessage[];
}

export const vipAnnouncedByOthers: Check = {
  name: 'vip-announced-by-others',
  about:
    "gratuitous ARP, unsolicited advertisements and ARP questions that name a VIP, from a MAC that is not the director's",
  reads: ['network', 'probes'],
  find: (facts) =>
    few(
      hostsThatAnnounce(facts).map((each) => findingOf(each, facts)),
      'hosts',
      // All of them begin with the host.
      ({ text }) => text.split(/ (?:asks|announces) /)[0] ?? '',
    ),
};

function hostsThatAnnounce(facts: Facts): Host[] {
  const { vips: asked = [], announced = [] } = facts.probes ?? {};
  const vips = new Set<string>(asked.map(({ vip }) => vip));
  // Those that answer for the VIP as well are named already.
  const answering = new Set(asked.flatMap(({ vip, answers }) => answers.map((each) => `${vip} ${macOf(each)}`)));
  const groups = new Map<MacAddress, HeardMessage[]>();
  for (const each of announced) {
    const mac = macOf(each);
    const vip = aboutOf(each);
    if (vips.has(vip) && !answering.has(`${vip} ${mac}`) && isWrong(vip, mac, facts)) {
      const before = groups.get(mac) ?? [];
      groups.set(mac, before);
      before.push(each);
    }
  }
  const hosts = [...groups].map(([mac, messages]): Host => {
    const said = [...new Set(messages.map(aboutOf))].sort(compareIp);
    return { who: whoIs(mac, facts, said[0]), mac, vips: said, messages };
  });
  return hosts.toSorted(compareHosts);
}

function macOf({ mac, sourceMac }: HeardMessage): MacAddress {
  return mac ?? sourceMac;
}

/** The address that those who hear the message remember. */
function aboutOf({ kind, address, asker = address }: HeardMessage): IpAddress {
  return kind === 'asks' ? asker : address;
}

/** Not so: the other director takes over. Whether two have the VIPs of a virtual router is vrrp-two-owners'. */
function isWrong(vip: IpAddress, mac: MacAddress, facts: Facts): boolean {
  return (
    !isDirector(whoIs(mac, facts, vip)) || (placesOf(vip, facts.network).length > 0 && !isOfVrrp(vip, facts.director))
  );
}

function isDirector({ kind }: Who): boolean {
  return kind === 'director' || kind === 'virtual';
}

function findingOf({ who, vips, messages }: Host, facts: Facts): Finding {
  const how = messages.every(({ kind }) => kind === 'asks') ? 'asks as' : 'announces';
  const isHere = vips.some((vip) => placesOf(vip, facts.network).length > 0);
  const names = [...new Set(messages.map((each) => each.interface))].join(', ');
  return {
    check: 'vip-announced-by-others',
    severity: isHere || who.kind === 'real server' ? 'error' : 'warning',
    subject: vips[0]!,
    text: `${who.text} ${how} the VIP${vips.length > 1 ? 's' : ''} ${listOf(vips)} on ${names}`,
    evidence: [...new Set(messages.map(frameText))].slice(0, 3),
    why: 'Whoever hears it sends what is for the VIP to that host from now on, past the director.',
    mend: [...mendsOf(vips, who), ...announceAgain(vips, facts)],
  };
}

function mendsOf(vips: readonly IpAddress[], who: Who): Finding['mend'] {
  return who.kind === 'real server'
    ? quietRealServer(vips, who.address)
    : [
        {
          on: isDirector(who) ? 'director' : 'client',
          ...(who.address !== undefined && { host: who.address }),
          command: `take ${vips.join(', ')} off ${who.text}`,
        },
      ];
}
