/** Mends that set kernel parameters. */

import { fixBy, type Mend } from '../../finding.js';

/** Behind those of distributions and of other programs: the last file wins (sysctl.d(5)). */
const FILE = '/etc/sysctl.d/95-beeline-director.conf';

/** By their keys under /proc/sys: "net/ipv4/ip_forward". */
export type Settings = Readonly<Record<string, string | number>>;

/** Sets them now, by the doctor itself if asked, and says how they survive a boot. */
export function fixSettings(settings: Settings): Mend[] {
  return [fixBy('sysctl', '-w', ...assignments(settings)), keepSettings(settings)];
}

/** The same for settings that others may need as they are: an operator decides. */
export function mendSettings(settings: Settings): Mend[] {
  const { on, command } = fixBy('sysctl', '-w', ...assignments(settings));
  return [{ on, command }, keepSettings(settings)];
}

function keepSettings(settings: Settings): Mend {
  const lines = assignments(settings)
    .map((each) => `'${each}'`)
    .join(' ');
  return { on: 'director', command: `printf '%s\\n' ${lines} >>${FILE}` };
}

function assignments(settings: Settings): string[] {
  return Object.entries(settings).map(([key, value]) => `${sysctlName(key)}=${value}`);
}

/** With dots, unless a name in it has some: an interface "ens3.10". */
export function sysctlName(key: string): string {
  return key.includes('.') ? key : key.replaceAll('/', '.');
}
