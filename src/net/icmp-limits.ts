/** Reads the kernel's limits of ICMP errors, which the director's own errors share (ip-sysctl). */

import { readFileSync } from 'node:fs';

import type { IcmpLimits } from '../model/index.js';

/** The kernel's defaults. Before kernel 6.13 a network namespace does not show the last two. */
const DEFAULTS = {
  'ipv4/icmp_ratelimit': '1000',
  'ipv4/icmp_ratemask': '6168',
  'ipv6/icmp/ratelimit': '1000',
  'ipv6/icmp/ratemask': '0-1,3-127',
  'ipv4/icmp_msgs_per_sec': '1000',
  'ipv4/icmp_msgs_burst': '50',
} as const;

type Setting = keyof typeof DEFAULTS;

/**
 * Returns the limits of the caller's network namespace. A setting that does not exist, as without IPv6, has its default.
 *
 * @param folder only tests give another one
 */
export function readIcmpLimits(folder = '/proc/sys/net'): IcmpLimits {
  const read = (setting: Setting): string => {
    try {
      return readFileSync(`${folder}/${setting}`, 'utf8').trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return DEFAULTS[setting];
      }
      throw error;
    }
  };
  return {
    intervalMs: { 4: Number(read('ipv4/icmp_ratelimit')), 6: Number(read('ipv6/icmp/ratelimit')) },
    limitedTypes: { 4: Number(read('ipv4/icmp_ratemask')) >>> 0, 6: bitsOf(read('ipv6/icmp/ratemask')) },
    perSecond: Number(read('ipv4/icmp_msgs_per_sec')),
    burst: Number(read('ipv4/icmp_msgs_burst')),
  };
}

/** Returns the bits below 32 of a list of numbers and ranges: "0-1,3-127". */
function bitsOf(list: string): number {
  let bits = 0;
  for (const range of list.split(',').filter(Boolean)) {
    const [first = 0, last = first] = range.split('-').map(Number);
    for (let bit = first; bit <= Math.min(last, 31); bit += 1) {
      bits |= 1 << bit;
    }
  }
  return bits >>> 0;
}
