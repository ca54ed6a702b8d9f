/** The VIP on the host: there, on lo, with the right prefix, usable; or redirected. Pure. */

import { familyOf, type IpAddress } from '../../model/index.js';
import { isDone, prefixOf } from '../../steps/index.js';
import { planOf } from '../plan.js';
import type { VipWish } from '../wish.js';
import { type CheckFacts, error, type Finding, ok, setupCommand, warning } from './finding.js';

export function checkAddress(wish: VipWish, facts: CheckFacts): Finding[] {
  const { vip, method } = wish;
  const places = facts.addresses.filter(({ address }) => address === vip);
  // A dummy interface is as good as lo: neither speaks ARP.
  const speaking = facts.links.filter(({ arp }) => arp).map(({ device }) => device);
  const own = places.filter(({ device }) => speaking.includes(device)).map((place) => onNetwork(vip, place));
  if (own.length > 0) {
    return own;
  }
  return method === 'redirect' ? checkRedirect(wish, facts) : checkAside(wish, places, facts);
}

interface Place {
  readonly device: string;
  readonly prefix: number;
  readonly dad?: 'tentative' | 'failed';
}

function onNetwork(vip: IpAddress, { device, prefix }: Place): Finding {
  const protocol = familyOf(vip) === 4 ? 'ARP' : 'neighbour solicitations';
  return error(
    'address',
    `${vip} is on ${device}: this host answers ${protocol} for it there, and takes clients from the director`,
    `ip address del ${vip}/${prefix} dev ${device}`,
  );
}

function checkAside(wish: VipWish, places: readonly Place[], facts: CheckFacts): Finding[] {
  const { vip } = wish;
  const right = places.find(({ prefix }) => prefix === prefixOf(vip));
  const wide = places.find(({ prefix }) => prefix !== prefixOf(vip));
  if (wide !== undefined) {
    return [
      error(
        'address',
        `${vip} is on ${wide.device} as /${wide.prefix}: this host takes all of that network for its own, and answers no client there`,
        `ip address del ${vip}/${wide.prefix} dev ${wide.device} && ip address add ${vip}/${prefixOf(vip)} dev ${wide.device}`,
      ),
    ];
  }
  if (right === undefined) {
    return [
      error(
        'address',
        `${vip} is not on this host: it drops what the director sends, or forwards it`,
        setupCommand([wish]),
      ),
    ];
  }
  if (right.dad !== undefined) {
    return [checkDad(vip, right.device, right.dad)];
  }
  if (facts.links.some(({ device, up }) => device === right.device && !up)) {
    return [
      error(
        'address',
        `${vip} is on ${right.device}, which is down: this host takes no packets for it`,
        `ip link set ${right.device} up`,
      ),
    ];
  }
  return [ok('address', `${vip} is on ${right.device} as /${right.prefix}`)];
}

function checkDad(vip: IpAddress, device: string, dad: 'tentative' | 'failed'): Finding {
  const again = `ip address del ${vip}/128 dev ${device} && ip address add ${vip}/128 dev ${device} nodad`;
  return dad === 'failed'
    ? error('address', `${vip} is on ${device}, and the kernel does not use it: it takes it for a duplicate`, again)
    : warning('address', `${vip} is on ${device}, and tentative: the kernel does not use it yet`, again);
}

function checkRedirect(wish: VipWish, facts: CheckFacts): Finding[] {
  const { vip, ports } = wish;
  const rules = planOf({ vips: [wish] });
  if (!rules.every((step) => isDone(step, facts)) && !isRedirected(vip, facts)) {
    return [
      error(
        'address',
        `what is for ${vip} is not redirected, and the address is not on this host: it drops what the director sends`,
        setupCommand([wish]),
      ),
    ];
  }
  const what = ports.length === 0 ? 'everything' : `port ${ports.join(', ')}`;
  return [ok('address', `${what} for ${vip} is redirected to this host's own address`)];
}

/** Two ways to have one VIP: each works, and who removes one of them does not see the other. */
export function checkOtherWay({ vip, method }: VipWish, facts: CheckFacts): Finding[] {
  const onLo = facts.addresses.some(({ address, device }) => address === vip && device === 'lo');
  if (method === 'redirect' && onLo) {
    return [
      warning(
        'other-method',
        `${vip} is redirected, and on lo besides: with it this host may answer ARP again`,
        `ip address del ${vip}/${prefixOf(vip)} dev lo`,
      ),
    ];
  }
  return method !== 'redirect' && isRedirected(vip, facts)
    ? [
        warning(
          'other-method',
          `${vip} is on this host, and a rule of the firewall redirects what is for it to another address: a server that listens on the VIP alone gets nothing`,
          'iptables -t nat -S PREROUTING; nft list ruleset',
        ),
      ]
    : [];
}

/** Whether a rule of whatever tool sends what is for the VIP to another address. */
export function isRedirected(vip: IpAddress, facts: CheckFacts): boolean {
  const texts = [
    ...facts.rules.iptables.concat(facts.rules.ip6tables).filter((line) => / -j (REDIRECT|DNAT)/.test(line)),
    ...facts.tables
      .filter(({ family }) => family !== 'arp')
      .flatMap(({ rules }) => rules.map((rule) => JSON.stringify(rule)))
      .filter((rule) => /"(redirect|dnat)":/.test(rule)),
  ];
  return texts.some((text) => new RegExp(`[" ]${vip.replaceAll('.', '\\.')}["/ ]`).test(text));
}
