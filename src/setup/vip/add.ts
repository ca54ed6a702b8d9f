/** Gives this host VIPs, and takes them away again. */

import { BeelineError, familyOf, type IpAddress } from '../../model/index.js';
import { type Link, Network } from '../../net/index.js';
import {
  type AddressWay,
  bringTo,
  lockHost,
  type Machine,
  networkFiles,
  noteOnWay,
  observe,
  type Place,
  placeFor,
  readRecord,
  type Record_,
  requireLoopbackProfiles,
  type StepReport,
  wayInUse,
} from '../../steps/index.js';
import { announce, type Announced, TIMES } from './announce.js';
import { takenBy } from './ask.js';
import { AUTHOR } from './author.js';
import { deviceFor } from './device.js';
import { type Owners, refuseLeft } from './owners.js';
import { planOf, PURPOSE } from './plan.js';
import { likelyVips, ownFiles, reportOf, type VipReport } from './report.js';
import { type Wish, withoutVips, withVips } from './wish.js';

type Tell = (report: StepReport) => void;

export interface AddRequest {
  readonly vips: readonly IpAddress[];
  readonly named: string | undefined;
  readonly announce: boolean;
  /** Those of the director. */
  readonly interfaces: readonly string[] | undefined;
  readonly persist: AddressWay | 'auto' | undefined;
  readonly dryRun: boolean;
  /** Take an address that another host answers for. */
  readonly force: boolean;
  readonly owners: Owners;
}

/**
 * Adds VIPs and tells the network of them.
 *
 * @param root in which /run is: empty but for tests
 * @param tell hears of each step as soon as it is made
 * @returns what people should know beside the steps
 * @throws BeelineError `INTERFACE_MISSING`, `USAGE`, `VIP_OWNED`, `VIP_TAKEN`, and what `bringTo` throws
 */
export async function addVips(host: Machine, root: string, request: AddRequest, tell: Tell): Promise<string[]> {
  using _lock = request.dryRun ? undefined : lockHost(root);
  using network = await Network.open(() => undefined);
  return await addOn(network, host, request, tell);
}

async function addOn(network: Network, host: Machine, request: AddRequest, tell: Tell): Promise<string[]> {
  const { vips, dryRun } = request;
  const links = network.links();
  const device = deviceFor(request, links);
  const link = network.link(device)!;
  const record = readRecord(host, PURPOSE);
  const absent = record.wish.vips.filter((each) => !vips.includes(each.vip) && network.link(each.device) === undefined);
  const way = await wayOf(host, request, link);
  const wishes = vips.map((vip) => ({ vip, device }));
  refuseLeft(
    record.wish.vips.map(({ vip }) => vip),
    request.owners,
  );
  const wish = withVips(record.wish, wishes, way, placesIn(host, network, record, request, device));
  const facts = await observe(host, planOf(wish), record);
  const speaks = facts.links.some((each) => each.device === device && each.arp);
  // Those that were added before may have gone with the link: they come back.
  const fresh = wish.vips
    .filter((each) => each.device === device && !facts.addresses.some(({ address }) => address === each.vip))
    .map(({ vip }) => vip);
  const notes = [
    ...(await refuseTaken(network, fresh, request.force, link, speaks)),
    ...absent.map((each) => `${each.vip} waits for ${each.device}, which this host does not have at the moment`),
    ...notesOnWays(host, wish),
  ];
  const isAsked = ({ outcome, what }: StepReport): boolean =>
    outcome !== 'was-so' || !what.startsWith('ip ') || vips.some((vip) => what.includes(` ${vip}/`));
  await bringTo(host, PURPOSE, wish, { dryRun, undoOnly: false }, (report) => {
    if (isAsked(report)) {
      tell(report);
    }
  });
  if (!speaks) {
    const names = vips.join(', ');
    return [...notes, `nobody is told of ${names} on ${device}: a router must have a route for it to this host`];
  }
  if (!link.up) {
    return [...notes, `${device} is down: this host answers for no VIP on it until "ip link set ${device} up"`];
  }
  const isRouter = host.sysctl(`net/ipv6/conf/${device}/forwarding`) === '1';
  const failure = await announceOn(link, [...new Set([...vips, ...fresh])], isRouter, dryRun, tell);
  return failure === undefined
    ? notes
    : [...notes, `the network was not told (${failure}): neighbours learn it when they ask`];
}

/** @throws BeelineError `USAGE` */
async function wayOf(host: Machine, { persist }: AddRequest, link: Link): Promise<AddressWay | undefined> {
  if (persist === 'auto') {
    return wayInUse(host, { device: link.name, ifindex: link.ifindex, fileName: AUTHOR.fileName });
  }
  if (persist === 'networkmanager' && link.name === 'lo') {
    await requireLoopbackProfiles(host);
  }
  return persist;
}

