/** The shape of the configuration file, which serves for checking, for the JSON Schema and for the manual. */

import { z } from 'zod';

import { DEFAULT_FLOWS, MAX_CLIENT_BRIDGES, MAX_FLOWS } from '../model/index.js';
import { hostKeys, hosts, keysInHosts } from './hosts.js';
import { flowHandOver, handOverKeys } from './schema-hand-over.js';
import { healthSettings, keysInHealth } from './schema-health.js';
import {
  mark,
  markRealServerMapping,
  realServerMapping,
  service,
  TIMEOUT_MEANINGS,
  timeouts,
} from './schema-service.js';
import { interfaceName, wholeNumber } from './schema-values.js';
import { keysInVrrp, vrrp } from './schema-vrrp.js';

const flowTable = (family: 'ipv4' | 'ipv6'): z.ZodNumber => wholeNumber(1024, MAX_FLOWS[family]);

export const configSchema = z
  .strictObject(
    {
      interfaces: hostKeys.interfaces.meta({
        description:
          'The network interfaces by which packets for the VIPs arrive and leave. For a bond, name the bond or its members.',
      }),
      mode: hostKeys.mode.default('native').meta({
        description:
          'Where the XDP program runs. native: in the driver; an error if the driver cannot. generic: in the kernel after ' +
          'the driver; slower, and works with every driver. auto: native if the driver can, or else generic.',
      }),
      fragments: z.boolean({ error: 'must be true or false' }).optional().meta({
        description: 'Whether later fragments of a packet follow the first one (default) or go to the host.',
      }),
      vlans: hostKeys.vlans.optional().meta({
        description:
          'Whether packets in VLAN-tagged frames are scheduled, of whatever VLAN. Default: those of the VLANs of real servers, and of the VLAN devices of this host.',
      }),
      directors: hostKeys.directors
        .optional()
        .meta({ description: 'Other directors on the same networks. Frames from them are never scheduled again.' }),
      hostClients: z.boolean({ error: 'must be true or false' }).optional().meta({
        description:
          "Whether this host's own connections to the VIPs are scheduled, as those of clients are. Default: they stay on this host.",
      }),
      clientBridges: z
        .array(interfaceName, { error: 'must be a list of bridges' })
        .max(MAX_CLIENT_BRIDGES, { error: `must name at most ${MAX_CLIENT_BRIDGES} bridges` })
        .optional()
        .meta({
          description:
            'Bridges of this host whose containers reach the VIPs as the host does (hostClients), under its address: their ' +
            'packets must be masqueraded, as Docker and Podman do.',
        }),
      timeouts: timeouts.optional().meta({ description: 'Seconds without a packet after which flows are forgotten.' }),
      flows: z
        .strictObject(
          {
            ipv4: flowTable('ipv4')
              .optional()
              .meta({ description: `Entries for IPv4 flows at most, 16 bytes each. Default: ${DEFAULT_FLOWS.ipv4}.` }),
            ipv6: flowTable('ipv6')
              .optional()
              .meta({ description: `Entries for IPv6 flows at most, 32 bytes each. Default: ${DEFAULT_FLOWS.ipv6}.` }),
          },
          { error: 'must be a mapping of ipv4 and ipv6 to numbers of flows' },
        )
        .optional()
        .meta({
          description:
            'The most entries of the flow tables, which grow with their flows up to that. A table works best if no more than half of these are in use.',
        }),
      health: healthSettings.optional(),
      vrrp: vrrp.optional(),
      flowHandOver: flowHandOver.optional(),
      hosts: hosts.optional(),
      services: z
        .array(service, { error: 'must be a list of virtual services' })
        .default([])
        .meta({ description: 'The virtual services.' }),
      marks: z
        .array(mark, { error: 'must be a list of marks' })
        .optional()
        .meta({
          description:
            'Services of marked packets. VIPs, protocols and ports with the same mark are one service to scheduler and ' +
            'persistence.',
        }),
    },
    { error: 'must be a mapping with "interfaces" and "services"' },
  )
  .meta({
    title: 'Beeline configuration',
    description: 'An LVS-DR director: virtual services and their real servers.',
  });

export type Config = z.output<typeof configSchema>;

/** Returns the JSON Schema (draft 2020-12) of the file, for editors. */
export function jsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(configSchema, { io: 'input' }) };
}

/**
 * Returns the keys that the mapping at a path may have. Its depth tells what it is: the file, a service, a real server.
 *
 * @param value the mapping, which tells the type of a check
 */
export function knownKeys(path: readonly unknown[], value: unknown): readonly string[] {
  if (path.at(-1) === 'flowHandOver') {
    return handOverKeys;
  }
  const inside =
    path[0] === 'vrrp' ? keysInVrrp(path) : path[0] === 'hosts' ? keysInHosts(path) : keysInHealth(path, value);
  if (inside !== undefined) {
    return inside;
  }
  const inner = { vlan: ['id', 'outer'], persistence: ['timeout', 'mask'], flows: ['ipv4', 'ipv6'] } as const;
  const last = path.at(-1);
  if (last === 'timeouts') {
    return Object.keys(TIMEOUT_MEANINGS);
  }
  if (typeof last === 'string' && last in inner) {
    return inner[last as keyof typeof inner];
  }
  const listed = path[0] === 'marks' ? mark : service;
  const server = path[0] === 'marks' ? markRealServerMapping : realServerMapping;
  return Object.keys([configSchema.shape, listed.shape, server.shape][path.length >> 1] ?? {});
}
