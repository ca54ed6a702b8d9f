/** Frames with VRRP's advertisements, for tests. */

import { familyOf, ip, ipBytes, mac, macBytes } from '../../src/model/index.js';

export interface AdvertisementOptions {
  readonly version?: 2 | 3;
  readonly id?: number;
  readonly priority?: number;
  /** Seconds. */
  readonly interval?: number;
  readonly addresses?: readonly string[];
  readonly source?: string;
  readonly mac?: string;
  /** Of version 2. */
  readonly authentication?: number;
}

const word = (value: number): [number, number] => [(value >> 8) & 0xff, value & 0xff];

/** A whole frame; its checksums are 0, since nobody looks at them. */
export function advertisement({
  version = 3,
  id = 51,
  priority = 240,
  interval = 1,
  addresses = ['192.168.1.100'],
  source = '192.168.1.22',
  mac: sender = '00:50:00:00:05:00',
  authentication = 0,
}: AdvertisementOptions): Uint8Array {
  const timing = version === 2 ? [authentication, interval] : word(Math.round(interval * 100));
  const message = [
    ...[(version << 4) | 1, id, priority, addresses.length, ...timing, 0, 0],
    ...addresses.flatMap((each) => [...ipBytes(ip(each))]),
    // "swordfish"
    ...(version === 2 ? [0x73, 0x77, 0x6f, 0x72, 0x64, 0x66, 0x69, 0x73] : []),
  ];
  const family = familyOf(ip(source));
  const group = family === 4 ? '224.0.0.18' : 'ff02::12';
  const ends = [...ipBytes(ip(source)), ...ipBytes(ip(group))];
  const header =
    family === 4
      ? [0x45, 0xc0, ...word(20 + message.length), 0, 0, 0, 0, 255, 112, 0, 0, ...ends]
      : [0x60, 0, 0, 0, ...word(message.length), 112, 255, ...ends];
  const to = family === 4 ? '01:00:5e:00:00:12' : '33:33:00:00:00:12';
  const link = [...macBytes(mac(to)), ...macBytes(mac(sender)), ...(family === 4 ? [0x08, 0x00] : [0x86, 0xdd])];
  return Uint8Array.from([...link, ...header, ...message]);
}
