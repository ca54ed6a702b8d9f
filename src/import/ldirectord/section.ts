/** Makes a service of a section of ldirectord. */

import {
  type Destination,
  type HealthPolicy,
  type IpAddress,
  type MarkService,
  type Protocol,
  type Service,
  serviceName,
  type ServicePolicy,
} from '../../model/index.js';
import { healthOf } from './health.js';
import type { Section, Setting } from './lines.js';
import type { Lookups } from './lookups.js';
import { balancingOf } from './policy.js';
import { type Fallback, readFallback, readPlace, readReal, type RealServer, resolvePlace } from './real-servers.js';
import type { Report } from './report.js';
import { readSettings, SECTION, type SectionKey, type Settings } from './settings.js';
import { type Globals, type Target, type Wishes, wishesOf } from './wishes.js';
import { saySection } from './words.js';

/** A service, and the lines that it comes from. */
export interface Draft {
  readonly line: number;
  /** Of its settings. */
  readonly lines: readonly number[];
  readonly service: Service | MarkService;
  /** Of each real server. */
  readonly realLines: readonly number[];
  readonly fallbackLine: number | undefined;
}

export interface Surroundings {
  readonly globals: Globals;
  readonly globalFallbacks: Readonly<Record<4 | 6, Fallback | undefined>>;
  readonly lookups: Lookups;
  readonly report: Report;
}

/** Returns undefined if the first line is of no use, and says why. */
export async function draftOf({ start, settings }: Section, around: Surroundings): Promise<Draft | undefined> {
  const { report, lookups, globals } = around;
  const own = readSettings(settings, SECTION, report);
  const target = await targetOf(start, own, lookups, report);
  if (typeof target === 'string') {
    report.dropped(start.line, target);
    const rest = settings.filter(({ line }) => !report.has(line));
    rest.forEach(({ line }) => {
      report.dropped(line, `belongs to the service of line ${start.line}, which is left out`);
    });
    return undefined;
  }
  const wishes = wishesOf(target, own, globals, report);
  const reals = await realServersOf(settings, wishes, lookups);
  const fallback = await fallbackOf(wishes, around);
  const { policy, own: healths } = healthOf(wishes, reals, fallback?.address);
  const destinations = reals.map((real, i): Destination => destinationOf(real, wishes, healths[i]));
  const service = serviceOf(wishes, { ...balancingOf(wishes), health: policy, destinations });
  report.kept(start.line, serviceName(service));
  sayReals(reals, wishes);
  saySection(wishes, globals.is('fork'));
  sayDefaults(wishes, globals, policy);
  return {
    line: start.line,
    lines: settings.map(({ line }) => line),
    service,
    realLines: reals.map(({ line }) => line),
    fallbackLine: wishes.own.get('fallback')?.line ?? wishes.own.get('fallback6')?.line,
  };
}

async function targetOf(
  start: Setting,
  own: Settings<SectionKey>,
  lookups: Lookups,
  report: Report,
): Promise<Target | string> {
  const place = readPlace(start);
  if (typeof place === 'string') {
    return place;
  }
  const given = own.get('protocol');
  const word = /\w+/.exec(given?.text ?? '')?.[0];
  const { line } = start;
  const { family } = place;
  if (place.kind === 'mark') {
    if (given !== undefined && word !== 'fwm') {
      report.dropped(given.line, 'the protocol of marked packets is fwm');
    }
    report.dropped(
      line,
      'the file does not say which packets have the mark (iptables -j MARK): say so in "match", as in [tcp:192.168.1.100:80]',
    );
    return { line, family, protocol: 'tcp', vip: undefined, mark: place.mark, port: 0 };
  }
  const usual: Protocol = /^(53|domain)$/.test(place.port) ? 'udp' : 'tcp';
  if (given !== undefined && word !== 'tcp' && word !== 'udp') {
    report.dropped(given.line, `the protocol must be tcp or udp; ${usual} is taken`);
  }
  const protocol = word === 'tcp' || word === 'udp' ? word : usual;
  const found = await resolvePlace(place, protocol, lookups);
  return typeof found === 'string'
    ? found
    : { line, family, protocol, vip: found.address, mark: undefined, port: found.port };
}

