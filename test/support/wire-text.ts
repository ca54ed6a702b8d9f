/**
 * Frames as lines of a recording: "tcp 10.1.0.1:1000 10.0.0.100:80 S len=10 ttl=1". Builds what a line says, with right
 * checksums, and says what a frame is.
 */

import {
  familyOf,
  ip,
  type IpAddress,
  ipBytes,
  ipFromBytes,
  mac,
  type MacAddress,
  macBytes,
  parseIpv6,
} from '../../src/model/index.js';
import { summarizeFrame } from '../../src/packet/index.js';

/** The hosts on the recordings' LAN, by their names in lines. Clients are behind a router. */
export const WIRE: Readonly<Record<string, MacAddress>> = {
  client: mac('00:50:00:00:03:00'),
  director: mac('00:50:00:00:05:00'),
  ...Object.fromEntries([31, 32, 33, 34, 35].map((last) => [`real${last}`, mac(`02:00:00:00:00:${last}`)])),
};

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, esp: 50, ah: 51 };
const FLAGS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16 };
const AH_BYTES = 24;
const AH = 51;
const MINIMUM = 60;

interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

function endpoint(text: string): Endpoint {
  const [, v6, v4, port = '0'] = /^(?:\[(.*)\]|([\d.]+|[\da-f]*:[\da-f:.]*))(?::(\d+))?$/.exec(text) ?? [];
  const spelling = v6 ?? v4!;
  return { address: spelling.includes(':') ? parseIpv6(spelling)! : ip(spelling), port: Number(port) };
}

function spelled(address: IpAddress, port?: number): string {
  return port === undefined ? address : familyOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

const word = (value: number): [number, number] => [(value >> 8) & 0xff, value & 0xff];

/** The checksum of IP, TCP, UDP and ICMP (RFC 1071). */
function checksum(bytes: readonly number[]): [number, number] {
  let sum = bytes.reduce((total, byte, i) => total + (i % 2 === 0 ? byte * 256 : byte), 0);
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  }
  return word(0xffff - sum);
}

/** The words after the addresses: "S", "len=10", "df". */
class Options {
  readonly #words: readonly string[];
  constructor(words: readonly string[]) {
    this.#words = words;
  }
  text(name: string): string | undefined {
    return this.#words.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
  }
  number(name: string, otherwise: number): number {
    return Number(this.text(name) ?? otherwise);
  }
  has(name: string): boolean {
    return this.#words.includes(name);
  }
  get flags(): number {
    const letters = this.#words.find((each) => /^[FSRPA]+$/.test(each)) ?? '';
    return Object.entries(FLAGS).reduce((bits, [letter, bit]) => (letters.includes(letter) ? bits | bit : bits), 0);
  }
}

function transport(protocol: number, from: Endpoint, to: Endpoint, options: Options): number[] {
  const payload = Array.from({ length: options.number('len', 0) }, (_, i) => (i * 7) & 0xff);
  const ports = [...word(from.port), ...word(to.port)];
  const pseudo = [...ipBytes(from.address), ...ipBytes(to.address), 0, protocol];
  if (protocol === PROTOCOLS['tcp']) {
    const before = [...ports, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, options.flags, 0x10, 0];
    const sum = checksum([...pseudo, ...word(20 + payload.length), ...before, 0, 0, 0, 0, ...payload]);
    return [...before, ...sum, 0, 0, ...payload];
  }
  const before = [...ports, ...word(8 + payload.length)];
  const sum = checksum([...pseudo, ...word(8 + payload.length), ...before, 0, 0, ...payload]);
  return [...before, ...sum, ...payload];
}

function icmp(from: Endpoint, to: Endpoint, message: string, options: Options): number[] {
  const [type = 0, code = 0] = message.split('/').map(Number);
  const isIpv4 = familyOf(to.address) === 4;
  const rest = options.number('mtu', 0);
  const head = isIpv4 ? [0, 0, ...word(rest)] : [...word(rest >> 16), ...word(rest)];
  const bytes = [type, code, 0, 0, ...head, ...quoted(options)];
  const pseudo = isIpv4 ? [] : [...ipBytes(from.address), ...ipBytes(to.address), ...word(bytes.length), 0, 58];
  bytes.splice(2, 2, ...checksum([...pseudo, ...bytes]));
  return bytes;
}

