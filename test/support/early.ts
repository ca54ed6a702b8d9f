/**
 * A client whose datagrams arrive in fragments of another order.
 *
 *   SOURCE VIP PORT BYTES COUNT NIC MAC ORDER    sends datagrams in fragments of 1,000 bytes, which leave in this order
 *                                                ("2,1,0"), and prints the answers
 */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { type IpAddress, mac, type MacAddress } from '../../src/model/index.js';
import { PacketSocket } from '../../src/native/index.js';
import { buildFrame } from '../../src/packet/index.js';

const ETHERNET_BYTES = 14;
const PART = 1000;

const [source, vip, port, bytes, count, nic, director, order] = process.argv.slice(2) as [
  IpAddress,
  IpAddress,
  string,
  string,
  string,
  string,
  MacAddress,
  string,
];
const ifindex = Number(process.env['IFINDEX']);
const own = mac(networkInterfaces()[nic]![0]!.mac);

/** Returns the fragments of a frame whose IP header has no options. */
function fragmentsOf(frame: Buffer, id: number): Buffer[] {
  const isIpv4 = frame[ETHERNET_BYTES]! >> 4 === 4;
  const headers = ETHERNET_BYTES + (isIpv4 ? 20 : 40);
  const payload = frame.subarray(headers);
  const parts: Buffer[] = [];
  for (let at = 0; at < payload.length; at += PART) {
    const part = payload.subarray(at, at + PART);
    const more = at + PART < payload.length;
    const header = Buffer.from(frame.subarray(0, headers));
    parts.push(
      Buffer.concat([isIpv4 ? header4(header, part, at, more, id) : header6(header, part, at, more, id), part]),
    );
  }
  return parts;
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    sum += bytes.readUInt16BE(i);
  }
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~(sum + (sum >>> 16)) & 0xffff;
}

/** Sets UDP's checksum, which IPv6 asks for. The datagram has an even length. */
function sumUp(frame: Buffer): void {
  const udp = frame.subarray(ETHERNET_BYTES + 40);
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(udp.length);
  pseudo.writeUInt32BE(17, 4);
  udp.writeUInt16BE(0, 6);
  udp.writeUInt16BE(checksum(Buffer.concat([frame.subarray(ETHERNET_BYTES + 8, ETHERNET_BYTES + 40), pseudo, udp])), 6);
}

function header4(header: Buffer, part: Buffer, at: number, more: boolean, id: number): Buffer {
  const ip = header.subarray(ETHERNET_BYTES);
  ip.writeUInt16BE(ip.length + part.length, 2);
  ip.writeUInt16BE(id, 4);
  ip.writeUInt16BE((more ? 0x2000 : 0) | (at >> 3), 6);
  ip.writeUInt16BE(0, 10);
  ip.writeUInt16BE(checksum(ip), 10);
  return header;
}

function header6(header: Buffer, part: Buffer, at: number, more: boolean, id: number): Buffer {
  const fragment = Buffer.from([header[ETHERNET_BYTES + 6]!, 0, 0, 0, 0, 0, 0, 0]);
  fragment.writeUInt16BE(at | (more ? 1 : 0), 2);
  fragment.writeUInt32BE(id, 4);
  header[ETHERNET_BYTES + 6] = 44;
  header.writeUInt16BE(fragment.length + part.length, ETHERNET_BYTES + 4);
  return Buffer.concat([header, fragment]);
}

// Another run's ids are remembered for a while.
const first = randomInt(2 ** 15);
using raw = new PacketSocket();
for (let i = 0; i < Number(count); i += 1) {
  const socket = createSocket(vip.includes(':') ? 'udp6' : 'udp4');
  socket.bind(0, source);
  await once(socket, 'listening');
  const frame = buildFrame({
    destinationMac: director,
    sourceMac: own,
    source,
    destination: vip,
    protocol: 'udp',
    sourcePort: socket.address().port,
    destinationPort: Number(port),
    payload: new Uint8Array(Number(bytes)),
  });
  const bytesOfFrame = Buffer.from(frame);
  if (vip.includes(':')) {
    sumUp(bytesOfFrame);
  }
  const fragments = fragmentsOf(bytesOfFrame, first + i);
  for (const each of order.split(',')) {
    raw.send(ifindex, fragments[Number(each)]!);
  }
  const [answer] = (await Promise.race([once(socket, 'message'), sleep(1000, ['no answer'])])) as [Buffer | string];
  process.stdout.write(`${answer.toString()}\n`);
  socket.close();
}
process.exit();
