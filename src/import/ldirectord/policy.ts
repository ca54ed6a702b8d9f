/** How a section balances: scheduler, persistence, one packet. Pure. */

import {
  type Family,
  MAX_TIMEOUT,
  nearest,
  parseIp,
  isNetmask,
  type Persistence,
  policyBreaches,
  type Scheduler,
  SCHEDULER_FLAGS,
  type SchedulerFlag,
  SCHEDULERS,
  type ServicePolicy,
} from '../../model/index.js';
import type { Report } from './report.js';
import type { SectionKey, Settings } from './settings.js';
import type { Wishes } from './wishes.js';

const DEFAULT_SCHEDULER: Scheduler = 'wrr';

type Balancing = Pick<ServicePolicy, 'scheduler' | 'flags' | 'persistence' | 'onePacket'>;

export function balancingOf({ own, report, family, protocol, mark }: Wishes): Balancing {
  const scheduler = schedulerOf(own, report);
  const persistence = persistenceOf(own, family, report);
  return {
    scheduler,
    flags: flagsOf(own, scheduler, report),
    persistence,
    onePacket: onePacketOf(
      own,
      { family, scheduler, persistence, protocol: mark === undefined ? protocol : 'tcp' },
      report,
    ),
  };
}

function schedulerOf(own: Settings<SectionKey>, report: Report): Scheduler {
  const given = own.get('scheduler');
  if (given === undefined) {
    return DEFAULT_SCHEDULER;
  }
  const word = /[a-z]+/.exec(given.text)?.[0] ?? '';
  // Beeline's own scheduler is none of IPVS.
  const scheduler = SCHEDULERS.find((each) => each === word && each !== 'maglev');
  if (scheduler !== undefined) {
    report.kept(given.line, `scheduler: ${scheduler}`);
    return scheduler;
  }
  const meant = nearest(
    word,
    SCHEDULERS.filter((each) => each !== 'maglev'),
  );
  const question = meant === undefined ? '' : `; is it ${meant}?`;
  report.dropped(
    given.line,
    `IPVS has no scheduler "${given.text}"; ${DEFAULT_SCHEDULER}, ldirectord's default, is taken${question}`,
  );
  return DEFAULT_SCHEDULER;
}

/** ipvsadm's -b. In IPVS the flags are numbers, which mean the same to sh and mh, and nothing to the others. */
function flagsOf(own: Settings<SectionKey>, scheduler: Scheduler, report: Report): SchedulerFlag[] | undefined {
  const given = own.get('schedflags');
  if (given === undefined) {
    return undefined;
  }
  const meanings = given.text.split(/\s/)[0]!.split(',').map(flagMeaning);
  if (meanings.includes(undefined)) {
    report.dropped(given.line, `ipvsadm knows only ${SCHEDULER_FLAGS.join(', ')} and flag-1 to flag-3`);
    return undefined;
  }
  // In the order of ipvsadm's listings.
  const flags = (['fallback', 'port'] as const)
    .filter((meaning) => meanings.includes(meaning))
    .flatMap((meaning) => SCHEDULER_FLAGS.filter((flag) => flag === `${scheduler}-${meaning}`));
  if (flags.length === 0) {
    report.unneeded(given.line, `they mean nothing to the scheduler ${scheduler}`);
    return undefined;
  }
  report.translated(given.line, `flags: [${flags.join(', ')}]`);
  return flags;
}

function flagMeaning(word: string): 'fallback' | 'port' | 'none' | undefined {
  switch (word) {
    case 'flag-1':
    case 'sh-fallback':
    case 'mh-fallback':
      return 'fallback';
    case 'flag-2':
    case 'sh-port':
    case 'mh-port':
      return 'port';
    case 'flag-3':
      return 'none';
    default:
      return undefined;
  }
}

function persistenceOf(own: Settings<SectionKey>, family: Family, report: Report): Persistence | undefined {
  const given = own.get('persistent');
  const netmask = own.get('netmask');
  const timeout = Number(given?.text);
  if (given !== undefined && (timeout < 1 || timeout > MAX_TIMEOUT)) {
    report.dropped(given.line, `persistent must be seconds from 1 to ${MAX_TIMEOUT}`);
  }
  if (given === undefined || timeout < 1 || timeout > MAX_TIMEOUT) {
    if (netmask !== undefined) {
      report.unneeded(netmask.line, 'it has no effect without "persistent"');
    }
    return undefined;
  }
  report.kept(given.line, `persistence: ${timeout}`);
  const mask = netmask && maskOf(netmask.text, family);
  if (netmask !== undefined && mask === undefined) {
    const wanted = family === 6 ? 'the length of an IPv6 prefix, 1 to 128' : 'an IPv4 netmask';
    report.dropped(netmask.line, `netmask must be ${wanted}: each address is a client`);
  } else if (netmask !== undefined) {
    report.kept(netmask.line, `persistence.mask: ${mask!}`);
  }
  return { timeout, mask };
}

function maskOf(text: string, family: Family): Persistence['mask'] {
  if (family === 6) {
    return /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 128 ? Number(text) : undefined;
  }
  const mask = parseIp(text);
  return mask !== undefined && isNetmask(mask) ? mask : undefined;
}

function onePacketOf(
  own: Settings<SectionKey>,
  policy: Omit<Parameters<typeof policyBreaches>[0], 'onePacket'>,
  report: Report,
): true | undefined {
  const given = own.get('ops');
  if (given === undefined) {
    return undefined;
  }
  if (given.text === 'no' || policy.protocol !== 'udp') {
    report.unneeded(given.line, given.text === 'no' ? 'as always' : 'it has no effect beside protocol=udp');
    return undefined;
  }
  const [breach] = policyBreaches({ ...policy, onePacket: true });
  if (breach !== undefined) {
    report.dropped(given.line, `onePacket ${breach.message}`);
    return undefined;
  }
  report.kept(given.line, 'onePacket: true');
  return true;
}