/** "quote=tcp,10.0.0.100:80,10.1.0.1:1000 quoted=28": the beginning of a packet from the VIP to a client. */
function quoted(options: Options): number[] {
  const text = options.text('quote');
  if (text === undefined) {
    return Array.from({ length: options.number('len', 0) }, (_, i) => i & 0xff);
  }
  const [protocol, from, to] = text.split(',');
  const packet = ipPacket(`${protocol!} ${from!} ${to!} A len=1400`);
  return packet.slice(0, options.number('quoted', 28));
}

/** Builds a packet from its IP header on. */
function ipPacket(line: string): number[] {
  const words = line.split(' ');
  const name = words.shift()!;
  const message = name === 'icmp' ? words.shift()! : '';
  const [from, to] = [endpoint(words.shift()!), endpoint(words.shift()!)];
  const options = new Options(words);
  const isIpv4 = familyOf(to.address) === 4;
  const inner = name === 'icmp' ? (isIpv4 ? 1 : 58) : PROTOCOLS[name]!;
  let body = name === 'icmp' ? icmp(from, to, message, options) : transport(inner, from, to, options);
  let protocol = inner;
  if (options.has('ah')) {
    body = [inner, AH_BYTES / 4 - 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, ...new Array<number>(12).fill(0xaa), ...body];
    protocol = AH;
  }
  const [, start, end, more] = /^(\d+)-(\d+)(\+?)$/.exec(options.text('part') ?? '') ?? [];
  const offset = Number(start ?? 0);
  const isPart = start !== undefined;
  if (isPart) {
    body = body.slice(offset, Number(end));
  }
  const id = options.number('id', 0);
  const ttl = options.number('ttl', 64);
  const addresses = [...ipBytes(from.address), ...ipBytes(to.address)];
  if (!isIpv4) {
    const fragment = [protocol, 0, ...word(offset | (more ? 1 : 0)), 0, 0, ...word(id)];
    const rest = isPart ? [...fragment, ...body] : body;
    return [0x60, 0, 0, 0, ...word(rest.length), isPart ? 44 : protocol, ttl, ...addresses, ...rest];
  }
  const bits = (options.has('df') ? 0x4000 : 0) | (more ? 0x2000 : 0) | (offset >> 3);
  const nops = options.has('nops') ? [1, 1, 1, 1] : [];
  const length = 20 + nops.length + body.length;
  const head = [
    0x45 + nops.length / 4,
    options.number('tos', 0),
    ...word(length),
    ...word(id),
    ...word(bits),
    ttl,
    protocol,
  ];
  return [...head, ...checksum([...head, ...addresses, ...nops]), ...addresses, ...nops, ...body];
}

/** Builds the frame that a line describes. Without "to=" and "from=" it goes from the clients' router to the director. */
export function frameFrom(line: string): Uint8Array {
  const options = new Options(line.split(' '));
  const address = (name: string): MacAddress => WIRE[name] ?? mac(name);
  const packet = ipPacket(line);
  const vlan = options.text('vlan');
  const bytes = [
    ...macBytes(address(options.text('to') ?? 'director')),
    ...macBytes(address(options.text('from') ?? 'client')),
    ...(vlan === undefined ? [] : [0x81, 0, ...word(Number(vlan))]),
    ...word(packet[0]! >> 4 === 4 ? 0x0800 : 0x86dd),
    ...packet,
  ];
  return Uint8Array.from([...bytes, ...new Array<number>(Math.max(0, MINIMUM - bytes.length)).fill(0)]);
}

function nameOf(address: MacAddress): string {
  return Object.entries(WIRE).find(([, each]) => each === address)?.[0] ?? address;
}

/** Describes a frame as `frameFrom` would be asked for it, after the name of the host that it goes to. */
export function describeFrame(frame: Uint8Array): string {
  const { destinationMac, sourceMac, vlans } = summarizeFrame(frame);
  const sender = sourceMac === WIRE['director'] ? [] : [`from=${nameOf(sourceMac)}`];
  const start = 14 + vlans.length * 4;
  const tags = vlans.map((_, i) => `vlan=${(frame[14 + i * 4]! << 8) | frame[15 + i * 4]!}`);
  const packet = [...frame.subarray(start)];
  return [nameOf(destinationMac), ...packetWords(packet), ...tags, ...sender].join(' ');
}

