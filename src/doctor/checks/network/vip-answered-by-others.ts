/** The ARP problem: another host than the director answers for a VIP. */

import type { IpAddress, MacAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, HeardMessage } from '../../facts.js';
import type { Finding, Mend } from '../../finding.js';
import { announceAgain, compareHosts, placesOf, type Who, whoIs } from '../../who.js';
import { few, frameText, listOf } from '../../words.js';

/** The most frames in the evidence. */
const MOST_FRAMES = 3;

export const vipAnsweredByOthers: Check = {
  name: 'vip-answered-by-others',
  about: 'hosts that answer ARP or neighbour discovery for a VIP of the director: above all real servers',
  reads: ['network', 'probes'],
  find: (facts) =>
    few(
      hostsThatAnswer(facts).map((host) => findingOf(host, facts)),
      'hosts',
      // All of them begin with the host.
      ({ text }) => text.split(' answers ')[0] ?? '',
    ),
};

/** A host, and what it said of VIPs that are not its own. */
interface Host {
  readonly who: Who;
  readonly mac: MacAddress;
  readonly vips: readonly IpAddress[];
  readonly answers: readonly HeardMessage[];
}

function hostsThatAnswer(facts: Facts): Host[] {
  const byMac = new Map<MacAddress, HeardMessage[]>();
  for (const each of facts.probes?.vips.flatMap(({ answers }) => answers) ?? []) {
    const mac = each.mac ?? each.sourceMac;
    const before = byMac.get(mac);
    if (before === undefined) {
      byMac.set(mac, [each]);
    } else {
      before.push(each);
    }
  }
  const hosts = [...byMac].flatMap(([mac, all]) => {
    const who = whoIs(mac, facts, all[0]?.address);
    const wrong = [...new Set(all.map(({ address }) => address))].filter((vip) =>
      isWrong(who, placesOf(vip, facts.network)),
    );
    const answers = all.filter(({ address }) => wrong.includes(address));
    return wrong.length === 0 ? [] : [{ who, mac, vips: wrong, answers }];
  });
  return hosts.toSorted(compareHosts);
}

/** Not so: the other director may have the VIP, and two owners are vip-duplicate's. */
function isWrong({ kind }: Who, here: ReturnType<typeof placesOf>): boolean {
  if (here.some(({ duplicate }) => duplicate)) {
    return false;
  }
  const isKnown = kind === 'real server' || kind === 'proxy';
  return isKnown || (here.length === 0 && kind !== 'director' && kind !== 'virtual');
}

function findingOf({ who, mac, vips, answers }: Host, facts: Facts): Finding {
  const isKnown = who.kind === 'real server' || who.kind === 'proxy';
  const names = [...new Set(answers.map((each) => each.interface))].join(', ');
  const which = `${vips.length > 1 ? 'VIPs' : 'VIP'} ${listOf(vips)}`;
  return {
    check: 'vip-answered-by-others',
    // A host that is no real server may be the other director of a pair, which the configuration does not name.
    severity: isKnown ? 'error' : 'warning',
    subject: vips[0]!,
    text: `${who.text} answers for the ${which} on ${names}${isKnown ? '' : ', which this host does not have'}`,
    evidence: [...new Set(answers.map(frameText))].slice(0, MOST_FRAMES),
    why: whyOf(who),
    mend: [...mendsOf(vips, who, mac), ...(isKnown ? announceAgain(vips, facts) : [])],
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

function mendsOf(vips: readonly IpAddress[], who: Who, mac: MacAddress): Mend[] {
  const host = who.address ?? mac;
  if (who.kind === 'real server') {
    return quietRealServer(vips, who.address);
  }
  if (who.kind === 'proxy') {
    const command = vips.every((vip) => vip.includes(':'))
      ? 'sysctl -w net.ipv6.conf.all.proxy_ndp=0, or take away its "ip neigh show proxy"'
      : 'sysctl -w net.ipv4.conf.INTERFACE.proxy_arp=0 net.ipv4.conf.INTERFACE.proxy_arp_pvlan=0';
    return [{ on: 'router', host, command }];
  }
  return [
    { on: 'client', host, command: `find the host with the MAC ${mac}, and take ${vips.join(', ')} off it` },
    { on: 'configuration', command: `directors: ['${mac}'], if it is the other director` },
  ];
}

/** What keeps a real server from answering for VIPs that it needs. */
export function quietRealServer(vips: readonly IpAddress[], host: IpAddress | undefined): Mend[] {
  const where = { on: 'real server', ...(host !== undefined && { host }) } as const;
  const six = vips.find((vip) => vip.includes(':'));
  return [
    { ...where, command: `beeline realserver setup --vip ${vips.join(' ')} --persist auto` },
    ...(vips.some((vip) => !vip.includes(':'))
      ? [
          {
            ...where,
            command:
              'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 ' +
              'net.ipv4.conf.lo.arp_ignore=1 net.ipv4.conf.lo.arp_announce=2',
          },
        ]
      : []),
    ...(six === undefined
      ? []
      : [
          {
            ...where,
            command:
              `ip -6 -brief addr show to ${six}, which names INTERFACE and PREFIX; then: ` +
              `ip -6 addr del ${six}/PREFIX dev INTERFACE && ip -6 addr replace ${six}/128 dev lo nodad`,
          },
        ]),
  ];
}
