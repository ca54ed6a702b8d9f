/** The shape of VRRP in the configuration file. */

import { z } from 'zod';

import {
  DEFAULT_PRIORITY,
  DEFAULT_VRRP_INTERVAL,
  defaultInstanceName,
  type IpAddress,
  MAX_PREEMPT_DELAY,
  parseVip,
  type VrrpInstance,
  type VrrpSettings,
} from '../model/index.js';
import { secondsFrom, textLike } from './schema-check-values.js';
import { interfaceName, ipAddress, wholeNumber } from './schema-values.js';

/** keepalived's files give meaning to most other characters, and its events stand in lines of words. */
const keepalivedName = textLike(
  'must be a name of letters, digits, ".", "_", ":" and "-"',
  /^[A-Za-z0-9][A-Za-z0-9._:-]*$/,
  64,
);

/** RFC 9568, 5.2.7: 12 bits of centiseconds. */
const MOST_INTERVAL = 40.95;
const INTERVAL_FORM = `must be seconds from 0.01 to ${MOST_INTERVAL}, in steps of 0.01`;
const interval = z
  .number({ error: INTERVAL_FORM })
  .min(0.01, { error: INTERVAL_FORM })
  .max(MOST_INTERVAL, { error: INTERVAL_FORM })
  .refine((seconds) => Math.abs(seconds * 100 - Math.round(seconds * 100)) < 1e-6, { error: INTERVAL_FORM });

const trueOrFalse = z.boolean({ error: 'must be true or false' });

/** RFC 9568, 5.2.5: the count of addresses has eight bits; keepalived carries the others beside it. */
const MOST_ADDRESSES = 4096;
const MOST_PEERS = 64;

function addressList(each: ReturnType<typeof ipAddress>, most: number): z.ZodType<readonly IpAddress[], string[]> {
  return z
    .array(each, { error: 'must be a list of IP addresses' })
    .min(1, { error: 'must name an address' })
    .max(most, { error: `must name at most ${most} addresses` });
}

/** Of an instance, and of a host, which has others than the next one. */
export const peers = addressList(ipAddress("The other director's own address."), MOST_PEERS);

const INSTANCE_FORM = 'must be a virtual router: a mapping with "id"';

const instance = z.lazy(() =>
  z.strictObject(
    {
      name: keepalivedName.optional().meta({ description: "keepalived's name of it. Default: VI_ID, or VI_ID_6." }),
      interface: interfaceName.optional().meta({
        description: 'The interface by which the directors hear each other. Default: the first interface.',
      }),
      id: wholeNumber(1, 255).meta({
        description: 'The virtual router id (VRID): the same on all of its directors, and no other on that network.',
      }),
      priority: wholeNumber(1, 254)
        .default(DEFAULT_PRIORITY)
        .meta({
          description:
            'The director with the highest is master. After a clean end of the master, another takes over in (256 - priority) / 256 ' +
            'of the interval: give all directors high ones, such as 250 and 240.',
        }),
      interval: interval.default(DEFAULT_VRRP_INTERVAL).meta({
        description:
          'Seconds between two advertisements. Another director takes over if three are missing: at 0.1 in about 0.3 s.',
      }),
      addresses: addressList(ipAddress('An address that the master has.', parseVip), MOST_ADDRESSES)
        .optional()
        .meta({ description: 'The VIPs, of one family. Default: those of the services that no other instance names.' }),
      family: z
        .enum(['ipv4', 'ipv6'], { error: 'must be ipv4 or ipv6' })
        .optional()
        .meta({
          description:
            'Family of the VIPs if "addresses" is not there. Default: that of "source" and "peers"; or else both, as two ' +
            'virtual routers with the same id.',
        }),
      peers: peers.optional().meta({
        description: 'The other directors, for networks without multicast: advertisements go to each of them.',
      }),
      source: ipAddress("This director's own address, from which advertisements come. Default: the interface's first.")
        .optional()
        .meta({
          description: "This director's own address, from which advertisements come. Default: the interface's.",
        }),
      vmac: trueOrFalse.optional().meta({
        description:
          "Whether the VIPs have the virtual router's own MAC (keepalived's use_vmac), so that no neighbour needs to learn " +
          'another one. Default: false.',
      }),
      preempt: trueOrFalse.optional().meta({
        description: 'Whether a director takes the VIPs back from one of lower priority. Default: true.',
      }),
      preemptDelay: secondsFrom(0, MAX_PREEMPT_DELAY)
        .optional()
        .meta({ description: 'Seconds that it waits before it does. Default: 0.' }),
    },
    { error: INSTANCE_FORM },
  ),
);

const settings = z.lazy(() =>
  z.strictObject(
    {
      routerName: keepalivedName
        .optional()
        .meta({ description: "This director's name in keepalived's log. Default: the host's name." }),
      instances: z
        .array(instance, { error: 'must be a list of virtual routers' })
        .min(1, { error: 'must have a virtual router' })
        .max(64, { error: 'must have at most 64 virtual routers' })
        .meta({ description: 'The virtual routers.' }),
    },
    { error: 'must be a mapping with "instances"' },
  ),
);

/** At the top of the file. Built when it is first needed: most files have none. */
export const vrrp = settings.meta({
  description:
    'Which of several directors has the VIPs: keepalived speaks VRRP, with a configuration that "beeline keepalived write" makes.',
});

export type ConfigVrrp = z.output<typeof settings>;
export type ConfigInstance = z.output<typeof instance>;

export { instance as vrrpInstance };

/** Returns the settings with the defaults that the rest of the file gives. @param first of its interfaces */
export function modelOfVrrp({ instances, ...rest }: ConfigVrrp, first: string): VrrpSettings {
  return { ...rest, instances: instances.map((each) => modelOfInstance(each, first)) };
}

export function modelOfInstance({ name, family, ...rest }: ConfigInstance, first: string): VrrpInstance {
  const unnamed = {
    ...rest,
    interface: rest.interface ?? first,
    ...(family !== undefined && { family: family === 'ipv6' ? (6 as const) : (4 as const) }),
  };
  return { name: name ?? defaultInstanceName(unnamed), ...unnamed };
}

/** Returns the keys that a mapping within VRRP may have. @param path from the top of the file */
export function keysInVrrp(path: readonly unknown[]): readonly string[] {
  return Object.keys((path.length > 1 ? instance : settings).unwrap().shape);
}

/** What people know by keepalived's name, or expect, and what is said here instead. */
const INSTEAD: Readonly<Partial<Record<string, string>>> = {
  virtual_router_id: 'id',
  vrid: 'id',
  advert_int: 'interval',
  virtual_ipaddress: 'addresses',
  unicast_peer: 'peers',
  unicast_src_ip: 'source',
  mcast_src_ip: 'source',
  use_vmac: 'vmac',
  nopreempt: 'preempt: false',
  preempt_delay: 'preemptDelay',
  router_id: 'routerName',
};

/** Returns why a key is not known in VRRP, if there is more to say than which ones are. */
export function whyNotInVrrp(key: string): string | undefined {
  if (key.startsWith('auth')) {
    return (
      'is not known here: VRRP version 3 has no authentication (RFC 9568, 9), and that of version 2 stood readable in every ' +
      'packet. Give the directors a network of their own, or let nftables take protocol 112 from the other director alone'
    );
  }
  if (key === 'state') {
    return 'is not known here: all directors begin as standby, and the one with the highest priority becomes master';
  }
  const instead = INSTEAD[key];
  return instead === undefined ? undefined : `is not known here: write "${instead}"`;
}
