/** The shapes of services, marks and real servers in the configuration file. */

import { z } from 'zod';

import {
  DEFAULT_TIMEOUTS,
  MAX_MARK,
  MAX_SLOTS,
  MAX_THRESHOLD,
  MAX_TIMEOUT,
  MAX_WEIGHT,
  NO_DESTINATION,
  isNetmask,
  parseIp,
  parseVip,
  PROTOCOLS,
  SCHEDULER_FLAGS,
  SCHEDULERS,
  type Timeouts,
  TRACKING,
  TTL_POLICIES,
  UNRESOLVED,
} from '../model/index.js';
import { PATTERNS } from './patterns.js';
import { realServerHealth, serviceHealth } from './schema-health.js';
import {
  interfaceName,
  ipAddress,
  macAddress,
  markMatch,
  realServerAddress,
  vlan,
  wholeNumber,
} from './schema-values.js';

export const realServerMapping = z.strictObject(
  {
    address: realServerAddress,
    weight: wholeNumber(0, MAX_WEIGHT)
      .default(1)
      .meta({ description: 'Share of new flows relative to the other real servers; 0: no new flows.' }),
    mac: macAddress
      .optional()
      .meta({ description: 'MAC address, if the host cannot find it by ARP or neighbour discovery.' }),
    interface: interfaceName.optional().meta({
      description: 'The interface that leads to the real server; only with "mac". Default: the first interface.',
    }),
    vlan: vlan.optional(),
    upperThreshold: wholeNumber(1, MAX_THRESHOLD)
      .optional()
      .meta({ description: 'A real server with this many flows takes no new ones. Default: no limit.' }),
    lowerThreshold: wholeNumber(1, MAX_THRESHOLD).optional().meta({
      description:
        'Below this many flows, a real server that reached "upperThreshold" takes new ones again. Default: three quarters of "upperThreshold".',
    }),
    health: realServerHealth.optional(),
  },
  { error: 'must be an address, or a mapping with "address" and "weight"' },
);

const shortRealServer = realServerAddress
  .transform((address) => ({ address, weight: 1 }))
  .meta({ description: 'The address of a real server of weight 1.' });

const realServer = z.union([shortRealServer, realServerMapping.meta({ description: 'A real server.' })]);

/** A real server of a mark's service, whose packets have any port. */
export const markRealServerMapping = realServerMapping.extend({
  port: wholeNumber(1, 65_535).optional().meta({
    description: "The port that ipvsadm's listings show. Packets keep the one that the client sent them to.",
  }),
});
const markRealServer = z.union([shortRealServer, markRealServerMapping.meta({ description: 'A real server.' })]);

function listOf<Each extends z.ZodType>(each: Each): z.ZodArray<Each> {
  return z.array(each, { error: 'must be a list of real servers' }).meta({
    description:
      'The real servers. Each must have the VIP on its loopback interface and not answer ARP for it. 127.0.0.1, ::1 and ' +
      '0.0.0.0 are the director itself.',
  });
}

export const TIMEOUT_MEANINGS: Readonly<Record<keyof Timeouts, string>> = {
  synReceived: 'a TCP flow with nothing but SYNs',
  established: 'an established TCP flow',
  finWait: 'a TCP flow whose client has sent FIN',
  timeWait: 'a TCP flow that ended with FIN before it was established',
  close: 'a TCP flow that was reset',
  udp: 'a UDP flow',
};

const seconds = wholeNumber(1, MAX_TIMEOUT);

export const timeouts = z.strictObject(
  Object.fromEntries(
    Object.entries(TIMEOUT_MEANINGS).map(([state, meaning]) => [
      state,
      seconds.optional().meta({
        description: `Seconds without a packet after which ${meaning} is forgotten. Default: ${DEFAULT_TIMEOUTS[state as keyof Timeouts]}.`,
      }),
    ]),
  ) as Record<keyof Timeouts, z.ZodOptional<z.ZodNumber>>,
  { error: `must be a mapping of ${Object.keys(TIMEOUT_MEANINGS).join(', ')} to seconds` },
);

const netmask = z
  .string({ error: 'must be an IPv4 netmask or the length of an IPv6 prefix' })
  .meta({ pattern: PATTERNS.netmask })
  .transform((text, context) => {
    const mask = parseIp(text);
    if (mask === undefined || !isNetmask(mask)) {
      context.addIssue({
        code: 'custom',
        message: 'must be an IPv4 netmask, for example 255.255.255.0, or the length of an IPv6 prefix',
      });
      return z.NEVER;
    }
    return mask;
  });

const persistenceMapping = z.strictObject(
  {
    timeout: seconds.meta({
      description: 'Seconds for which a client stays at its real server after its last flow has ended.',
    }),
    mask: z
      .union([netmask, wholeNumber(1, 128)])
      .optional()
      .meta({
        description:
          'Clients of one network stay together: an IPv4 netmask, or the length of an IPv6 prefix. Default: each address is a client.',
      }),
  },
  { error: 'must be a number of seconds, or a mapping with "timeout" and "mask"' },
);

