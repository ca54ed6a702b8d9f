/** The questions of `beeline init`, in their order: each with its default, which may follow from earlier answers. Pure. */

import { BeelineError, familyOf, type Scheduler, SCHEDULERS } from '../../model/index.js';
import {
  type Answers,
  CHECKS,
  parseCheck,
  parsePersistence,
  parsePorts,
  parseProtocol,
  parseRealServers,
  parseRouterId,
  parseScheduler,
  parseSecond,
  parseVips,
} from './answers.js';
import { type Candidate, isIn, isNoHost, type Surroundings } from './machine.js';

export const KEYS = [
  'interface',
  'vip',
  'protocol',
  'port',
  'scheduler',
  'realServer',
  'persistence',
  'check',
  'secondDirector',
  'routerId',
] as const;
export type Key = (typeof KEYS)[number];

/** The option that answers a question. */
export const FLAGS: Readonly<Record<Key, string>> = {
  interface: '--interface',
  vip: '--vip',
  protocol: '--protocol',
  port: '--port',
  scheduler: '--scheduler',
  realServer: '--real-server',
  persistence: '--persistence',
  check: '--check',
  secondDirector: '--second-director',
  routerId: '--router-id',
};

export interface Question {
  readonly key: Key;
  readonly text: string;
  /** What helps to answer it, a line each. */
  readonly help: readonly string[];
  /** Undefined: it must be answered. */
  readonly standard: string | undefined;
}

/** Asks a question and returns the answer as it was typed; "" for the default. @param mistake in the answer before */
export type Ask = (question: Question, mistake: string | undefined) => Promise<string>;

type Draft = Omit<Answers, 'second'> & { second: Answers['second'] };

/**
 * Collects all answers: those given by options first, then by asking, or else the defaults.
 *
 * @param ask undefined: nobody can be asked
 * @throws BeelineError `USAGE` for an option that is wrong, or missing
 */
export async function collect(
  given: Readonly<Partial<Record<Key, string>>>,
  around: Surroundings,
  ask: Ask | undefined,
): Promise<Answers> {
  const draft: Draft = {
    ...{ interface: '', mode: 'native', vips: [], protocol: 'tcp', ports: [], scheduler: 'maglev' },
    ...{ realServers: [], persistence: 0, check: 'none', second: undefined },
  };
  let answers = draft;
  for (const key of KEYS) {
    if (key === 'routerId' && answers.second === undefined) {
      if (given.routerId !== undefined) {
        throw wrongFlag(key, 'it is for a second director, and there is none');
      }
      continue;
    }
    answers = await settle(key, given[key], answers, around, ask);
  }
  const { second, ...rest } = answers;
  return second === undefined ? rest : { ...rest, second };
}

async function settle(
  key: Key,
  given: string | undefined,
  answers: Draft,
  around: Surroundings,
  ask: Ask | undefined,
): Promise<Draft> {
  const question = questionFor(key, answers, around);
  if (given !== undefined) {
    return flagged(key, () => take(key, given, answers, around));
  }
  if (ask === undefined) {
    const { standard } = question;
    if (standard === undefined) {
      throw new BeelineError('USAGE', `${FLAGS[key]} is missing: ${question.text}`, {
        hint: 'It has no default. "beeline help init" shows all options.',
      });
    }
    return flagged(key, () => take(key, standard, answers, around));
  }
  for (let mistake: string | undefined; ;) {
    const typed = (await ask(question, mistake)).trim();
    if (typed === '' && question.standard === undefined) {
      mistake = 'this one has no default';
      continue;
    }
    try {
      return take(key, typed === '' ? question.standard! : typed, answers, around);
    } catch (error) {
      if (!(error instanceof BeelineError) || error.code !== 'USAGE') {
        throw error;
      }
      mistake = error.message;
    }
  }
}

function flagged(key: Key, work: () => Draft): Draft {
  try {
    return work();
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'USAGE') {
      throw wrongFlag(key, error.message);
    }
    throw error;
  }
}

function wrongFlag(key: Key, why: string): BeelineError {
  return new BeelineError('USAGE', `${FLAGS[key]}: ${why}`, { hint: 'Nothing was written.' });
}

/** Returns the answers with another one. @throws BeelineError `USAGE` */
function take(key: Key, text: string, answers: Draft, around: Surroundings): Draft {
  switch (key) {
    case 'interface':
      return { ...answers, ...parseInterface(text, around) };
    case 'vip':
      return { ...answers, vips: parseVips(text) };
    case 'protocol':
      return { ...answers, protocol: parseProtocol(text) };
    case 'port':
      return { ...answers, ports: parsePorts(text) };
    case 'scheduler':
      return { ...answers, scheduler: parseScheduler(text) };
    case 'realServer':
      return { ...answers, realServers: parseRealServers(text, answers) };
    case 'persistence':
      return { ...answers, persistence: parsePersistence(text) };
    case 'check':
      return { ...answers, check: parseCheck(text, answers) };
    case 'secondDirector': {
      const address = parseSecond(text, answers);
      return { ...answers, second: address && { address, id: 0 } };
    }
    case 'routerId':
      return { ...answers, second: { ...answers.second!, id: parseRouterId(text) } };
  }
}

