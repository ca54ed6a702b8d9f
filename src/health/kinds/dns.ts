/** DNS checks: one question, and what its answer must be (RFC 1035). */

import { randomInt } from 'node:crypto';

import { type Answer, decode, type DecodedPacket, encode, type RecordType, streamEncode } from 'dns-packet';

import { type DnsCheck, parseIp } from '../../model/index.js';
import { failed, incomplete, type Judgement, passed, type Talk, type Target, type Turn } from './kind.js';

/** Recursion desired, as every resolver's client asks. */
const RECURSION_DESIRED = 1 << 8;
type Reply = DecodedPacket & { readonly rcode?: string };

interface Question {
  /** One of its own for each run: a late answer to the last one is none to this one. */
  readonly id: number;
  readonly name: string;
  readonly type: string;
}

export function dnsTalk(check: DnsCheck, { family, protocol }: Target): () => Talk {
  const { name, record = family === 6 ? 'AAAA' : 'A' } = check;
  const query = {
    type: 'query' as const,
    id: 0,
    flags: RECURSION_DESIRED,
    questions: [{ type: record as RecordType, name }],
  };
  const isTcp = protocol === 'tcp';
  const encoded = isTcp ? streamEncode(query) : encode(query);
  return () => {
    const id = randomInt(1 << 16);
    const send = Buffer.from(encoded);
    send.writeUInt16BE(id, isTcp ? 2 : 0);
    const first: Turn = { send, until: { on: 'data' } };
    const judgement = (reply: Uint8Array): Judgement => judgeReply(check, { id, name, type: record }, reply);
    return isTcp
      ? streamTalk(first, judgement)
      : {
          transport: 'udp',
          first,
          next: (received, ending) => (ending === 'complete' ? judgement(received) : incomplete(ending, received)),
        };
  };
}

/** Over TCP a reply has its length before it, in two bytes, and may come in pieces (RFC 1035, 4.2.2). */
function streamTalk(first: Turn, judgement: (reply: Uint8Array) => Judgement): Talk {
  let heard = Buffer.alloc(0);
  return {
    transport: 'tcp',
    first,
    holds: true,
    next: (received, ending) => {
      heard = Buffer.concat([heard, received]);
      const end = heard.length < 2 ? Infinity : 2 + heard.readUInt16BE(0);
      if (heard.length >= end) {
        return judgement(heard.subarray(2, end));
      }
      return ending === 'complete' ? { until: { on: 'data' } } : incomplete(ending, heard);
    },
  };
}

function judgeReply({ rcode = 'NOERROR', answer }: DnsCheck, question: Question, reply: Uint8Array): Judgement {
  let packet: Reply;
  try {
    packet = decode(Buffer.from(reply));
  } catch {
    // The library throws whatever comes of reading beyond the end.
    return failed('L7', 'not DNS');
  }
  if (packet.type !== 'response' || !answers(packet, question)) {
    return failed('L7', 'not an answer to the question');
  }
  if (packet.rcode !== rcode) {
    return failed('L7', packet.rcode ?? 'no return code');
  }
  const records = packet.answers ?? [];
  if (answer !== undefined) {
    return records.flatMap(textsOf).includes(canonical(answer))
      ? passed('L7', rcode)
      : failed('L7', `${rcode}, other answers`);
  }
  // An alias alone leads nowhere.
  return rcode === 'NOERROR' && !records.some(({ type }) => type === question.type)
    ? failed('L7', 'no answers')
    : passed('L7', rcode);
}

/** A server that could not read the question may leave it out. */
function answers({ id, questions = [], rcode }: Reply, asked: Question): boolean {
  const [question] = questions;
  return (
    id === asked.id &&
    (question === undefined
      ? rcode !== 'NOERROR'
      : question.type === asked.type && canonical(question.name) === canonical(asked.name))
  );
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

/** Addresses are compared in one spelling, names without regard to case and to the dot at their end. */
function canonical(text: string): string {
  return parseIp(text) ?? text.toLowerCase().replace(/\.$/, '');
}