async function realServersOf(settings: readonly Setting[], wishes: Wishes, lookups: Lookups): Promise<RealServer[]> {
  const { report, family } = wishes;
  const firsts = new Map<IpAddress, number>();
  const reals: RealServer[] = [];
  for (const setting of settings) {
    const isReal = setting.key === 'real' || setting.key === 'real6';
    const found = isReal ? await readReal(setting, family, lookups, report) : [];
    for (const real of found) {
      const first = firsts.get(real.address);
      if (first === undefined) {
        firsts.set(real.address, real.line);
        reals.push(real);
      } else {
        report.dropped(real.line, `${real.address} is a real server of this service already, by line ${first}`);
      }
    }
  }
  return reals;
}

function sayReals(reals: readonly RealServer[], { report, port, mark }: Wishes): void {
  const lines = new Map<number, RealServer[]>();
  for (const real of reals) {
    const same = lines.get(real.line) ?? [];
    same.push(real);
    lines.set(real.line, same);
  }
  for (const [line, [first, ...more]] of lines) {
    if (first !== undefined) {
      const range = more.length === 0 ? '' : ` to ${more.at(-1)!.address}, ${more.length + 1} real servers`;
      report.kept(line, `${first.address}${range}, weight ${first.weight}`);
      if (mark === undefined && first.port !== 0 && first.port !== port && port !== 0) {
        report.dropped(
          line,
          `its port ${first.port}: direct routing changes no port, and IPVS, too, sends packets to port ${port} whatever ` +
            'the line says; checks alone go to that port',
        );
      }
    }
  }
}

function sayDefaults(
  { line, own, report, checkType, service }: Wishes,
  globals: Globals,
  policy: HealthPolicy | undefined,
): void {
  if (policy?.interval !== undefined) {
    report.noteOnce(line, "times and counts that the file does not give are ldirectord's defaults");
    if (own.get('quiescent') === undefined && globals.get('quiescent') === undefined) {
      report.noteOnce(
        line,
        'quiescent is not given: the manual of ldirectord says that it is yes then, and its code takes no, as here ' +
          '("onFailure: remove")',
      );
    }
  } else if (checkType === 'negotiate' && service === 'none') {
    report.note(line, 'ldirectord checks nothing here, since the service is "none": all real servers are always up');
  }
}

function destinationOf(
  real: RealServer,
  { mark, checkType, report }: Wishes,
  health: Destination['health'],
): Destination {
  const { address, port, weight, upperThreshold } = real;
  const lower = real.lowerThreshold;
  const isLowerOf = lower !== undefined && upperThreshold !== undefined && lower <= upperThreshold;
  if (lower !== undefined && !isLowerOf) {
    report.dropped(real.line, `the lower threshold ${lower} needs an upper one that is not below it`);
  }
  return {
    address,
    ...(mark !== undefined && port > 0 && { port }),
    weight: checkType === 'off' ? 0 : weight,
    ...(upperThreshold !== undefined && { upperThreshold }),
    ...(isLowerOf && { lowerThreshold: lower }),
    ...(health !== undefined && { health }),
  };
}

/** The section's own fallback, or the global one of its family. */
async function fallbackOf(wishes: Wishes, { lookups, globalFallbacks }: Surroundings): Promise<Fallback | undefined> {
  const { own, family, report, port, mark } = wishes;
  const key = family === 6 ? 'fallback6' : 'fallback';
  const wrong = own.get(family === 6 ? 'fallback' : 'fallback6');
  if (wrong !== undefined) {
    report.dropped(wrong.line, `ldirectord wants ${key} in a section of IPv${family}`);
  }
  const given = own.get(key);
  if (given === undefined) {
    // In ldirectord the global one has a port for TCP and one for UDP, and none for marked packets.
    return mark === undefined ? globalFallbacks[family] : undefined;
  }
  const fallback = await readFallback(given, family, lookups, report);
  if (fallback !== undefined) {
    report.translated(given.line, `fallback: ${fallback.address}`);
    if (mark === undefined && fallback.port !== undefined && fallback.port !== port) {
      report.dropped(
        given.line,
        `its port ${fallback.port}: direct routing changes no port, and packets go to ${port}`,
      );
    }
  }
  return fallback;
}

function serviceOf({ mark, family, vip, port, protocol }: Wishes, policy: ServicePolicy): Service | MarkService {
  return vip === undefined ? { mark: mark!, family, ...policy } : { address: vip, port, protocol, ...policy };
}
