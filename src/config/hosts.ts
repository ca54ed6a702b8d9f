/** One file for several directors: what each host has of its own. Pure. */

import { z } from 'zod';

import { type Family, familyOf, type IpAddress, MAX_DIRECTORS, MAX_INTERFACES, toldFamily } from '../model/index.js';
import type { Path } from './problem.js';
import { flowHandOver } from './schema-hand-over.js';
import { type ConfigInstance, type ConfigVrrp, peers } from './schema-vrrp.js';
import { director, interfaceName, wholeNumber } from './schema-values.js';

/** The keys of the file that a host may replace. What services say is the same on all of them: else a failover tears flows. */
export const hostKeys = {
  interfaces: z
    .array(interfaceName, { error: 'must be a list of network interfaces' })
    .min(1, { error: 'must name a network interface' })
    .max(MAX_INTERFACES, { error: `must name at most ${MAX_INTERFACES} network interfaces` }),
  mode: z.enum(['native', 'generic', 'auto'], { error: 'must be native, generic or auto' }),
  vlans: z.boolean({ error: 'must be true or false' }),
  directors: z
    .array(director, { error: 'must be a list of IP or MAC addresses' })
    .max(MAX_DIRECTORS, { error: `must name at most ${MAX_DIRECTORS} other directors` }),
};

const hostSection = z.strictObject(
  {
    interfaces: hostKeys.interfaces.optional().meta({ description: 'Its network interfaces.' }),
    mode: hostKeys.mode.optional().meta({ description: 'Where the XDP program runs there.' }),
    vlans: hostKeys.vlans.optional().meta({ description: 'Whether tagged frames are scheduled there.' }),
    directors: hostKeys.directors.optional().meta({ description: 'The directors that are others to it.' }),
    flowHandOver: flowHandOver.optional().meta({ description: 'Its flow hand-over.' }),
    priority: wholeNumber(1, 254)
      .optional()
      .meta({ description: 'Its priority in all virtual routers of "vrrp": the highest is master.' }),
    peers: peers.optional().meta({
      description:
        'The directors to which it sends advertisements, where there is no multicast: each virtual router has those of its family.',
    }),
  },
  { error: 'must be a mapping of what this host has of its own' },
);

/** As far as a kernel takes it: 64 characters. */
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;
const MOST_HOSTS = 64;

export const hosts = z
  .record(z.string(), hostSection, { error: 'must be a mapping from names of hosts to what they have of their own' })
  .superRefine((value, context) => {
    const names = Object.keys(value);
    names.forEach((name, i) => {
      if (!HOST_NAME.test(name)) {
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'must be the name of a host, as "hostname" prints it',
        });
      }
      const same = names.slice(0, i).find((other) => isHost(other, name) || isHost(name, other));
      if (same !== undefined) {
        context.addIssue({ code: 'custom', path: [name], message: `is the same host as ${same}` });
      }
    });
    if (names.length > MOST_HOSTS) {
      context.addIssue({ code: 'custom', message: `must name at most ${MOST_HOSTS} hosts` });
    }
  })
  .meta({
    description:
      'What single directors have of their own if several share this file, by the name of the host ("lb1", or ' +
      '"lb1.example.org"). It takes the place of the same key at the top of the file.',
  });

type Hosts = z.output<typeof hosts>;

/** Returns whether a host has a name: "lb1" is also "lb1.example.org". Letters' case does not matter, as in DNS. */
export function isHost(host: string, name: string): boolean {
  const [a, b] = [host.toLowerCase(), name.toLowerCase()];
  return a === b || a.startsWith(`${b}.`);
}

interface Shared {
  readonly interfaces: string[];
  readonly hosts?: Hosts | undefined;
  readonly vrrp?: ConfigVrrp | undefined;
}

/** Returns what a host has of its own, and by which name; undefined: the file does not name it. */
function sectionFor({ hosts: all = {} }: Shared, host: string): [string, Hosts[string]] | undefined {
  return Object.entries(all).find(([name]) => isHost(host, name));
}

/** Returns the content of the file as it holds for a host: without "hosts", and with what that has for it. */
export function forHost<Content extends Shared>(content: Content, host: string): Omit<Content, 'hosts'> {
  const { hosts: _hosts, ...rest } = content;
  const [, section] = sectionFor(content, host) ?? [];
  if (section === undefined) {
    return rest;
  }
  const { priority, peers: all = [], ...own } = section;
  const { vrrp } = content;
  const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return {
    ...rest,
    ...given,
    ...(vrrp !== undefined && {
      vrrp: {
        ...vrrp,
        instances: vrrp.instances.map((each) => {
          const ofFamily = all.filter((peer) => familyOf(peer) === familyAmong(each, all));
          return {
            ...each,
            ...(priority !== undefined && { priority }),
            ...(ofFamily.length > 0 && { peers: ofFamily }),
          };
        }),
      },
    }),
  };
}

/** The family of an instance; one that says none takes the first peer's, as if the peers were its own. */
function familyAmong({ family, addresses, source, peers: own }: ConfigInstance, all: readonly IpAddress[]): Family {
  const told = family === undefined ? undefined : family === 'ipv6' ? 6 : 4;
  return toldFamily({ family: told, addresses, source, peers: [...(own ?? []), ...all] }) ?? 4;
}

/** Returns the keys that a host's mapping may have; of all hosts, any name is one. @param path from the top of the file */
export function keysInHosts(path: readonly unknown[]): readonly string[] {
  return path.length > 1 ? Object.keys(hostSection.shape) : [];
}

/** Returns the place of a value in the file that holds for a host: in its own mapping, or at the top. */
export function placeFor(content: Shared, host: string, path: Path): Path {
  const [key] = path;
  const [name, own] = sectionFor(content, host) ?? [];
  if (own?.peers !== undefined && key === 'vrrp' && path.includes('peers')) {
    return ['hosts', name!, 'peers'];
  }
  return own !== undefined && key !== undefined && Object.hasOwn(own, key) ? ['hosts', name!, ...path] : path;
}
