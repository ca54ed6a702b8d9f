/** DNS checks: one question, and what its answer must be (RFC 1035). */

import { type Answer, decode, type DecodedPacket, encode, type RecordType, streamEncode } from 'dns-packet';

import type { DnsCheck } from '../../model/index.js';
import { failed, incomplete, type Judgement, passed, type Talk, type Target } from './kind.js';

/** Recursion desired, as every resolver's client asks. */
const RECURSION_DESIRED = 1 << 8;
/** The number of a query matters to those who could forge an answer; who can on this network, can forge the whole service. */
const ID = 0x6265;

export function dnsTalk(check: DnsCheck, { family, protocol }: Target): () => Talk {
  const { name, record = family === 6 ? 'AAAA' : 'A' } = check;
  const query = {
    type: 'query' as const,
    id: ID,
    flags: RECURSION_DESIRED,
    questions: [{ type: record as RecordType, name }],
  };
  const isTcp = protocol === 'tcp';
  const first = {
    send: isTcp ? streamEncode(query) : encode(query),
    until: { what: isTcp ? 'counted' : 'data' },
  } as const;
  return () => ({
    transport: isTcp ? 'tcp' : 'udp',
    first,
    next: (received, ending) =>
      ending === 'complete' ? judgeReply(check, isTcp ? received.subarray(2) : received) : incomplete(ending, received),
  });
}

function judgeReply({ rcode = 'NOERROR', answer }: DnsCheck, reply: Uint8Array): Judgement {
  let packet: DecodedPacket & { readonly rcode?: string };
  try {
    packet = decode(Buffer.from(reply));
  } catch {
    // The library throws whatever comes of reading beyond the end.
    return failed('L7', 'not DNS');
  }
  if (packet.type !== 'response' || packet.id !== ID) {
    return failed('L7', 'not an answer to the question');
  }
  if (packet.rcode !== rcode) {
    return failed('L7', packet.rcode ?? 'no return code');
  }
  const answers = (packet.answers ?? []).flatMap(textsOf);
  if (answer !== undefined) {
    return answers.includes(canonical(answer)) ? passed('L7', rcode) : failed('L7', `${rcode}, other answers`);
  }
  return rcode === 'NOERROR' && answers.length === 0 ? failed('L7', 'no answers') : passed('L7', rcode);
}

/** Returns what an answer says, in the forms in which people write it. */
function textsOf(answer: Answer): string[] {
  switch (answer.type) {
    case 'A':
    case 'AAAA':
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return [canonical(answer.data)];
    case 'MX':
      return [canonical(answer.data.exchange)];
    case 'SRV':
      return [canonical(answer.data.target)];
    case 'SOA':
      return [canonical(answer.data.mname)];
    case 'TXT':
      return [answer.data].flat().map((each) => canonical(each.toString()));
    default:
      return [''];
  }
}

/** Names are compared without regard to case and to the dot at their end. */
function canonical(text: string): string {
  return text.toLowerCase().replace(/\.$/, '');
}