/** Returns what says where a way has an interface. The VIPs of others keep their ways, unless the user named one for all. */
function placesIn(
  host: Machine,
  network: Network,
  { wish }: Record_<Wish>,
  { persist }: AddRequest,
  device: string,
): (way: AddressWay, name: string) => Place {
  return (way, name) => {
    const ifindex = network.link(name)?.ifindex;
    const before = wish.vips.find((each) => each.device === name)?.place;
    const isKept = persist === undefined || (persist === 'auto' && name !== device);
    const own = isKept ? (before?.way ?? way) : way;
    return ifindex === undefined && before?.way === own
      ? before
      : placeFor(host, { way: own, device: name, ifindex: ifindex ?? 0, fileName: AUTHOR.fileName });
  };
}

function notesOnWays(host: Machine, { vips }: Wish): string[] {
  const ways = new Set(vips.flatMap(({ place }) => (place === undefined ? [] : [place.way])));
  return [...ways].flatMap((way) => noteOnWay(host, way) ?? []);
}

async function announceOn(
  { name, ifindex, mac }: Link,
  vips: readonly IpAddress[],
  isRouter: boolean,
  dryRun: boolean,
  tell: Tell,
): Promise<string | undefined> {
  const all = vips.map((vip): Announced => ({ vip, ifindex, mac, isRouter }));
  const failure = dryRun ? undefined : await announce(all);
  if (failure !== undefined) {
    return failure;
  }
  for (const vip of vips) {
    const what = `${familyOf(vip) === 4 ? 'gratuitous ARP' : 'neighbour advertisement'} for ${vip} on ${name}, ${TIMES} times`;
    const why = 'neighbours that remember another host for the VIP send to this one at once';
    tell({ outcome: dryRun ? 'todo' : 'done', what, command: what, why });
  }
  return undefined;
}

/** @returns notes @throws BeelineError `VIP_TAKEN` if another host answers for a VIP that this host does not have yet */
async function refuseTaken(
  network: Network,
  fresh: readonly IpAddress[],
  force: boolean,
  link: Link,
  speaks: boolean,
): Promise<string[]> {
  if (fresh.length === 0 || !speaks || !link.up) {
    return [];
  }
  if (process.geteuid?.() !== 0) {
    return ['only root may ask the network who has the VIPs: that was left out'];
  }
  const taken = [...(await takenBy(network, link.ifindex, fresh))];
  const [first] = taken;
  if (first === undefined) {
    return [];
  }
  const [vip, mac] = first;
  if (force) {
    return taken.map(([each, at]) => `${each} is on this host now, although ${at} answers for it on ${link.name} too`);
  }
  const more = taken.length > 1 ? ` (and ${taken.length - 1} more)` : '';
  throw new BeelineError(
    'VIP_TAKEN',
    `${vip}${more} belongs to another host: ${mac} answers for it on ${link.name}; nothing was changed`,
    {
      hint:
        'A real server must not answer: "beeline realserver setup" there. Of two directors one may have it: docs/failover.md. ' +
        '--force takes it all the same.',
    },
  );
}

/** Removes what `addVips` added: these VIPs; undefined: all. @throws BeelineError what `bringTo` throws */
export async function removeVips(
  host: Machine,
  root: string,
  vips: readonly IpAddress[] | undefined,
  dryRun: boolean,
  tell: Tell,
): Promise<void> {
  using _lock = dryRun ? undefined : lockHost(root);
  const { wish } = readRecord(host, PURPOSE);
  await bringTo(host, PURPOSE, withoutVips(wish, vips), { dryRun, undoOnly: true }, tell);
}

/**
 * Tells of VIPs, and of those that `addVips` added.
 *
 * @param vips undefined: of whatever may be a VIP here
 * @throws BeelineError `HOST_FAILED`, `HOST_RECORD`, `HOST_TOOL`
 */
export async function listVips(
  host: Machine,
  vips: readonly IpAddress[] | undefined,
  owners: Owners,
): Promise<VipReport[]> {
  const record = readRecord(host, PURPOSE);
  const facts = await observe(host, [], record);
  const all = new Set([...(vips ?? likelyVips(facts)), ...record.wish.vips.map(({ vip }) => vip)]);
  const { entries } = record;
  const others = Object.entries(networkFiles(host)).filter(([path]) => !path.startsWith('/etc/sysctl'));
  const files = { ...Object.fromEntries(others), ...ownFiles(entries, facts.files) };
  return [...all].map((vip) => reportOf(vip, { ...facts, entries, owners, files }));
}
