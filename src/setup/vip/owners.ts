/** Who has a VIP by right: VRRP, whose master alone may have it, or nobody but this host. Pure. */

import { BeelineError, type IpAddress, type Model, virtualRouters } from '../../model/index.js';

/** A virtual router of VRRP that has a VIP. */
export interface Owner {
  /** Its name: keepalived's vrrp_instance. */
  readonly router: string;
  /** The file that says so. */
  readonly file: string;
  /** Whether that is the configuration of a keepalived that runs; otherwise Beeline's own. */
  readonly runs: boolean;
}

export type Owners = ReadonlyMap<IpAddress, Owner>;

/** Returns the VIPs that VRRP has by a configuration. */
export function ownersBy(model: Pick<Model, 'vrrp' | 'services' | 'markRules'>, file: string, runs: boolean): Owners {
  return new Map(
    virtualRouters(model).flatMap(({ name, addresses }) =>
      addresses.map((vip) => [vip, { router: name, file, runs }] as const),
    ),
  );
}

/** @throws BeelineError `VIP_OWNED` if VRRP has one of the VIPs */
export function refuseOwned(vips: readonly IpAddress[], owners: Owners): void {
  const owned = vips.filter((vip) => owners.has(vip));
  const [first] = owned;
  if (first === undefined) {
    return;
  }
  const { router, file, runs } = owners.get(first)!;
  const more = owned.length > 1 ? ` (and ${owned.length - 1} more)` : '';
  const why = runs ? `keepalived runs and has it, instance ${router} of ${file}` : `instance ${router} of ${file}`;
  throw new BeelineError('VIP_OWNED', `${first}${more} belongs to VRRP: ${why}; nothing was changed`, {
    hint: runs
      ? 'The master alone may have it, and keepalived adds it there. To have it on this host always, take it out of that file, and "systemctl reload keepalived" first.'
      : 'The master alone may have it: "beeline keepalived write && systemctl reload keepalived" lets keepalived add it there (docs/failover.md). Without a second director, take "vrrp" out of the file.',
  });
}

/** @param added those that "beeline vip add" added before @throws BeelineError `VIP_OWNED` if VRRP has one of them now */
export function refuseLeft(added: readonly IpAddress[], owners: Owners): void {
  const left = added.filter((vip) => owners.has(vip));
  const [first] = left;
  if (first !== undefined) {
    const { router, file } = owners.get(first)!;
    throw new BeelineError(
      'VIP_OWNED',
      `${first} belongs to VRRP by now (instance ${router} of ${file}), and "beeline vip add" added it before; nothing was changed`,
      { hint: `Two would add it: "beeline vip remove ${left.join(' ')}" first.` },
    );
  }
}
