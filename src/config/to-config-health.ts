/** Converts health to the plain values of the configuration file, in the shortest form of each. Pure. */

import type {
  Check,
  HealthPolicy,
  HealthSettings,
  HttpRequest,
  Quorum,
  RealServerHealth,
  StatusRange,
} from '../model/index.js';
import { type Mapping, mapping, type Value } from './value.js';

/** The mapping in full; see shortHealth(). */
export function policyHealthOf({ checks, quorum, fallback, damping, ...rest }: HealthPolicy): Mapping {
  return mapping({
    checks: checksOf(checks),
    ...rest,
    quorum: quorum && quorumOf(quorum),
    fallback: fallback && oneOrAll(fallback),
    damping: damping && mapping({ ...damping }),
  });
}

export function realServerHealthOf({ checks, ...rest }: RealServerHealth): Mapping {
  return mapping({ checks: checks && checksOf(checks), ...rest });
}

/** Returns the type of the only check if nothing else is said, "off" of a real server that is not checked, or the mapping. */
export function shortHealth(health: Mapping): Value {
  const { checks } = health;
  if (Object.keys(health).length !== 1) {
    return health;
  }
  if (typeof checks === 'string') {
    return checks;
  }
  return health;
}

/** The same for a real server. */
export function shortRealServerHealth(health: Mapping): Value {
  const { checks } = health;
  return Object.keys(health).length === 1 && Array.isArray(checks) && checks.length === 0 ? 'off' : shortHealth(health);
}

/** Returns health as a mapping, whatever its form. */
export function fullHealth(health: Value | undefined): Mapping {
  return typeof health === 'string' ? { checks: health === 'off' ? [] : health } : ((health ?? {}) as Mapping);
}

export function healthSettingsOf({ ports, hooks }: HealthSettings): Mapping {
  return mapping({
    ports: ports && `${ports.first}-${ports.last}`,
    hooks: hooks?.map((each) => mapping({ ...each })),
  });
}

function checksOf(checks: readonly Check[]): Value {
  return oneOrAll(checks.map(checkOf));
}

/** Returns the only one, or the list. */
function oneOrAll(values: readonly Value[]): Value {
  const [only] = values;
  return values.length === 1 && only !== undefined ? only : values;
}

function checkOf(check: Check): Value {
  const all = mapping('status' in check || 'requests' in check ? requestsOf(check) : { ...check });
  return Object.keys(all).length === 1 ? check.type : all;
}

function requestsOf(request: HttpRequest & { readonly requests?: readonly HttpRequest[] | undefined }): Mapping {
  const { status, requests } = request;
  return mapping({
    ...request,
    status: status && oneOrAll(status.map(statusOf)),
    requests: requests?.map(requestsOf),
  });
}

function statusOf({ first, last }: StatusRange): Value {
  return first === last ? first : `${first}-${last}`;
}

function quorumOf({ weight, hysteresis }: Quorum): Value {
  return hysteresis === undefined ? weight : { weight, hysteresis };
}
