/** Random directors: services of all kinds in all kinds of surroundings. */

import { type Compilable, SLOT_MARKED, SLOT_UNMOVED } from '../../src/image/index.js';
import {
  type Destination,
  familyOf,
  type DeviceAbove,
  type Interface,
  ip,
  type IpAddress,
  isHashing,
  mac,
  type MarkRule,
  type MarkService,
  overlap,
  type Protocol,
  type Resolution,
  SCHEDULER_FLAGS,
  SCHEDULERS,
  type Service,
  serviceName,
  virtualMac,
  type VrrpSettings,
  type World,
} from '../../src/model/index.js';
import { macFor } from '../support/models.js';
import type { Random } from './random.js';

export interface Scene {
  readonly model: Compilable;
  readonly world: World;
  /** For each service in the order of the image, a pattern of the previous real servers of its slots. It repeats. */
  readonly previous?: readonly (readonly number[])[];
  /** The names of services that are removed after a third of the frames, and back after another: their flows outlive them. */
  readonly gone?: readonly string[];
}

export const OTHER_DIRECTORS = [mac('00:50:00:00:08:01'), mac('00:50:00:00:08:02')];

/** Addresses of the director that are no VIPs; clients have the first two. */
export const OWN_ADDRESSES = ['172.16.0.1', 'fd77::1', '10.7.0.254', '10.7.0.255', 'fe80::1', 'fd07::254'].map(ip);

/** Entries for all flows of a batch: the oracle does not know which ones a full table replaces. */
const FLOWS = { ipv4: 1 << 16, ipv6: 1 << 16 };

/** Addresses of an interface to answer from; the first is a service's in many scenes, and is then not used. */
const INTERFACE_ADDRESSES: readonly Interface['addresses'][] = [
  undefined,
  [ip('10.7.0.254')],
  [ip('fd07::254')],
  [ip('10.7.0.1'), ip('fd07::1'), ip('172.16.0.1'), ip('fd77::1')],
];

/** The interface of BPF_PROG_RUN's frames: the loopback interface, index 1. */
const INGRESS: Interface = { name: 'lo', ifindex: 1, mac: mac('00:50:00:00:04:00'), up: true, mtu: 1500, group: 1 };

/**
 * Devices above it: with a VIP of most scenes, with a VIP of the other family, a standby's, a gateway's, one that is no
 * router's, and VLAN devices.
 */
const ABOVE: readonly DeviceAbove[] = [
  { name: 'vrrp4', mac: mac('00:00:5e:00:01:07'), addresses: [ip('10.7.0.1'), ip('10.9.0.1')] },
  { name: 'vrrp6', mac: mac('00:00:5e:00:02:07'), addresses: [ip('fd07::2')], router: true },
  { name: 'standby', mac: mac('00:00:5e:00:01:08'), addresses: [ip('fe80::200:5eff:fe00:108')], router: true },
  { name: 'gateway', mac: mac('00:00:5e:00:01:0a'), addresses: [ip('172.16.0.1')], router: true },
  { name: 'other', mac: mac('00:00:5e:00:01:0b'), addresses: [ip('fe80::200:5eff:fe00:10b')] },
  { name: 'vlan5', mac: INGRESS.mac, addresses: [], vlan: [{ id: 5, service: false }] },
  {
    name: 'inner5',
    mac: INGRESS.mac,
    addresses: [],
    vlan: [
      { id: 5, service: true },
      { id: 5, service: false },
    ],
  },
];
/** A virtual router of both families whose devices are not there, in some scenes. */
const VRRP: VrrpSettings = {
  instances: [{ name: 'VI_9', interface: INGRESS.name, id: 9, priority: 100, interval: 1, vmac: true }],
};
export const MACS_ABOVE = [...ABOVE.map((each) => each.mac), virtualMac(9, 4), virtualMac(9, 6)];
/** The ids of the VLANs of a scene's real servers and devices, of none, and one that names none. */
export const VLAN_IDS = [0, 0, 5, 5, 20, 20, 100, 100, 4094, 6];

/**
 * Makes a random director.
 *
 * @param egress the index of an existing interface to redirect to
 */
