/** Looks before a start for other programs on the interfaces, so that nothing is made or logged in vain. */

import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';

import { isRunning } from '../control/index.js';
import { type Occupant, occupantsOf, pinnedPrograms } from '../dataplane/index.js';
import { BeelineError, type Instance, instanceOf, isInstanceName, type Model } from '../model/index.js';
import type { Network } from '../net/index.js';

/** libxdp's program, which runs those of several others one after another. */
const DISPATCHER = 'xdp_dispatcher';

/**
 * Refuses interfaces that another program has. With --replace only those of another director whose daemon runs: the two
 * would take the interface from each other again and again.
 *
 * @throws BeelineError `XDP_REFUSED`
 */
export async function requireFree(
  { interfaces }: Model,
  instance: Instance,
  network: Pick<Network, 'link'>,
  replace: boolean,
): Promise<void> {
  if (!mayRead(dirname(instance.pinDirectory))) {
    // Then the lock refuses the start, and says what is missing.
    return;
  }
  const own = new Set(pinnedPrograms(instance.pinDirectory).values());
  for (const name of interfaces) {
    const link = network.link(name);
    const occupants = link === undefined ? [] : occupantsOf(link.ifindex).filter(({ id }) => !own.has(id));
    if (link === undefined || occupants.length === 0) {
      continue;
    }
    const owner = directorOf(link.ifindex, occupants, instance);
    if (owner !== undefined) {
      await requireOver(name, owner, occupants, replace);
    } else if (!replace) {
      throw new BeelineError('XDP_REFUSED', `${name} already runs ${textOf(occupants)}`, {
        hint: occupants.some(({ text }) => text.includes(`"${DISPATCHER}"`))
          ? 'Other programs run in it: "xdp-loader status" names them, "xdp-loader unload" detaches them.'
          : 'Use --replace to take the interface over, if nothing needs that program.',
      });
    }
  }
}

function mayRead(directory: string): boolean {
  try {
    accessSync(directory, constants.R_OK | constants.X_OK);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EACCES';
  }
}

/** @throws BeelineError `XDP_REFUSED` */
async function requireOver(
  name: string,
  owner: Instance,
  occupants: readonly Occupant[],
  replace: boolean,
): Promise<void> {
  const runs = await isRunning(owner.socketPath);
  if (replace && !runs) {
    return;
  }
  const text = `${name} already runs the director "${owner.name}"${runs ? '' : ', whose daemon does not run'}`;
  throw new BeelineError('XDP_REFUSED', `${text}: ${textOf(occupants)}`, {
    hint: `End that one first: beeline --instance ${owner.name} stop --detach`,
  });
}

function textOf(occupants: readonly Occupant[]): string {
  return occupants.map(({ text }) => text).join(' and ');
}

/** Returns the other director of this host that has pinned one of the programs on an interface. */
function directorOf(
  ifindex: number,
  occupants: readonly Occupant[],
  { name, pinDirectory }: Instance,
): Instance | undefined {
  const parent = dirname(pinDirectory);
  const others = existsSync(parent) ? readdirSync(parent).filter((each) => each !== name && isInstanceName(each)) : [];
  return others.map(instanceOf).find((each) => {
    const program = pinnedPrograms(each.pinDirectory).get(ifindex);
    return occupants.some(({ id }) => id === program);
  });
}