const persistence = z
  .union([seconds.transform((timeout) => ({ timeout })).meta({ description: 'The timeout.' }), persistenceMapping])
  .meta({
    description: "Keeps a client's flows at one real server, and for this many seconds after the last has ended.",
  });

export const service = z.strictObject(
  {
    address: ipAddress('The virtual IP (VIP) that clients connect to.', parseVip),
    port: wholeNumber(0, 65_535).meta({
      description: 'The port that clients connect to. 0: every port that no other service of this VIP has.',
    }),
    protocol: z
      .enum(PROTOCOLS, { error: 'must be tcp or udp' })
      .default('tcp')
      .meta({ description: 'Transport protocol.' }),
    scheduler: z
      .enum(SCHEDULERS, { error: `must be ${SCHEDULERS.join(', ')}` })
      .default('maglev')
      .meta({
        description:
          "The rule that chooses a real server for a new flow. maglev: Beeline's consistent hashing of client address and " +
          'port. The others are those of IPVS.',
      }),
    flags: z
      .array(z.enum(SCHEDULER_FLAGS, { error: `must be ${SCHEDULER_FLAGS.join(', ')}` }), {
        error: `must be a list of ${SCHEDULER_FLAGS.join(', ')}`,
      })
      .optional()
      .meta({
        description:
          "Options of sh and mh, as ipvsadm's -b. sh-port, mh-port: hash the client's port too. sh-fallback, mh-fallback: " +
          'choose another real server if the first one takes no flows.',
      }),
    track: z
      .enum(TRACKING, { error: 'must be all or moved' })
      .optional()
      .meta({
        description:
          'Which flows are remembered. all (default): every flow. moved (maglev, sh and mh): only flows that a change of the ' +
          'real servers would move, so that the others cost nothing.',
      }),
    persistence: persistence.optional(),
    onePacket: z.boolean({ error: 'must be true or false' }).optional().meta({
      description: 'UDP: schedule each packet by itself, and remember no flow.',
    }),
    timeouts: timeouts.optional().meta({ description: 'Timeouts of this service. Default: those of all services.' }),
    ttl: z.enum(TTL_POLICIES, { error: 'must be keep or decrement' }).optional().meta({
      description: 'What happens to the TTL or hop limit: keep (default), or decrement as a router does.',
    }),
    noDestination: z
      .enum(NO_DESTINATION, { error: 'must be reject or drop' })
      .optional()
      .meta({
        description:
          'What happens to packets if no real server takes them. reject (default): the director answers with ICMP port ' +
          'unreachable. drop: there is no answer.',
      }),
    unresolved: z
      .enum(UNRESOLVED, { error: 'must be hold or move' })
      .optional()
      .meta({
        description:
          'What happens to the flows of a real server that does not answer ARP or neighbour discovery; new flows go to ' +
          'others at once. hold (default): they stay, and their packets are dropped until it answers again. move: they go ' +
          'to others, which reset them. While none answers, packets are dropped in either case.',
      }),
    slots: wholeNumber(2, MAX_SLOTS)
      .refine((slots) => Number.isInteger(Math.log2(slots)), { error: `must be a power of two from 2 to ${MAX_SLOTS}` })
      .optional()
      .meta({
        description:
          "Size of the scheduler's ring, a power of two. With a hundred slots or more for each real server, shares are exact " +
          'to 1 %. Default: by the number of real servers.',
      }),
    health: serviceHealth.optional(),
    essential: z.boolean({ error: 'must be true or false' }).optional().meta({
      description:
        'Whether this director gives the VIPs up ("vrrp") while no real server of the service is up. Needs "health". Default: false.',
    }),
    realServers: listOf(realServer),
  },
  { error: 'must be a virtual service: a mapping with "address", "port" and "realServers"' },
);

/** The keys of a service that do not select its packets. */
const {
  address: _address,
  port: _port,
  protocol: _protocol,
  realServers: _realServers,
  ...policyShape
} = service.shape;

export const mark = z.strictObject(
  {
    mark: wholeNumber(1, MAX_MARK).meta({ description: 'The mark, which ipvsadm calls fwmark.' }),
    family: z
      .enum(['ipv4', 'ipv6'], { error: 'must be ipv4 or ipv6' })
      .default('ipv4')
      .meta({ description: 'Family of the packets. The same mark of the other family is another service.' }),
    match: z
      .array(markMatch, { error: 'must be a list of matches' })
      .default([])
      .meta({ description: 'The packets that get the mark. No packet may get two.' }),
    ...policyShape,
    realServers: listOf(markRealServer).optional(),
  },
  { error: 'must be a mapping with "mark", "match" and "realServers"' },
);