export function randomScene(random: Random, egress: number): Scene {
  const several = random.oneIn(2);
  const from = random.pick(INTERFACE_ADDRESSES);
  const ingress = {
    ...INGRESS,
    ...(from !== undefined && { addresses: from }),
    ...(random.oneIn(2) && { above: ABOVE }),
  };
  const interfaces: Interface[] = several
    ? [
        ingress,
        {
          name: 'out',
          ifindex: egress,
          mac: mac('00:50:00:00:04:02'),
          up: true,
          mtu: random.pick([900, 1500, 9000]),
          group: egress,
        },
        { name: 'bond', ifindex: 9999, mac: mac('00:50:00:00:04:03'), up: true, mtu: 1500, group: 1 },
      ]
    : [ingress];
  const vlans = random.oneIn(2);
  const services = randomServices(random, vlans);
  const marked = random.oneIn(3) ? randomMarks(random, vlans) : { markServices: [], markRules: [] };
  const addresses = new Set(
    [...services, ...marked.markServices].flatMap(({ destinations }) => destinations.map(({ address }) => address)),
  );
  const resolutions = new Map(
    [...addresses].map((address) => [address, randomResolution(random, address, interfaces)]),
  );
  const directors = random.oneIn(2) ? OTHER_DIRECTORS.slice(0, 1 + random.below(2)) : [];
  const model: Compilable = {
    services,
    ...marked,
    directors,
    flows: FLOWS,
    fragments: !random.oneIn(5),
    ...(random.oneIn(4) && { vlans: random.oneIn(2) }),
    ...(random.oneIn(2) && { vrrp: VRRP }),
  };
  const all = [...services, ...marked.markServices];
  const gone = random.oneIn(2) ? all.filter(() => random.oneIn(2)) : [];
  return {
    model,
    world: { interfaces, resolutions, own: random.oneIn(2) ? OWN_ADDRESSES : [] },
    previous: services.map(() => randomPrevious(random)),
    gone: gone.map(serviceName),
  };
}

/** Returns slots that are unmoved, marked, or moved from one of at most five destinations. Unmoved ones are more frequent. */
function randomPrevious(random: Random): number[] {
  const length = random.pick([0, 0, 3, 7, 16]);
  return Array.from({ length }, () => random.pick([SLOT_UNMOVED, SLOT_UNMOVED, SLOT_MARKED, 0, 1, 2, 3, 4]));
}

function randomServices(random: Random, vlans: boolean): Service[] {
  const services = new Map<string, Service>();
  const families = random.pick([[4], [6], [4, 6], [4, 6]]);
  for (let i = 0; i < 1 + random.below(8); i += 1) {
    const family = random.pick(families);
    const address = family === 4 ? ip(`10.7.0.${1 + random.below(3)}`) : ip(`fd07::${1 + random.below(3)}`);
    const port = random.pick([0, 53, 80, 500]);
    const protocol = random.pick(['tcp', 'udp'] as const);
    services.set(`${address} ${port} ${protocol}`, {
      address,
      port,
      protocol,
      slots: 64,
      ...randomPolicy(random, family, protocol),
      ttl: random.pick(['keep', 'keep', 'decrement'] as const),
      noDestination: random.pick(['reject', 'drop'] as const),
      unresolved: random.pick(['hold', 'move'] as const),
      destinations: randomDestinations(random, address, vlans),
    });
  }
  return [...services.values()];
}

