/** Rules of arptables and nftables that keep an interface from answering for a VIP, or from naming it. Pure. */

import { type IpAddress, isInNetwork, parseIp } from '../../model/index.js';
import type { Facts } from '../../steps/index.js';

/** What rules do: drop requests for a VIP that come in, or change the sender of those that go out. */
export type ArpAction = 'drop' | 'mangle';

/** Whether a rule does that to each request for a VIP by an interface: not only to some of them, nor to all but those. */
export function isRuled({ rules, tables }: Facts, device: string, vip: IpAddress, action: ArpAction): boolean {
  return (
    rules.arptables.some((line) => doesArptables(line, device, vip, action)) ||
    tables
      .filter(({ family }) => family === 'arp')
      .some((table) => table.rules.some((rule) => doesNft(rule as readonly NftExpression[], device, vip, action)))
  );
}

const WORDS = {
  drop: { chain: 'INPUT', device: '-i', address: '-d', target: 'DROP', meta: ['iifname', 'iif'], field: 'daddr ip' },
  mangle: {
    chain: 'OUTPUT',
    device: '-o',
    address: '-s',
    target: 'mangle',
    meta: ['oifname', 'oif'],
    field: 'saddr ip',
  },
} as const;

/** Conditions that each ARP request by Ethernet for IPv4 fulfils, as arptables-save prints them, and what is no condition. */
const FULFILLED: Readonly<Record<string, RegExp>> = {
  '--opcode': /^(1|Request)$/,
  '--h-length': /^6$/,
  '--h-type': /^(1|0x0*1|Ethernet)$/i,
  '--proto-type': /^(0x0*800|2048|IPv4)$/i,
  '-i': /^(any|\*)$/,
  '-o': /^(any|\*)$/,
  '--mangle-ip-s': /./,
  '--mangle-target': /./,
};

function doesArptables(line: string, device: string, vip: IpAddress, action: ArpAction): boolean {
  const [verb, chain, ...words] = line.trim().split(/\s+/);
  const wanted = WORDS[action];
  if (verb !== '-A' || chain !== wanted.chain || words.length % 2 === 1) {
    return false;
  }
  const options = words.flatMap((word, i) => (i % 2 === 0 ? [[word, words[i + 1]!] as const] : []));
  return (
    options.some(([name, value]) => name === '-j' && value === wanted.target) &&
    options.some(([name]) => name === wanted.address) &&
    options.every(
      ([name, value]) =>
        (name === '-j' && value === wanted.target) ||
        (name === wanted.address && coversText(value, vip)) ||
        (name === wanted.device && isNamed(value.replace(/\+$/, '*'), device)) ||
        FULFILLED[name]?.test(value) === true,
    )
  );
}

interface NftExpression {
  readonly match?: {
    readonly op?: unknown;
    readonly left?: { readonly meta?: { readonly key?: string }; readonly payload?: { readonly field?: string } };
    readonly right?: unknown;
  };
}

const EVERY_REQUEST: Readonly<Record<string, readonly unknown[]>> = {
  operation: ['request', 1],
  htype: [1, 'ether'],
  hlen: [6],
  plen: [4],
  ptype: ['ip', 2048],
};
const NO_CONDITION = ['counter', 'log'];

function doesNft(rule: readonly NftExpression[], device: string, vip: IpAddress, action: ArpAction): boolean {
  const wanted = WORDS[action];
  const end = rule.findIndex((each) => action in each);
  const before = rule.slice(0, Math.max(end, 0));
  const isFulfilled = ({ match, ...rest }: NftExpression): boolean => {
    if (match === undefined) {
      return Object.keys(rest).every((name) => NO_CONDITION.includes(name));
    }
    const { meta: { key = '' } = {}, payload: { field = '' } = {} } = match.left ?? {};
    const holds =
      field === wanted.field
        ? (each: unknown) => covers(each, vip)
        : (wanted.meta as readonly string[]).includes(key)
          ? (each: unknown) => typeof each === 'string' && isNamed(each, device)
          : (each: unknown) => EVERY_REQUEST[field]?.includes(each) === true;
    return match.op === '==' && membersOf(match.right).some(holds);
  };
  return before.some(({ match }) => match?.left?.payload?.field === wanted.field) && before.every(isFulfilled);
}

function membersOf(right: unknown): readonly unknown[] {
  const { set } = (right ?? {}) as { readonly set?: unknown };
  return Array.isArray(set) ? set : [right];
}

function covers(right: unknown, vip: IpAddress): boolean {
  const { prefix } = (right ?? {}) as { readonly prefix?: { readonly addr?: unknown; readonly len?: unknown } };
  const { addr = right, len = 32 } = prefix ?? {};
  return coversText(`${String(addr)}/${String(len)}`, vip);
}

/** @param text an address, with the length of a network or without */
function coversText(text: string, vip: IpAddress): boolean {
  const [written = '', length = '32'] = text.split('/');
  const address = parseIp(written);
  return address !== undefined && /^\d{1,2}$/.test(length) && isInNetwork(vip, address, Number(length));
}

/** Whether an interface is the one, or one of those that a pattern names. */
function isNamed(pattern: string, device: string): boolean {
  return pattern.endsWith('*') ? device.startsWith(pattern.slice(0, -1)) : pattern === device;
}
