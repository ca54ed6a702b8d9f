/** The configuration file's shape: what may stand in it, said once for checking, for the JSON Schema and for people. */

import { z } from 'zod';

import {
  DEFAULT_FLOWS,
  DEFAULT_TIMEOUTS,
  isMac,
  MARK_MATCH_FORM,
  MAX_DIRECTORS,
  MAX_FLOWS,
  MAX_INTERFACES,
  MAX_MARK,
  MAX_SLOTS,
  MAX_THRESHOLD,
  MAX_TIMEOUT,
  MAX_WEIGHT,
  NO_DESTINATION,
  parseIp,
  parseMarkMatch,
  PROTOCOLS,
  SCHEDULER_FLAGS,
  SCHEDULERS,
  type Timeouts,
  TRACKING,
  TTL_POLICIES,
} from '../model/index.js';

/** IFNAMSIZ is 16 with the terminating zero; neither white space nor slashes (net/core/dev.c, dev_valid_name). */
const INTERFACE_NAME = /^[^\s/:]{1,15}$/;

/** An address in its canonical spelling; `expected` completes "must be …". */
function ipAddress(description: string): z.ZodPipe<z.ZodString, z.ZodTransform<string, string>> {
  return z
    .string({ error: 'must be an IP address, for example 192.168.1.100 or fd00::100' })
    .meta({ description, examples: ['192.168.1.100', 'fd00::100'] })
    .transform((text, context) => {
      const address = parseIp(text);
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

function wholeNumber(low: number, high: number): z.ZodNumber {
  const error = `must be a whole number from ${low} to ${high}`;
  return z.number({ error }).int({ error }).min(low, { error }).max(high, { error });
}

const realServerAddress = ipAddress(
  "The real server's own address, on a network that the director is directly attached to.",
);

const macAddress = z
  .string({ error: 'must be a MAC address, for example 00:50:00:00:01:00' })
  .transform((text) => text.toLowerCase())
  .refine(isUnicastMac, { error: "must be a host's MAC address, for example 00:50:00:00:01:00" })
  .meta({ examples: ['00:50:00:00:01:00'] });

const director = z.string({ error: 'must be an IP or MAC address' }).transform((text, context) => {
  const address = isUnicastMac(text.toLowerCase()) ? text.toLowerCase() : parseIp(text);
  if (address === undefined) {
    context.addIssue({ code: 'custom', message: `must be an IP or MAC address, not "${text}"` });
    return z.NEVER;
  }
  return address;
});

/** Neither zero nor a group's, whose first byte is odd. */
function isUnicastMac(text: string): boolean {
  return isMac(text) && text !== '00:00:00:00:00:00' && (parseInt(text.slice(0, 2), 16) & 1) === 0;
}

const vlanId = wholeNumber(1, 4094);

const vlan = z
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
  .meta({ description: 'The VLAN that the real server is on. Default: as the host reaches its address.' });

const markMatch = z
  .string({ error: `must be ${MARK_MATCH_FORM}` })
  .transform((text, context) => {
    const match = parseMarkMatch(text);
    if (match === undefined) {
      context.addIssue({ code: 'custom', message: `must be ${MARK_MATCH_FORM}, not "${text}"` });
      return z.NEVER;
    }
    return match;
  })
  .meta({
    description: 'Protocol, VIP or network, and port, range of ports or "*".',
    examples: ['tcp:192.168.1.100:80', 'tcp:[fd00::100]:443', 'udp:192.168.1.0/28:5000-5010'],
  });

const realServerMapping = z.strictObject(
  {
    address: realServerAddress,
    weight: wholeNumber(0, MAX_WEIGHT)
      .default(1)
      .meta({ description: 'Share of new flows relative to the other real servers; 0 takes none.' }),
    mac: macAddress
      .optional()
      .meta({ description: 'Its MAC address, when the host cannot find it by ARP or neighbour discovery.' }),
    interface: z
      .string({ error: 'must be the name of a network interface' })
      .regex(INTERFACE_NAME, { error: 'must be the name of a network interface' })
      .optional()
      .meta({ description: 'Goes with "mac": the interface that leads to it. Default: the first.' }),
    vlan: vlan.optional(),
    upperThreshold: wholeNumber(1, MAX_THRESHOLD)
      .optional()
      .meta({ description: 'It takes no new flows while it has so many. Default: no limit.' }),
    lowerThreshold: wholeNumber(1, MAX_THRESHOLD).optional().meta({
      description: 'Once at "upperThreshold", it takes new flows again below so many. Default: three quarters of that.',
    }),
  },
  { error: 'must be an address, or a mapping with "address" and "weight"' },
);

const realServer = z.union([
  realServerAddress
    .transform((address) => ({ address, weight: 1 }))
    .meta({ description: 'A real server of weight 1, by its address alone.' }),
  realServerMapping.meta({ description: 'A real server.' }),
]);

const TIMEOUT_MEANINGS: Readonly<Record<keyof Timeouts, string>> = {
  synReceived: 'a TCP flow of which only SYNs were seen',
  established: 'an established TCP flow',
  finWait: 'a TCP flow whose client has sent FIN',
  timeWait: 'a TCP flow that ended with FIN before it was established',
  close: 'a TCP flow that was reset',
  udp: 'a UDP flow',
};

const seconds = wholeNumber(1, MAX_TIMEOUT);

const timeouts = z.strictObject(
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

const persistenceMapping = z.strictObject(
  {
    timeout: seconds.meta({ description: 'Seconds for which a client stays after its last flow has ended.' }),
    mask: z
      .union([
        z.string({ error: 'must be an IPv4 netmask or the length of an IPv6 prefix' }).refine(isNetmask, {
          error: 'must be an IPv4 netmask, for example 255.255.255.0, or the length of an IPv6 prefix',
        }),
        wholeNumber(1, 128),
      ])
      .optional()
      .meta({
        description:
          'Which clients stay together: an IPv4 netmask, or the length of an IPv6 prefix. Default: each for itself.',
      }),
  },
  { error: 'must be a number of seconds, or a mapping with "timeout" and "mask"' },
);

function isNetmask(text: string): boolean {
  return parseIp(text)?.includes(':') === false && text !== '0.0.0.0';
}

const persistence = z
  .union([
    seconds.transform((timeout) => ({ timeout })).meta({ description: 'The timeout alone.' }),
    persistenceMapping,
  ])
  .meta({ description: "Keeps a client's flows at one real server, for so many seconds after the last has ended." });

const flowTable = (family: 'ipv4' | 'ipv6'): z.ZodNumber => wholeNumber(1024, MAX_FLOWS[family]);

const service = z.strictObject(
  {
    address: ipAddress('The virtual IP (VIP) that clients connect to.'),
    port: wholeNumber(0, 65_535).meta({
      description: 'The port that clients connect to. 0 stands for every port that no other service of this VIP has.',
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
          "How flows find their real server. maglev: Beeline's consistent hashing of client address and port. The others " +
          'are those of IPVS.',
      }),
    flags: z
      .array(z.enum(SCHEDULER_FLAGS, { error: `must be ${SCHEDULER_FLAGS.join(', ')}` }), {
        error: `must be a list of ${SCHEDULER_FLAGS.join(', ')}`,
      })
      .optional()
      .meta({
        description:
          "What sh and mh can be asked for, as ipvsadm's -b. sh-port, mh-port: hash the client's port too. sh-fallback, " +
          'mh-fallback: take another real server where the first one takes no flows.',
      }),
    track: z
      .enum(TRACKING, { error: 'must be all or moved' })
      .optional()
      .meta({
        description:
          'Which flows are remembered. all (default): every one. moved, under maglev, sh and mh: those alone whose place a ' +
          'change of the real servers moved, which costs other flows nothing.',
      }),
    persistence: persistence.optional(),
    onePacket: z.boolean({ error: 'must be true or false' }).optional().meta({
      description: 'UDP: schedule each packet for itself, and remember no flow.',
    }),
    timeouts: timeouts.optional().meta({ description: 'Where they differ from those of all services.' }),
    ttl: z.enum(TTL_POLICIES, { error: 'must be keep or decrement' }).optional().meta({
      description: 'What happens to the TTL or hop limit: keep (default), or decrement as a router does.',
    }),
    noDestination: z
      .enum(NO_DESTINATION, { error: 'must be reject or drop' })
      .optional()
      .meta({
        description:
          'What happens to packets while there is nobody to send them to. reject (default): the host answers, with a reset ' +
          'or an ICMP error. drop: nobody does.',
      }),
    slots: wholeNumber(2, MAX_SLOTS)
      .refine((slots) => Number.isInteger(Math.log2(slots)), { error: `must be a power of two from 2 to ${MAX_SLOTS}` })
      .optional()
      .meta({
        description:
          "Size of the scheduler's ring, a power of two; at least a hundred for each real server share the flows to 1 %. " +
          'Default: by the number of real servers.',
      }),
    realServers: z.array(realServer, { error: 'must be a list of real servers' }).meta({
      description: 'The real servers. Each must have the VIP on its loopback interface and not answer ARP for it.',
    }),
  },
  { error: 'must be a virtual service: a mapping with "address", "port" and "realServers"' },
);

/** What a service does, without which packets are for it. */
const { address: _address, port: _port, protocol: _protocol, realServers, ...policyShape } = service.shape;

const mark = z.strictObject(
  {
    mark: wholeNumber(1, MAX_MARK).meta({ description: "The mark; IPVS's fwmark." }),
    family: z
      .enum(['ipv4', 'ipv6'], { error: 'must be ipv4 or ipv6' })
      .default('ipv4')
      .meta({ description: 'Of the packets; the same mark of the other family is another service.' }),
    match: z
      .array(markMatch, { error: 'must be a list of matches' })
      .default([])
      .meta({ description: 'Which packets have the mark. No packet may have two.' }),
    ...policyShape,
    realServers: realServers.optional(),
  },
  { error: 'must be a mapping with "mark", "match" and "realServers"' },
);

export const configSchema = z
  .strictObject(
    {
      interfaces: z
        .array(
          z.string({ error: 'must be the name of a network interface' }).regex(INTERFACE_NAME, {
            error: 'must be the name of a network interface',
          }),
          { error: 'must be a list of network interfaces' },
        )
        .min(1, { error: 'must name a network interface' })
        .max(MAX_INTERFACES, { error: `must name at most ${MAX_INTERFACES} network interfaces` })
        .meta({
          description:
            'The network interfaces that packets for the VIPs arrive on and leave by. Of a bond: its members, or the bond.',
        }),
      mode: z
        .enum(['native', 'generic', 'auto'], { error: 'must be native, generic or auto' })
        .default('native')
        .meta({
          description:
            'Where the XDP program runs. native: in the driver, and an error where the driver cannot. generic: in the ' +
            "kernel's own code, for every driver, slower. auto: native, or else generic.",
        }),
      fragments: z.boolean({ error: 'must be true or false' }).optional().meta({
        description: 'Whether later fragments of a packet follow its first (default), or go up to the host.',
      }),
      vlans: z.boolean({ error: 'must be true or false' }).optional().meta({
        description: 'Whether VLAN-tagged frames are looked into. Default: when a real server is on a VLAN.',
      }),
      directors: z
        .array(director, { error: 'must be a list of IP or MAC addresses' })
        .max(MAX_DIRECTORS, { error: `must name at most ${MAX_DIRECTORS} other directors` })
        .optional()
        .meta({ description: 'Other directors on the same networks. What they send here is never scheduled again.' }),
      timeouts: timeouts
        .optional()
        .meta({ description: 'After how many seconds without a packet flows are forgotten.' }),
      flows: z
        .strictObject(
          {
            ipv4: flowTable('ipv4')
              .optional()
              .meta({ description: `Entries for IPv4 flows, 16 bytes each. Default: ${DEFAULT_FLOWS.ipv4}.` }),
            ipv6: flowTable('ipv6')
              .optional()
              .meta({ description: `Entries for IPv6 flows, 32 bytes each. Default: ${DEFAULT_FLOWS.ipv6}.` }),
          },
          { error: 'must be a mapping of ipv4 and ipv6 to numbers of flows' },
        )
        .optional()
        .meta({
          description:
            'How many flows can be remembered. A table works best while no more than three quarters of it is in use.',
        }),
      services: z
        .array(service, { error: 'must be a list of virtual services' })
        .default([])
        .meta({ description: 'The virtual services.' }),
      marks: z
        .array(mark, { error: 'must be a list of marks' })
        .optional()
        .meta({
          description:
            'Services of several VIPs, protocols or ports, which are one to scheduler and persistence: of all packets with ' +
            'the same mark.',
        }),
    },
    { error: 'must be a mapping with "interfaces" and "services"' },
  )
  .meta({
    title: 'Beeline configuration',
    description: 'An LVS-DR director: virtual services and their real servers.',
  });

export type Config = z.output<typeof configSchema>;

/** The JSON Schema (draft 2020-12) of the file, for editors. */
export function jsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(configSchema, { io: 'input' }) };
}

/** The keys that a mapping may have, by how deep it lies: the file, a service, a real server. */
export function knownKeys(path: readonly unknown[]): readonly string[] {
  const inner = { vlan: ['id', 'outer'], persistence: ['timeout', 'mask'], flows: ['ipv4', 'ipv6'] } as const;
  const last = path.at(-1);
  if (last === 'timeouts') {
    return Object.keys(TIMEOUT_MEANINGS);
  }
  if (typeof last === 'string' && last in inner) {
    return inner[last as keyof typeof inner];
  }
  const listed = path[0] === 'marks' ? mark : service;
  return Object.keys([configSchema.shape, listed.shape, realServerMapping.shape][path.length >> 1] ?? {});
}
