/** Services and real servers on the command line: by name, or by -t and -u as for ipvsadm. */

import { Argument, type Command, InvalidArgumentError, Option } from 'commander';

import { type AnyServiceKey, BeelineError, type IpAddress, parseVip } from '../model/index.js';
import { completes, type Given } from '../usage/index.js';
import { realServers, services } from './candidates.js';
import { ask } from './daemon.js';
import { FORMS, isWhole, onlyMatch, wanted, type Wanted } from './wanted.js';

/** The values of -t and -u. */
export interface ServiceOptions {
  readonly tcpService?: Wanted;
  readonly udpService?: Wanted;
}

/** The argument for a service, in place of which the command takes -t or -u: so commander must not require it. */
export function serviceArgument(): Argument {
  const argument = new Argument('[service]', `virtual service: ${FORMS}; without a port, the only one of its address`);
  const isGiven = (given: Given): boolean => (given['--tcp-service'] ?? given['--udp-service']) !== undefined;
  return completes(argument, (given, current) => (isGiven(given) ? realServers(given) : services(given, current)));
}

/** The same, or the word "all". */
export function serviceOrAllArgument(): Argument {
  const argument = new Argument('[service]', `"all", or a virtual service: ${FORMS}`);
  const isGiven = (given: Given): boolean => (given['--tcp-service'] ?? given['--udp-service']) !== undefined;
  return completes(argument, async (given, current) =>
    isGiven(given)
      ? realServers(given)
      : [{ value: 'all', description: 'all services' }, ...(await services(given, current))],
  );
}

/** Returns the real server, and the service that is meant; undefined: all. @throws BeelineError `USAGE`, `SERVICE_UNKNOWN` */
export async function takeServiceOrAll(
  given: readonly (string | undefined)[],
  options: ServiceOptions,
  self: Command,
): Promise<{ readonly service: AnyServiceKey | undefined; readonly realServer: IpAddress }> {
  const [first, ...others] = given;
  if (first === 'all' && options.tcpService === undefined && options.udpService === undefined) {
    const words = others.filter((word) => word !== undefined);
    if (words.length !== 1) {
      throw wrongArguments(self, words.length > 1 ? `too many arguments: ${words.at(-1)!}` : 'an argument is missing');
    }
    return { service: undefined, realServer: serversIn(words)[0]! };
  }
  const { service, rest } = requireWords(given, options, self, 1);
  return { service: await existingService(self, service), realServer: serversIn(rest)[0]! };
}

/** The argument for a real server, which -t and -u make the first one. */
export function serverArgument(name = '[server]'): Argument {
  return completes(new Argument(name, 'address of the real server'), realServers);
}

/** Adds -t and -u to a command. */
export function withServiceOptions(command: Command): Command {
  for (const [letter, protocol] of [
    ['t', 'tcp'],
    ['u', 'udp'],
  ] as const) {
    const option = new Option(
      `-${letter}, --${protocol}-service <host:port>`,
      `the service of ${protocol.toUpperCase()}, as for ipvsadm, in place of <service>`,
    );
    const source = async (given: Given): Promise<{ value: string; description?: string | undefined }[]> =>
      (await services(given, '')).flatMap(({ value, description }) =>
        value.startsWith(`${protocol}/`) ? [{ value: value.slice(protocol.length + 1), description }] : [],
      );
    command.addOption(completes(option, source).argParser((text) => wanted(`${protocol} ${text}`)));
  }
  return command;
}

/** Returns the address of a real server. @throws InvalidArgumentError */
export function address(text: string): IpAddress {
  const ip = parseVip(text.replace(/^\[(.*)\]$/, '$1'));
  if (ip === undefined) {
    throw new InvalidArgumentError('It must be an IP address.');
  }
  return ip;
}

/** Returns the service that a command line names, by its first word, -t or -u, and the words after it. @throws BeelineError `USAGE` */
export function takeService(
  given: readonly (string | undefined)[],
  { tcpService, udpService }: ServiceOptions,
): { readonly service: Wanted | undefined; readonly rest: readonly string[] } {
  if (tcpService !== undefined && udpService !== undefined) {
    throw new BeelineError('USAGE', 'use either -t or -u');
  }
  const words = given.filter((word) => word !== undefined);
  const option = tcpService ?? udpService;
  if (option !== undefined) {
    return { service: option, rest: words };
  }
  const [first, ...rest] = words;
  return { service: first === undefined ? undefined : parsed(first, '<service>', wanted), rest };
}

/** The same, but a service must be named. @throws BeelineError `USAGE` */
export function requireService(
  given: readonly (string | undefined)[],
  options: ServiceOptions,
  self: Command,
): { readonly service: Wanted; readonly rest: readonly string[] } {
  const { service, rest } = takeService(given, options);
  if (service === undefined) {
    throw wrongArguments(self, 'an argument is missing');
  }
  return { service, rest };
}

/** The same, with exactly `count` words after the service. @throws BeelineError `USAGE` */
export function requireWords(
  given: readonly (string | undefined)[],
  options: ServiceOptions,
  self: Command,
  count: number,
): { readonly service: Wanted; readonly rest: readonly string[] } {
  const { service, rest } = requireService(given, options, self);
  if (rest.length !== count) {
    const isTooMany = rest.length > count;
    throw wrongArguments(self, isTooMany ? `too many arguments: ${rest.at(-1)!}` : 'an argument is missing');
  }
  return { service, rest };
}

function wrongArguments(self: Command, what: string): BeelineError {
  return new BeelineError('USAGE', what, { hint: `It is: beeline ${self.name()} ${self.usage()}` });
}

/** Parses real servers. @throws BeelineError `USAGE` */
export function serversIn(words: readonly string[]): readonly IpAddress[] {
  return words.map((word) => parsed(word, '<server>', address));
}

/** @throws BeelineError `USAGE` */
export function parsed<Value>(word: string, place: string, parse: (text: string) => Value): Value {
  try {
    return parse(word);
  } catch (error) {
    if (error instanceof InvalidArgumentError) {
      throw new BeelineError('USAGE', `"${word}" cannot be ${place}: i${error.message.slice(1).replace(/\.$/, '')}`);
    }
    throw error;
  }
}

/** Returns the service that is meant, of those that the director has. @throws BeelineError `SERVICE_UNKNOWN`, `USAGE` */
export async function existingService(self: Command, service: Wanted): Promise<AnyServiceKey> {
  // The daemon says whether there is such a service.
  return isWhole(service) ? service : onlyMatch(service, await ask(self, 'list', {}));
}