const at16 = (bytes: readonly number[], at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;

interface Heading {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  readonly body: readonly number[];
  readonly words: readonly string[];
  readonly isLater: boolean;
}

function headingOf(packet: readonly number[]): Heading {
  const addressAt = (at: number, bytes: number): IpAddress =>
    ipFromBytes(Uint8Array.from(packet.slice(at, at + bytes)));
  if (packet[0]! >> 4 === 4) {
    const bytes = (packet[0]! & 15) * 4;
    const bits = at16(packet, 6);
    const end = at16(packet, 2);
    const offset = (bits & 0x1fff) * 8;
    const isPart = (bits & 0x3fff) !== 0;
    return {
      source: addressAt(12, 4),
      destination: addressAt(16, 4),
      protocol: packet[9]!,
      body: packet.slice(bytes, end),
      isLater: offset !== 0,
      words: [
        ...(packet[8] === 64 ? [] : [`ttl=${packet[8]!}`]),
        ...(packet[1] === 0 ? [] : [`tos=${packet[1]!}`]),
        ...((bits & 0x4000) === 0 ? [] : ['df']),
        ...(bytes === 20 ? [] : ['nops']),
        ...(isPart ? [`part=${offset}-${offset + end - bytes}${(bits & 0x2000) === 0 ? '' : '+'}`] : []),
        ...(at16(packet, 4) === 0 ? [] : [`id=${at16(packet, 4)}`]),
      ],
    };
  }
  const isPart = packet[6] === 44;
  const end = 40 + at16(packet, 4);
  const body = packet.slice(isPart ? 48 : 40, end);
  const offset = isPart ? at16(packet, 42) & 0xfff8 : 0;
  const part = `part=${offset}-${offset + body.length}${(at16(packet, 42) & 1) === 0 ? '' : '+'}`;
  return {
    source: addressAt(8, 16),
    destination: addressAt(24, 16),
    protocol: isPart ? packet[40]! : packet[6]!,
    body,
    isLater: offset !== 0,
    words: [...(packet[7] === 64 ? [] : [`ttl=${packet[7]!}`]), ...(isPart ? [part, `id=${at16(packet, 46)}`] : [])],
  };
}

function packetWords(packet: readonly number[]): string[] {
  const { source, destination, protocol, body, words, isLater } = headingOf(packet);
  if (protocol === AH && !isLater) {
    return [...transportWords(source, destination, body[0]!, body.slice(AH_BYTES)), 'ah', ...words];
  }
  if ((protocol === 1 || protocol === 58) && !isLater) {
    return icmpWords(source, destination, body, words);
  }
  return isLater
    ? [protocolName(protocol), source, destination, ...words]
    : [...transportWords(source, destination, protocol, body), ...words];
}

function protocolName(protocol: number): string {
  const names: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 50: 'esp', 51: 'ah', 58: 'icmp' };
  return names[protocol] ?? String(protocol);
}

function transportWords(
  source: IpAddress,
  destination: IpAddress,
  protocol: number,
  body: readonly number[],
): string[] {
  const name = protocolName(protocol);
  if (body.length < 4 || !['tcp', 'udp'].includes(name)) {
    return [name, source, destination];
  }
  const ends = [spelled(source, at16(body, 0)), spelled(destination, at16(body, 2))];
  if (name === 'udp') {
    return [name, ...ends, ...(body.length > 8 ? [`len=${body.length - 8}`] : [])];
  }
  const flags = Object.entries(FLAGS).filter(([, bit]) => ((body[13] ?? 0) & bit) !== 0);
  const letters = flags.map(([letter]) => letter).join('');
  return [
    name,
    ...ends,
    ...(letters === '' ? [] : [letters]),
    ...(body.length > 20 ? [`len=${body.length - 20}`] : []),
  ];
}

/** The ids of what the director itself sends are left out, because they are random. */
function icmpWords(
  source: IpAddress,
  destination: IpAddress,
  body: readonly number[],
  words: readonly string[],
): string[] {
  const [type = 0, code = 0] = body;
  const isIpv4 = familyOf(source) === 4;
  const isError = isIpv4 ? type !== 8 && type !== 0 : type < 128;
  const mtu = isIpv4 ? at16(body, 6) : at16(body, 4) * 0x10000 + at16(body, 6);
  const quote = isError ? headingOf(body.slice(8)) : undefined;
  const known = quote && transportWords(quote.source, quote.destination, quote.protocol, quote.body.slice(0, 14));
  return [
    'icmp',
    `${type}/${code}`,
    source,
    destination,
    ...(isError && mtu !== 0 ? [`mtu=${mtu}`] : []),
    ...(known ? [`quote=${known.slice(0, 3).join(',')}`, `quoted=${body.length - 8}`] : []),
    ...words.filter((each) => !each.startsWith('id=') || words.some((other) => other.startsWith('part='))),
  ];
}
