/** Watches for packets that come back from real servers, or from other directors: who sends them, and what mends that. */

import type { ServiceCounters } from '../dataplane/index.js';
import type { CompiledService, Image } from '../image/index.js';
import {
  addressBits,
  directorsAsRealServers,
  familyOf,
  type IpAddress,
  isMarkKey,
  type Model,
  type Warning,
} from '../model/index.js';

/** A circle is over when no packet came back for so long. It is logged once until then. */
const QUIET_MS = 60_000;
/** The most real servers that a warning names. */
const MOST_NAMED = 4;

const VERDICTS = ['from-real-server', 'from-director'] as const;
type CircleVerdict = (typeof VERDICTS)[number];

interface Seen {
  readonly count: number;
  /** When the count last grew, in milliseconds of a monotonic clock. */
  readonly grewAt: number;
}

export class Circles {
  /** By service and verdict. */
  #seen: ReadonlyMap<string, Seen> = new Map();
  /** Of the last update: the same list again means that nothing was counted. */
  #services: readonly ServiceCounters[] = [];

  /** Notes the services' counters. @param now milliseconds of a monotonic clock */
  update(services: readonly ServiceCounters[], now: number): void {
    if (services === this.#services) {
      return;
    }
    this.#services = services;
    const readings = services.flatMap(({ name, verdicts }) =>
      VERDICTS.map((verdict) => [keyOf(name, verdict), verdicts[verdict] ?? 0] as const),
    );
    this.#seen = new Map(
      readings
        .filter(([, count]) => count > 0)
        .map(([key, count]) => {
          const before = this.#seen.get(key);
          return [key, before?.count === count ? before : { count, grewAt: now }];
        }),
    );
  }

  /** Returns a warning for each service that packets come back for, as far as it shows from whom. */
  warnings({ services, directors }: Pick<Image, 'services' | 'directors'>, now: number): Warning[] {
    if (this.#seen.size === 0) {
      return [];
    }
    return services.flatMap((service) =>
      VERDICTS.filter((verdict) => {
        const seen = this.#seen.get(keyOf(service.name, verdict));
        return seen !== undefined && now - seen.grewAt < QUIET_MS;
      }).map((verdict) =>
        verdict === 'from-real-server' ? cameBack(service) : cameFromDirector(service, new Set(directors)),
      ),
    );
  }
}

function keyOf(service: string, verdict: CircleVerdict): string {
  return `${verdict} ${service}`;
}

/** The counters say which service, not which real server: with one it is that, and else one of them. */
function cameBack({ service, name, destinations, routes }: CompiledService): Warning {
  const elsewhere = destinations.filter((_, i) => routes[i]!.action === 'forward').map(({ address }) => address);
  const [only] = elsewhere;
  const vip = isMarkKey(service) ? 'the VIP' : `the VIP, "ip addr add ${hostPrefix(service.address)} dev lo"`;
  return {
    code: 'FROM_REAL_SERVER',
    service: name,
    ...(elsewhere.length === 1 && { realServer: only }),
    message:
      `${name}: ${nameServers(elsewhere)} sends packets for the VIP back here: it is a director itself, or has no VIP ` +
      'and forwards them; they go up to this host and reach nobody else',
    remedy: `name it in "directors" if it is a director, and take it out of the real servers; else give it ${vip}`,
  };
}

function cameFromDirector({ name, destinations, routes }: CompiledService, directors: ReadonlySet<string>): Warning {
  const index = routes.findIndex((route) => route.action === 'forward' && directors.has(route.mac));
  const realServer = destinations[index]?.address;
  return {
    code: 'FROM_DIRECTOR',
    service: name,
    realServer,
    message:
      `${name}: ${realServer === undefined ? 'another director' : `real server ${realServer}, which is a director,`} ` +
      'sends packets for the VIP here as to a real server: they go up to this host',
    remedy: "take this host out of that director's real servers, unless it serves the VIP itself",
  };
}

function hostPrefix(address: IpAddress): string {
  return `${address}/${addressBits(familyOf(address))}`;
}

function nameServers(addresses: readonly IpAddress[]): string {
  const [only, ...others] = addresses;
  if (only === undefined || addresses.length > MOST_NAMED) {
    return 'one of its real servers';
  }
  return others.length === 0 ? `real server ${only}` : `one of the real servers ${addresses.join(', ')}`;
}

/** Returns a warning for each real server that is one of the other directors, by its address or its MAC. */
export function otherDirectors(
  { services, directors: macs }: Pick<Image, 'services' | 'directors'>,
  { directors = [] }: Pick<Model, 'directors'>,
): Warning[] {
  if (directors.length === 0 && macs.length === 0) {
    return [];
  }
  return directorsAsRealServers(
    services.map(({ name, destinations, routes }) => ({
      service: name,
      realServers: destinations.flatMap(({ address, mac }, i) => {
        const route = routes[i]!;
        return route.action === 'local' ? [] : [{ address, mac: route.action === 'forward' ? route.mac : mac }];
      }),
    })),
    new Set([...directors, ...macs]),
  );
}
