/** The checks of one real server that do what ldirectord's do. Pure. */

import { type Check, shellWord } from '../../model/index.js';
import { negotiate } from './negotiate.js';
import type { RealServer } from './real-servers.js';
import { usualPort, type Way, type Wishes } from './wishes.js';

/** The configuration takes no more. */
const MOST_EVERY = 1000;

/** Returns the checks; none: the real server is always up. */
export function checksOf(wishes: Wishes, real: RealServer): Check[] {
  const { checkType } = wishes;
  switch (checkType) {
    case 'on':
    case 'off':
      return [];
    case 'ping':
      return [{ type: 'ping', via: 'rip' }];
    case 'external':
    case 'external-perl':
      return external(wishes, real);
    case 'connect':
      return connect(wishes, real);
    case 'negotiate':
      return full(wishes, real);
    case 'combined':
      return combined(wishes, real);
  }
}

/** ldirectord asks the port of the real server; another one than the service's clients never see, and the VIP may lack it. */
function wayOf(wishes: Wishes, real: RealServer): Way | undefined {
  const { own, report, service, port, vip } = wishes;
  const wanted = own.number('checkport') ?? (real.port > 0 ? real.port : usualPort(service));
  if (wanted === undefined && port > 0) {
    report.note(real.line, "ldirectord finds no port to check here; the service's is checked");
  }
  const target = wanted ?? (port > 0 ? port : undefined);
  if (vip !== undefined && port > 0 && target === port) {
    report.noteOnce(
      wishes.line,
      "checks go to the VIP through each real server, as clients' packets do, and not to the real server's own address as " +
        'in ldirectord; "via: rip" would do that',
    );
    return {};
  }
  if (target === undefined) {
    report.dropped(
      own.get('checktype')?.line ?? own.get('service')?.line ?? wishes.line,
      'there is no port to check: the real servers are not checked; name one by checkport, or in the configuration',
    );
    return undefined;
  }
  return { via: 'rip', port: target };
}

function full(wishes: Wishes, real: RealServer): Check[] {
  const way = wishes.service === 'none' ? undefined : wayOf(wishes, real);
  return way === undefined ? [] : negotiate(wishes, real, way);
}

/** For UDP, ldirectord pings. */
function connect(wishes: Wishes, real: RealServer): Check[] {
  if (wishes.mark === undefined && wishes.protocol === 'udp') {
    return [{ type: 'ping', via: 'rip' }];
  }
  const way = wayOf(wishes, real);
  return way === undefined ? [] : [{ type: 'tcp', ...way }];
}

/** In ldirectord one negotiation follows so many connects; here both run beside each other. */
function combined(wishes: Wishes, real: RealServer): Check[] {
  const { connects, checkTimeout } = wishes;
  const seldom = full(wishes, real);
  // A connect of UDP always comes about.
  const often = wishes.mark === undefined && wishes.protocol === 'udp' ? [] : connect(wishes, real);
  if (connects === 0 || often.length === 0) {
    return seldom;
  }
  const every = Math.min(connects + 1, MOST_EVERY);
  return [
    ...often.map((check) => ({ ...check, timeout: checkTimeout })),
    ...seldom.map((check) => ({ ...check, every })),
  ];
}

/** ldirectord's arguments: VIP or mark, its port, real server, its port. An IPv6 address is in brackets. */
function external({ own, checkType, vip, mark, port, family }: Wishes, real: RealServer): Check[] {
  const command = own.text('checkcommand') ?? '/bin/true';
  const bracketed = (text: string): string => (family === 6 ? `[${text}]` : text);
  const first = vip === undefined ? String(mark) : bracketed(vip);
  const perl = checkType === 'external-perl' ? 'perl ' : '';
  const script = `exec ${perl}${shellWord(command)} ${first} ${port} "${bracketed('$BEELINE_REAL_SERVER')}" ${real.port}`;
  return [{ type: 'exec', command: ['/bin/sh', '-c', script] }];
}
