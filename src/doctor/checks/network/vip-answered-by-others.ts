/** The ARP problem: another host than the director answers for a VIP. */

import type { IpAddress, MacAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, HeardMessage } from '../../facts.js';
import type { Finding, Mend } from '../../finding.js';
import { announceAgain, placesOf, type Who, whoHas } from '../../who.js';
import { few, frameText } from '../../words.js';

export const vipAnsweredByOthers: Check = {
  name: 'vip-answered-by-others',
  about: 'hosts that answer ARP or neighbour discovery for a VIP of the director: above all real servers',
  find: (facts) => {
    const vips = new Map<IpAddress, HeardMessage[]>();
    for (const { vip, answers } of facts.probes?.vips ?? []) {
      vips.set(vip, [...(vips.get(vip) ?? []), ...answers]);
    }
    return few(
      [...vips].flatMap(([vip, answers]) => findingsOf(vip, answers, facts)),
      'VIPs',
    );
  },
};

/** One for each host, though a bridge and its port hear the same. */
function findingsOf(vip: IpAddress, answers: readonly HeardMessage[], facts: Facts): Finding[] {
  const macs = [...new Set(answers.map((each) => each.mac ?? each.sourceMac))];
  const here = placesOf(vip, facts.network);
  return macs.flatMap((mac) => {
    const who = whoHas(mac, facts);
    const its = answers.filter((each) => (each.mac ?? each.sourceMac) === mac);
    const name = [...new Set(its.map((each) => each.interface))].join(', ');
    const evidence = [...new Set(its.map(frameText))];
    return isElsewhere(who, here) ? [findingOf(vip, name, who, mac, evidence, facts)] : [];
  });
}

/** Not so: the other director may have the VIP, and two owners are vip-duplicate's. */
function isElsewhere({ kind }: Who, here: ReturnType<typeof placesOf>): boolean {
  return here.some(({ duplicate }) => duplicate)
    ? false
    : kind === 'real server' || kind === 'proxy' || (here.length === 0 && kind !== 'director' && kind !== 'virtual');
}

function findingOf(
  vip: IpAddress,
  name: string,
  who: Who,
  mac: MacAddress,
  evidence: readonly string[],
  facts: Facts,
): Finding {
  const isKnown = who.kind === 'real server' || who.kind === 'proxy';
  return {
    check: 'vip-answered-by-others',
    // A host that is no real server may be the other director of a pair, which the configuration does not name.
    severity: isKnown ? 'error' : 'warning',
    subject: vip,
    text: `${who.text} answers for the VIP ${vip} on ${name}${isKnown ? '' : ', which this host does not have'}`,
    evidence,
    why: whyOf(who),
    mend: [...mendsOf(vip, who, mac), ...(isKnown ? announceAgain(vip, facts) : [])],
  };
}

function whyOf({ kind }: Who): string {
  switch (kind) {
    case 'real server':
      return 'Clients that take its answer go straight to that real server: past the scheduler, and to nobody once it is down.';
    case 'proxy':
      return 'Clients that take its answer reach that host instead of the director: proxy ARP answers for addresses of others.';
    default:
      return 'Clients reach that host and not this director; that is right only if it is the other director of a pair.';
  }
}

function mendsOf(vip: IpAddress, who: Who, mac: MacAddress): Mend[] {
  if (who.kind === 'real server') {
    return quietRealServer(vip, who.address);
  }
  if (who.kind === 'proxy') {
    const command = vip.includes(':')
      ? 'sysctl -w net.ipv6.conf.all.proxy_ndp=0, or take away its "ip neigh show proxy"'
      : 'sysctl -w net.ipv4.conf.INTERFACE.proxy_arp=0 net.ipv4.conf.INTERFACE.proxy_arp_pvlan=0';
    return [{ on: 'router', host: who.address ?? mac, command }];
  }
  return [
    { on: 'client', host: who.address ?? mac, command: `find the host with the MAC ${mac}, and take ${vip} off it` },
    { on: 'configuration', command: `directors: ['${mac}'], if it is the other director` },
  ];
}

/** What keeps a real server from answering for a VIP that it needs. */
export function quietRealServer(vip: IpAddress, host: IpAddress | undefined): Mend[] {
  const where = { on: 'real server', ...(host !== undefined && { host }) } as const;
  return [
    { ...where, command: `beeline realserver setup --vip ${vip} --persist auto` },
    {
      ...where,
      command: vip.includes(':')
        ? `ip -6 addr del ${vip} dev INTERFACE, then ip -6 addr add ${vip}/128 dev lo nodad`
        : 'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 ' +
          'net.ipv4.conf.lo.arp_ignore=1 net.ipv4.conf.lo.arp_announce=2',
    },
  ];
}
