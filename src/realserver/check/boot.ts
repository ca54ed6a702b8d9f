/** What the next boot makes of the set-up: files that bring it back, and files that undo it. Pure. */

import { needsArp, type VipWish } from '../wish.js';
import { type CheckFacts, type CheckWish, type Finding, note, ok, setupCommand, warning } from './finding.js';

export function checkBoot(wish: CheckWish, facts: CheckFacts): Finding[] {
  const changed = wish.files.filter(({ path, text }) => facts.files[path] !== text);
  if (changed.length > 0) {
    return changed.map(({ path }) =>
      warning(
        'boot',
        `${path} is ${facts.files[path] === undefined ? 'missing' : 'not as Beeline wrote it'}: the next boot may not bring the set-up back`,
        setupCommand(wish.vips, wish.persist ?? 'auto'),
      ),
    );
  }
  if (wish.persist === undefined) {
    const mend = setupCommand(wish.vips, 'auto');
    return [note('boot', `nothing of Beeline brings this set-up back after a boot; "${mend}" would`)];
  }
  if (wish.unread !== undefined) {
    return [warning('boot', wish.unread, setupCommand(wish.vips, 'auto'))];
  }
  return wish.persist === 'sysctl.d'
    ? [note('boot', 'sysctl.d brings the sysctls back at each boot, but neither VIPs nor rules')]
    : [ok('boot', `${wish.persist} brings the set-up back at each boot`)];
}

/** Settings of arp_ignore and arp_announce in sysctl files, and the VIP on a network interface in a file of the network. */
export function checkConfigs({ vips }: CheckWish, { configs }: CheckFacts): Finding[] {
  return Object.entries(configs).flatMap(([path, text]) =>
    /\/sysctl\b/.test(path) ? sysctlFindings(path, text, vips) : networkFindings(path, text, vips),
  );
}

const SETTING = /^\s*-?(net[./]ipv4[./]conf[./]all[./](arp_ignore|arp_announce))\s*=\s*(\d+)/gm;

function sysctlFindings(path: string, text: string, vips: readonly VipWish[]): Finding[] {
  if (!vips.some((wish) => needsArp(wish) && wish.method === 'sysctl')) {
    return [];
  }
  return [...text.matchAll(SETTING)]
    .filter(([, , name, value]) => (name === 'arp_ignore' ? !['1', '2'].includes(value!) : value !== '2'))
    .map(([, key, , value]) =>
      warning('other-config', `${path} sets ${key!} to ${value!}: the next boot may undo the set-up`, `edit ${path}`),
    );
}

function networkFindings(path: string, text: string, vips: readonly VipWish[]): Finding[] {
  const lines = text.split('\n').filter((line) => !/^\s*[#;]/.test(line));
  const onlyLo = !/\b(e(th|n|ns|np)\w*\d|wlan\d|bond\d|br\d)/.test(lines.join('\n'));
  return vips
    .filter(({ vip }) => lines.some((line) => line.split(/[\s"'=,[\]/]+/).includes(vip)))
    .filter(() => !onlyLo)
    .map(({ vip }) =>
      warning(
        'other-config',
        `${path} names ${vip} beside a network interface: if it puts the VIP there, this host answers for it after a boot`,
        `edit ${path}`,
      ),
    );
}