/** Makes marks for packets of the services' VIPs. They take some of the services' packets. */
function randomMarks(random: Random, vlans: boolean): { markServices: MarkService[]; markRules: MarkRule[] } {
  const markRules: MarkRule[] = [];
  for (let i = 0; i < 1 + random.below(4); i += 1) {
    const family = random.pick([4, 6] as const);
    const [network, whole] = family === 4 ? ['10.7.0.', 32] : ['fd07::', 128];
    const protocol = random.pick(['tcp', 'udp'] as const);
    const [firstPort, lastPort] = random.pick([
      [53, 53],
      [80, 80],
      [443, 443],
      [50, 90],
      [0, 65_535],
    ] as const);
    const match = random.oneIn(3)
      ? {
          protocol,
          address: family === 4 ? ip('10.7.0.0') : ip('fd07::'),
          prefixLength: whole - 2,
          firstPort,
          lastPort,
        }
      : { protocol, address: ip(`${network}${1 + random.below(3)}`), prefixLength: whole, firstPort, lastPort };
    if (!markRules.some((rule) => overlap(rule.match, match))) {
      markRules.push({ mark: 1 + random.below(2), match });
    }
  }
  const markServices = ([4, 6] as const).flatMap((family) =>
    [1, 2].map((mark): MarkService => {
      const { track: _track, ...policy } = randomPolicy(random, family, 'udp');
      const destinations = randomDestinations(random, family === 4 ? ip('10.7.0.1') : ip('fd07::1'), vlans);
      return {
        mark,
        family,
        slots: 64,
        ...policy,
        noDestination: random.pick(['reject', 'drop'] as const),
        unresolved: random.pick(['hold', 'move'] as const),
        destinations,
      };
    }),
  );
  // Rules of marks without a service remain: they do nothing.
  return { markServices: markServices.filter(() => !random.oneIn(4)), markRules };
}

/** Makes a random scheduler, tracking and persistence. */
function randomPolicy(
  random: Random,
  family: number,
  protocol: Protocol,
): Pick<Service, 'scheduler' | 'flags' | 'track' | 'persistence' | 'onePacket'> {
  const scheduler = random.oneIn(3) ? 'maglev' : random.pick(SCHEDULERS);
  const flags = SCHEDULER_FLAGS.filter((flag) => flag.startsWith(`${scheduler}-`) && random.oneIn(2));
  if (isHashing(scheduler) && random.oneIn(3)) {
    return { scheduler, flags, track: 'moved' };
  }
  if (protocol === 'udp' && random.oneIn(4)) {
    return { scheduler, flags, onePacket: true };
  }
  const mask =
    family === 4
      ? random.pick(['255.255.255.255', '255.255.255.0', '255.0.255.252'].map(ip))
      : random.pick([128, 64, 121]);
  return { scheduler, flags, ...(random.oneIn(4) && { persistence: { timeout: 300, mask } }) };
}

function randomDestinations(random: Random, vip: IpAddress, vlans: boolean): Destination[] {
  return Array.from({ length: random.below(6) }, (_, i) => ({
    address: familyOf(vip) === 4 ? ip(`10.8.0.${i + 1}`) : ip(`fd08::${i + 1}`),
    weight: random.pick([0, 1, 1, 1, 5]),
    ...(random.oneIn(6) && randomCondition(random)),
    ...(random.oneIn(6) && { upperThreshold: random.pick([1, 3, 50]) }),
    ...(random.oneIn(8) && { mac: mac(`02:aa:00:00:00:0${i}`) }),
    ...(vlans &&
      random.oneIn(2) && {
        vlan: random.pick([{ id: 20 }, { id: 4094 }, { id: 20, outer: 100 }, { id: 0, outer: 100 }]),
      }),
  }));
}

/** Makes what health and maintenance make of a destination: nothing goes there, or nothing new, or it is a fallback. */
function randomCondition(random: Random): Pick<Destination, 'weight' | 'condition'> {
  return random.pick([
    { weight: 0, condition: { word: 'down', reason: 'fuzzing', asked: 1, configured: 1, takesNothing: true } },
    { weight: 0, condition: { word: 'disabled', reason: 'fuzzing', asked: 5, configured: 5 } },
    { weight: 0, condition: { word: 'standby', reason: 'fuzzing', asked: 1, configured: 1, spare: true } },
    { weight: 16, condition: { word: 'fallback', reason: 'fuzzing', asked: 1, configured: 1, spare: true } },
  ] as const);
}

function randomResolution(random: Random, address: IpAddress, interfaces: readonly Interface[]): Resolution {
  switch (random.below(8)) {
    case 0:
      return { state: 'local' };
    case 1:
      return { state: 'unresolved', reason: 'fuzzing' };
    default:
      return { state: 'resolved', mac: macFor(address), ifindex: random.pick(interfaces).ifindex };
  }
}
