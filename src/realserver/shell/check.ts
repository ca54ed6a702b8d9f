/** Asks the host what a check needs, and checks. */

import type { IpAddress } from '../../model/index.js';
import { isRedirected } from '../check/address.js';
import { checkAll } from '../check/check.js';
import type { CheckFacts, CheckWish, Finding, VipPorts } from '../check/finding.js';
import {
  type Facts,
  type MachineToLookAt,
  networkFiles,
  observe,
  LISTENING,
  parseListeners,
  readRecord,
} from '../../steps/index.js';
import { planOf } from '../plan.js';
import { PURPOSE } from '../purpose.js';
import type { Method, VipWish, Wish } from '../wish.js';

export interface CheckRequest {
  /** None: those of the record. */
  readonly vips: readonly IpAddress[];
  readonly method: Method | undefined;
  readonly ports: readonly number[];
  /** The ports of each VIP, if they are not the same. */
  readonly portsOf?: ReadonlyMap<IpAddress, VipPorts> | undefined;
  /** Says why nothing reads the files of a wish; none: that is not known. */
  readonly unreadBy?: (wish: Wish) => string | undefined;
}

/** Returns what holds and what does not; undefined: no VIP was named, and none is recorded. */
export async function checkHost(host: MachineToLookAt, request: CheckRequest): Promise<readonly Finding[] | undefined> {
  const record = readRecord(host, PURPOSE);
  const known = record.wish.vips;
  const vips = request.vips.length > 0 ? request.vips : known.map(({ vip }) => vip);
  if (vips.length === 0) {
    return undefined;
  }
  const facts = await checkFacts(host, await observe(host, planOf(record.wish), record, true));
  const wish: CheckWish = {
    vips: vips.map((vip) => wishFor(vip, request, known, facts)),
    ports: request.ports,
    portsOf: request.portsOf,
    persist: record.wish.persist,
    unread: request.unreadBy?.(record.wish),
    files: record.entries.flatMap(({ step }) => (step.kind === 'file' ? [step] : [])),
  };
  return checkAll(wish, facts);
}

/** What was recorded; else, without a method, the one that the host seems to have. */
function wishFor(
  vip: IpAddress,
  { method, ports }: CheckRequest,
  known: readonly VipWish[],
  facts: CheckFacts,
): VipWish {
  const recorded = known.find((each) => each.vip === vip);
  if (recorded !== undefined && (method === undefined || method === recorded.method)) {
    return recorded;
  }
  const onHost = facts.addresses.some(({ address }) => address === vip);
  return { vip, method: method ?? (!onHost && isRedirected(vip, facts) ? 'redirect' : 'sysctl'), ports };
}

const SYSCTLS = ['arp_ignore', 'arp_announce', 'rp_filter'] as const;

async function checkFacts(host: MachineToLookAt, facts: Facts): Promise<CheckFacts> {
  const interfaces = ['all', ...facts.links.map(({ device }) => device)];
  const keys = interfaces.flatMap((each) => SYSCTLS.map((name) => `net/ipv4/conf/${each}/${name}`));
  const values = keys.map((key) => [key, host.sysctl(key) ?? '0'] as const);
  const listening = (protocol: 'tcp' | 'udp'): CheckFacts['listeners'] =>
    [protocol, `${protocol}6`].flatMap((name) =>
      parseListeners(host.kernelFile(`/proc/net/${name}`), LISTENING[protocol]),
    );
  return {
    ...facts,
    sysctls: { ...facts.sysctls, ...Object.fromEntries(values) },
    listeners: listening('tcp'),
    udpListeners: listening('udp'),
    configs: otherFiles(host),
    firewallKnown: (await host.listing('nft', '-j', 'list', 'tables')) !== undefined,
  };
}

/** Files that configure the network, but for Beeline's own. */
function otherFiles(host: MachineToLookAt): Record<string, string> {
  return Object.fromEntries(
    Object.entries(networkFiles(host)).filter(([path]) => !path.includes('beeline-realserver')),
  );
}
