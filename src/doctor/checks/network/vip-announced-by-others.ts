/** Other hosts than the director tell the network that they have a VIP, without being asked. */

import type { MacAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, HeardMessage } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { announceAgain, placesOf, type Who, whoIs } from '../../who.js';
import { few, frameText } from '../../words.js';
import { quietRealServer } from './vip-answered-by-others.js';

export const vipAnnouncedByOthers: Check = {
  name: 'vip-announced-by-others',
  about:
    "gratuitous ARP, unsolicited advertisements and ARP questions that name a VIP, from a MAC that is not the director's",
  find: (facts) => {
    const { probes } = facts;
    if (probes === undefined) {
      return [];
    }
    const vips = new Set<string>(probes.vips.map(({ vip }) => vip));
    // Those that answer for the VIP as well are named already.
    const answering = new Set(
      probes.vips.flatMap(({ vip, answers }) => answers.map((each) => `${vip} ${macOf(each)}`)),
    );
    const groups = new Map<string, HeardMessage[]>();
    for (const each of probes.announced) {
      const vip = aboutOf(each);
      const key = `${vip} ${macOf(each)}`;
      if (vips.has(vip) && !answering.has(key)) {
        groups.set(key, [...(groups.get(key) ?? []), each]);
      }
    }
    return few(
      [...groups.values()].flatMap((messages) => findingOf(messages, facts)),
      'VIPs',
    );
  },
};

function macOf({ mac, sourceMac }: HeardMessage): MacAddress {
  return mac ?? sourceMac;
}

/** The address that those who hear the message remember. */
function aboutOf({ kind, address, asker = address }: HeardMessage): HeardMessage['address'] {
  return kind === 'asks' ? asker : address;
}

function findingOf(messages: readonly HeardMessage[], facts: Facts): Finding[] {
  const [first] = messages as [HeardMessage];
  const vip = aboutOf(first);
  const who = whoIs(macOf(first), facts, vip);
  const isHere = placesOf(vip, facts.network).length > 0;
  if (!isHere && (who.kind === 'director' || who.kind === 'virtual')) {
    return [];
  }
  const byQuestions = messages.every(({ kind }) => kind === 'asks');
  const how = byQuestions ? 'asks as the VIP' : 'announces the VIP';
  return [
    {
      check: 'vip-announced-by-others',
      severity: isHere || who.kind === 'real server' ? 'error' : 'warning',
      subject: vip,
      text: `${who.text} ${how} ${vip} on ${first.interface}`,
      evidence: [...new Set(messages.map(frameText))].slice(0, 3),
      why: 'Whoever hears it sends what is for the VIP to that host from now on, past the director.',
      mend: [...mendsOf(vip, who), ...announceAgain([vip], facts)],
    },
  ];
}

function mendsOf(vip: HeardMessage['address'], who: Who): Finding['mend'] {
  return who.kind === 'real server'
    ? quietRealServer([vip], who.address)
    : [
        {
          on: 'client',
          ...(who.address !== undefined && { host: who.address }),
          command: `take ${vip} off ${who.text}`,
        },
      ];
}