function parseInterface(text: string, { candidates, names }: Surroundings): Pick<Answers, 'interface' | 'mode'> {
  const name = text.trim();
  if (!names.includes(name)) {
    throw new BeelineError('USAGE', `there is no interface "${name}": this host has ${names.join(', ')}`);
  }
  if (name === 'lo') {
    throw new BeelineError('USAGE', 'no client comes by lo: name a network card');
  }
  const { nativeXdp } = candidates.find((each) => each.name === name) ?? {};
  return { interface: name, mode: nativeXdp === false ? 'generic' : 'native' };
}

function questionFor(key: Key, answers: Draft, around: Surroundings): Question {
  const own = around.candidates.find(({ name }) => name === answers.interface);
  const ask = (text: string, standard: string | undefined, help: readonly string[] = []): Question => ({
    key,
    text,
    help,
    standard,
  });
  switch (key) {
    case 'interface':
      return ask(
        'the interface by which packets of clients come',
        around.candidates[0]?.name,
        around.candidates.map(candidateLine),
      );
    case 'vip':
      return ask('the VIPs, to which clients connect: one of IPv4, of IPv6, or both', undefined, vipHelp(own));
    case 'protocol':
      return ask('the protocol: tcp or udp', 'tcp');
    case 'port':
      return ask('the ports of the service', answers.protocol === 'tcp' ? '80' : '53');
    case 'scheduler':
      return ask('the scheduler', 'maglev', [SCHEDULERS.join(', ')]);
    case 'realServer':
      return ask('the real servers, with "=3" for the weight 3', undefined, neighbourHelp(own, answers));
    case 'persistence':
      return ask('seconds for which a client keeps its real server, 0 for none', '0');
    case 'check':
      return ask('the health check', standardCheck(answers), [`${CHECKS[answers.protocol].join(', ')}, dns:NAME`]);
    case 'secondDirector':
      return ask('the address of a second director, which takes over if this one fails, or none', 'none');
    case 'routerId':
      return ask('the VRRP id of both, which no other router of this network has, 1 to 255', '51');
  }
}

function candidateLine({ name, mac, carrier, addresses, nativeXdp }: Candidate): string {
  const native = nativeXdp === undefined ? 'native XDP: not told' : nativeXdp ? 'native XDP' : 'no native XDP: slower';
  return [name, mac, ...addresses, carrier ? native : 'no carrier'].join('  ');
}

function vipHelp(own: Candidate | undefined): string[] {
  const networks = own?.addresses ?? [];
  return networks.length === 0
    ? []
    : [`free addresses of the network of ${own!.name} (${networks.join(', ')}), or others that a router sends here`];
}

const MOST_NEIGHBOURS = 8;

function neighbourHelp(own: Candidate | undefined, { vips }: Draft): string[] {
  const fitting = (own?.neighbours ?? []).filter(
    (each) => !vips.includes(each) && vips.some((vip) => familyOf(vip) === familyOf(each)),
  );
  const shown = fitting.slice(0, MOST_NEIGHBOURS).join(', ');
  return [
    'their own addresses, on the same network as this host',
    ...(fitting.length === 0
      ? []
      : [`hosts that were seen there: ${shown}${fitting.length > MOST_NEIGHBOURS ? ', …' : ''}`]),
  ];
}

function standardCheck({ protocol, ports }: Draft): string {
  if (protocol === 'udp') {
    return 'ping';
  }
  const byPort: Readonly<Partial<Record<number, string>>> = { 80: 'http', 8080: 'http', 443: 'https', 25: 'smtp' };
  const [first, ...others] = new Set(ports.map((port) => byPort[port] ?? 'tcp'));
  return others.length === 0 ? first! : 'tcp';
}

/** Their names with a "w" before are those that do not. */
const IGNORE_WEIGHTS: readonly Scheduler[] = ['rr', 'lc'];

/** What is probably not meant, or needs something else: said after the answers, and refused by nothing. */
export function doubts(answers: Answers, { candidates }: Surroundings): string[] {
  const own = candidates.find(({ name }) => name === answers.interface);
  if (own === undefined) {
    return [`${answers.interface} is down, or no network card: see whether XDP programs run there`];
  }
  const isNear = (address: Parameters<typeof isIn>[0]): boolean =>
    own.addresses.some((network) => isIn(address, network));
  const far = answers.realServers.filter(({ address }) => !isNear(address)).map(({ address }) => address);
  const isOwn = (text: string): boolean => own.addresses.some((each) => each.startsWith(`${text}/`));
  return [
    ...[...answers.vips, ...answers.realServers.map(({ address }) => address)].flatMap((address) =>
      own.addresses
        .filter((network) => isNoHost(address, network))
        .map((network) => `${address} is no host of ${network}: it stands for the network, or for all of its hosts`),
    ),
    ...answers.vips
      .filter(isOwn)
      .map(
        (vip) =>
          `${vip} is this host's own address: a VIP is one more, which a second director can take over and which nothing else uses`,
      ),
    ...(own.carrier ? [] : [`${own.name} has no carrier: is there a cable?`]),
    ...(IGNORE_WEIGHTS.includes(answers.scheduler) && answers.realServers.some(({ weight }) => weight > 1)
      ? [`${answers.scheduler} ignores weights but 0: w${answers.scheduler} has them`]
      : []),
    ...far.map((address) => `${address} is in no network of ${own.name}: direct routing reaches only hosts on it`),
    ...answers.realServers
      .filter(({ address }) => isOwn(address))
      .map(({ address }) => `${address} is this host: it would be its own real server`),
    ...(answers.second !== undefined && isOwn(answers.second.address)
      ? [`${answers.second.address} is this host: name the other director`]
      : []),
  ];
}
