/** Finds contradictions in the flow hand-over: of its addresses, and of what protects it. Pure. */

import { familyOf, type IpAddress, isLinkLocal, unusableAddress } from '../model/index.js';
import type { Path, Problem } from './problem.js';
import type { ConfigHandOver } from './schema-hand-over.js';

const AT: Path = ['flowHandOver'];
const FILES = ['certificate', 'key', 'authority'] as const;

export function handOverProblems(settings: ConfigHandOver, vips: ReadonlySet<IpAddress>): Problem[] {
  return [...addressProblems(settings, vips), ...protectionProblems(settings)];
}

function addressProblems({ listen, peer }: ConfigHandOver, vips: ReadonlySet<IpAddress>): Problem[] {
  const own = (['listen', 'peer'] as const).flatMap((key): Problem[] => {
    const address = key === 'listen' ? listen : peer;
    const reason = isLinkLocal(address) ? 'it is link-local' : unusableAddress(address);
    const path = [...AT, key];
    if (vips.has(address)) {
      return [{ path, message: `must be a director's own address; ${address} is a VIP, which only the master has` }];
    }
    return reason === undefined ? [] : [{ path, message: `cannot be a director's address: ${reason}` }];
  });
  if (own.length > 0) {
    return own;
  }
  if (listen === peer) {
    return [{ path: [...AT, 'peer'], message: `is ${peer}, the same as "listen": name the other director` }];
  }
  return familyOf(listen) === familyOf(peer)
    ? []
    : [{ path: [...AT, 'peer'], message: `must be an IPv${familyOf(listen)} address as "listen" is, not ${peer}` }];
}

function protectionProblems(settings: ConfigHandOver): Problem[] {
  const given = FILES.filter((key) => settings[key] !== undefined);
  const [first] = given;
  const missing = FILES.find((key) => settings[key] === undefined);
  if (settings.plain === true) {
    return first === undefined ? [] : [{ path: [...AT, 'plain'], message: `contradicts "${first}": leave one out` }];
  }
  if (first === undefined) {
    const message =
      'needs "certificate", "key" and "authority" for TLS; or "plain: true" where WireGuard or a cable of its own protects the path';
    return [{ path: AT, message }];
  }
  return missing === undefined
    ? []
    : [{ path: [...AT, first], message: `needs "${missing}" beside it: TLS takes certificate, key and authority` }];
}
