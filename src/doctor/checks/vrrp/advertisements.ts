/** Advertisements of another director that do not fit this one's configuration. */

import { advertisedAddress, type VirtualRouter } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding, Mend } from '../../finding.js';
import { advertisementText, lastOf, rivalsOf, type Sender } from '../../vrrp.js';

const NAME = 'vrrp-advertisements';

export const vrrpAdvertisements: Check = {
  name: NAME,
  about: 'advertisements that do not fit: version, VIPs, interval, a password in clear',
  reads: ['network', 'probes'],
  find: (facts) =>
    rivalsOf(facts).flatMap(({ router, directors }) =>
      directors.flatMap((sender) =>
        [version(router, sender), addresses(router, sender), interval(router, sender), password(sender)].flatMap(
          (misfit) => (misfit === undefined ? [] : [findingOf(router, sender, misfit)]),
        ),
      ),
    ),
};

/** What makes a sender's advertisements such as are not dropped, if they are. */
export function mendsOfMisfits(router: VirtualRouter, sender: Sender): Mend[] {
  return [version(router, sender), addresses(router, sender)].flatMap((misfit) =>
    misfit === undefined ? [] : [{ on: 'configuration', command: misfit.command }],
  );
}

interface Misfit extends Pick<Finding, 'severity' | 'text' | 'why'> {
  readonly command: string;
}

function findingOf({ name }: VirtualRouter, sender: Sender, { severity, text, why, command }: Misfit): Finding {
  return {
    ...{ check: NAME, severity, subject: name, text: `vrrp ${name}: ${text}`, why },
    evidence: [advertisementText(sender)],
    mend: [{ on: 'configuration', command }],
  };
}

const DROPPED =
  'keepalived drops such advertisements, so that a standby takes itself for the master: both directors have the VIPs then.';

function version({ interval: seconds }: VirtualRouter, sender: Sender): Misfit | undefined {
  return lastOf(sender).version === 3
    ? undefined
    : {
        severity: 'error',
        text: `${sender.source} speaks version 2 of VRRP, and this director version 3`,
        why:
          DROPPED + (seconds < 1 ? ` Version 2 knows whole seconds alone, and the interval here is ${seconds} s.` : ''),
        command: `write keepalived's configuration on ${sender.source} by "beeline keepalived write", or say "version 3" there`,
      };
}

function addresses(router: VirtualRouter, sender: Sender): Misfit | undefined {
  const theirs = lastOf(sender).addresses;
  const own = advertisedAddress(router);
  return theirs.length === (own === undefined ? 0 : 1) && theirs.every((each) => each === own)
    ? undefined
    : {
        severity: 'error',
        text: `${sender.source} advertises ${theirs.join(', ') || 'no address'}, and this director would advertise ${own ?? 'none'}`,
        why: DROPPED,
        command: 'give both directors the same services in the same order, then "beeline keepalived write" on both',
      };
}

function interval({ interval: seconds }: VirtualRouter, sender: Sender): Misfit | undefined {
  const { intervalMs, version: spoken } = lastOf(sender);
  // Of version 2 all is said already.
  return spoken === 2 || intervalMs === Math.round(seconds * 100) * 10
    ? undefined
    : {
        severity: 'warning',
        text: `${sender.source} advertises every ${intervalMs / 1000} s, and this director is configured for ${seconds} s`,
        why: 'A standby waits for three intervals of the master: how long a takeover lasts depends on which director fails.',
        command: 'give "interval" the same value on all directors, then "beeline keepalived write"',
      };
}

function password(sender: Sender): Misfit | undefined {
  return lastOf(sender).authentication !== 'password'
    ? undefined
    : {
        severity: 'warning',
        text: `${sender.source} sends a password in clear with each advertisement`,
        why: 'Every host of the network can read it, and take the VIPs with it: RFC 5798 has no passwords since they protect nothing.',
        command: 'leave "authentication" out of keepalived\'s configuration, and keep strangers off this network',
      };
}
