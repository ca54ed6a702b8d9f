/** The shapes of single values in the configuration file: addresses, numbers, VLANs, matches. */

import { z } from 'zod';

import { type IpAddress, isMac, type MacAddress, MARK_MATCH_FORM, parseIp, parseMarkMatch } from '../model/index.js';
import { PATTERNS } from './patterns.js';

/**
 * The name of a network interface, as far as the kernel takes it (dev_valid_name in net/core/dev.c): its limits count
 * bytes, and its white space is that of Latin-1.
 */
export const interfaceName = z
  .string({ error: 'must be the name of a network interface' })
  .refine(isInterfaceName, {
    error: 'must be the name of a network interface: 1 to 15 bytes, without white space, slashes and colons',
  })
  .meta({ pattern: PATTERNS.interface });

/** IFNAMSIZ is 16 with the terminating zero. */
const MAX_NAME_BYTES = 15;
const NOT_IN_NAMES: readonly number[] = [0, 9, 10, 11, 12, 13, 0x20, 0xa0, '/'.charCodeAt(0), ':'.charCodeAt(0)];

export function isInterfaceName(text: string): boolean {
  const bytes = Buffer.from(text);
  const fits = bytes.length >= 1 && bytes.length <= MAX_NAME_BYTES;
  return fits && text !== '.' && text !== '..' && !bytes.some((byte) => NOT_IN_NAMES.includes(byte));
}

/** An IP address, in its canonical spelling. */
export function ipAddress(
  description: string,
  parse = parseIp,
): z.ZodPipe<z.ZodString, z.ZodTransform<IpAddress, string>> {
  return z
    .string({ error: 'must be an IP address, for example 192.168.1.100 or fd00::100' })
    .meta({ description, examples: ['192.168.1.100', 'fd00::100'], pattern: PATTERNS.address })
    .transform((text, context) => {
      const address = parse(text);
      if (address === undefined) {
        context.addIssue({
          code: 'custom',
          message: `must be an IP address, for example 192.168.1.100 or fd00::100, not "${text}"`,
        });
        return z.NEVER;
      }
      return address;
    });
}

export function wholeNumber(low: number, high: number): z.ZodNumber {
  const error = `must be a whole number from ${low} to ${high}`;
  return z.number({ error }).int({ error }).min(low, { error }).max(high, { error });
}

export const realServerAddress = ipAddress(
  "The real server's own address, on a network that the director is directly attached to.",
);

export const macAddress = z
  .string({ error: 'must be a MAC address, for example 00:50:00:00:01:00' })
  .meta({ pattern: PATTERNS.mac })
  .transform((text, context) => {
    const address = text.toLowerCase();
    if (!isUnicastMac(address)) {
      context.addIssue({ code: 'custom', message: "must be a host's MAC address, for example 00:50:00:00:01:00" });
      return z.NEVER;
    }
    return address;
  })
  .meta({ examples: ['00:50:00:00:01:00'] });

export const director = z
  .string({ error: 'must be an IP or MAC address' })
  .meta({ pattern: PATTERNS.director })
  .transform((text, context) => {
    const lower = text.toLowerCase();
    const address = isUnicastMac(lower) ? lower : parseIp(text);
    if (address === undefined) {
      context.addIssue({ code: 'custom', message: `must be an IP or MAC address, not "${text}"` });
      return z.NEVER;
    }
    return address;
  });

/** Returns whether a MAC is a host's: not zero, and not a group's, whose first byte is odd. */
function isUnicastMac(text: string): text is MacAddress {
  return isMac(text) && text !== '00:00:00:00:00:00' && (parseInt(text.slice(0, 2), 16) & 1) === 0;
}

const vlanId = wholeNumber(1, 4094);

export const vlan = z
  .union([
    vlanId.transform((id) => ({ id })).meta({ description: 'One tag (802.1Q).' }),
    z
      .strictObject(
        {
          id: vlanId.meta({ description: 'The customer tag (802.1Q).' }),
          outer: vlanId.meta({ description: 'The service tag (802.1ad) around it.' }),
        },
        { error: 'must be a VLAN id from 1 to 4094, or a mapping with "id" and "outer"' },
      )
      .meta({ description: 'Two tags.' }),
  ])
  .meta({ description: 'The VLAN of the real server. Default: the one by which the host reaches its address.' });

export const markMatch = z
  .string({ error: `must be ${MARK_MATCH_FORM}` })
  .meta({ pattern: PATTERNS.match })
  .transform((text, context) => {
    const match = parseMarkMatch(text);
    if (match === undefined) {
      context.addIssue({ code: 'custom', message: `must be ${MARK_MATCH_FORM}, not "${text}"` });
      return z.NEVER;
    }
    return match;
  })
  .meta({
    description: 'Protocol; VIP or network; port, range of ports or "*".',
    examples: ['tcp:192.168.1.100:80', 'tcp:[fd00::100]:443', 'udp:192.168.1.0/28:5000-5010'],
  });
