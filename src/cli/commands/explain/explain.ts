/** `beeline explain`: shows what the director would do with a packet, and why, without doing it. */

import { Argument, Command, InvalidArgumentError, Option } from 'commander';

import {
  BeelineError,
  familyOf,
  type IpAddress,
  isMarkKey,
  type MacAddress,
  parseIp,
  type Protocol,
  PROTOCOLS,
  type ServiceKey,
  serviceName,
} from '../../../model/index.js';
import type { ExplainReport, ServiceReport } from '../../../control/index.js';
import { completes, withExamples, withSection } from '../../../usage/index.js';
import { jsonOption } from '../../arguments.js';
import { interfaces, vips } from '../../candidates.js';
import { ask } from '../../daemon.js';
import { withInstance } from '../../instance.js';
import { named } from '../../wanted.js';
import { formatEndpoint } from '../../terminal/format.js';
import { printResult } from '../../terminal/print.js';
import { arrival, type CaptureOptions, CLIENT_MAC, explainCapture, requireAgreement } from './capture.js';
import { formatExplanation } from './text.js';

interface Options extends CaptureOptions {
  readonly proto: Protocol;
  readonly flags: number;
  readonly vlan?: number;
  readonly pcap?: string;
  readonly fromHost?: boolean;
}

interface Endpoint {
  readonly address: IpAddress;
  readonly port: number | undefined;
}

/** The flags of TCP by name (RFC 9293, 3.1). */
const FLAGS: Readonly<Record<string, number>> = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10, urg: 0x20 };
const SYN = 0x02;
/** A fixed port, so that the same command line always explains the same packet. */
const CLIENT_PORT = 40_000;
const USUAL_PORT = 80;

export function explainCommand(): Command {
  const command = withInstance(new Command('explain'))
    .summary('show what happens to a packet, and why')
    .description(
      'Show step by step what the director would do with a packet that arrived now: its service, flow, slot and real ' +
        'server, the frame that would leave, and the verdict. The packet is built from the arguments or read from a ' +
        'capture. It runs through the data path itself, on the current tables, without effect: nothing is sent, counted or ' +
        'remembered, and no scheduler advances. A second implementation of the same rules, the oracle, judges the packet ' +
        'too; only if the two disagree, the output says so, and that is an error. A packet for no service gets a hint ' +
        'at the services of its VIP.',
    )
    .addArgument(
      new Argument('[client]', 'sender of the packet: 192.168.1.12, 192.168.1.12:40000, [fd00::12]:40000').argParser(
        endpoint,
      ),
    )
    .addArgument(
      completes(
        new Argument(
          '[vip]',
          "receiver of the packet: 192.168.1.100:80; the default port is that of the VIP's only service, or 80",
        ).argParser(endpoint),
        vips,
      ),
    )
    .addOption(new Option('--proto <protocol>', 'protocol of the packet').choices(PROTOCOLS).default('tcp'))
    .addOption(
      new Option('--flags <flags>', 'TCP flags, separated by commas: syn, ack, fin, rst, psh, urg; or none')
        .argParser(flags)
        .default(SYN, 'syn'),
    )
    .option('--vlan <id>', 'VLAN of the packet', vlan)
    .addOption(
      completes(
        new Option('--interface <name>', "interface where the packet arrives (default: the director's first)"),
        interfaces,
      ),
    )
    .addOption(
      completes(new Option('--pcap <file>', 'explain each IP packet of a capture instead: pcap or pcapng'), 'file'),
    )
    .option('--from-host', "explain a packet of the director's own host: the VIP alone is given (needs hostClients)")
    .option('--limit <n>', 'explain at most this many packets of the capture', count, 1000)
    .option('--verbose', 'show all steps of each packet of the capture')
    .addOption(jsonOption())
    .action(explain);
  return withSection(
    withExamples(
      command,
      ['beeline explain 192.168.1.12 192.168.1.100:80', 'show where a new connection of a client would go'],
      [
        'beeline explain 192.168.1.12:41852 192.168.1.100:80 --flags ack',
        'show what happens to the next packet of an open connection',
      ],
      ['beeline explain fd00::12 [fd00::100]:53 --proto udp --json', 'explain a datagram, as JSON'],
      ['beeline explain --from-host 192.168.1.100:80', "show where a connection of the director's own host would go"],
      ['beeline explain --pcap trouble.pcapng', 'explain each packet of a capture in one line'],
    ),
    'Captures',
    'Each packet is judged alone, as if it arrived now and the others had not. Frames keep their MAC addresses: those that ' +
      'were not sent to the director get the verdict "other-host".',
  );
}

async function explain(
  client: Endpoint | undefined,
  vip: Endpoint | undefined,
  options: Options,
  self: Command,
): Promise<void> {
  if (options.pcap !== undefined) {
    if (client !== undefined) {
      throw new BeelineError('USAGE', 'use either --pcap or a client and a VIP');
    }
    await explainCapture(self, options.pcap, options);
    return;
  }
  if (options.fromHost === true) {
    await explainFromHost(self, client, vip, options);
    return;
  }
  if (client === undefined || vip === undefined) {
    throw new BeelineError('USAGE', 'a client and a VIP are needed, or --pcap FILE', {
      hint: 'For example: beeline explain 192.168.1.12 192.168.1.100:80',
    });
  }
  await explainOne(self, client, vip, options);
}

async function explainOne(self: Command, client: Endpoint, vip: Endpoint, options: Options): Promise<void> {
  if (familyOf(client.address) !== familyOf(vip.address)) {
    throw new BeelineError('USAGE', `${client.address} and ${vip.address} are not of the same address family`);
  }
  const arrived = await arrival(self, options.interface);
  await explainAt(self, arrived, client, vip, options);
}

/** The one endpoint that is given is the VIP; the client is the host, as real servers see it. */
async function explainFromHost(
  self: Command,
  vip: Endpoint | undefined,
  more: Endpoint | undefined,
  options: Options,
): Promise<void> {
  if (vip === undefined || more !== undefined || options.interface !== undefined) {
    throw new BeelineError('USAGE', 'with --from-host the VIP is needed, and nothing else', {
      hint: 'For example: beeline explain --from-host 192.168.1.100:80',
    });
  }
  const { hostClients } = await ask(self, 'status', {});
  const address = hostClients?.addresses.find((each) => familyOf(each) === familyOf(vip.address));
  if (hostClients === undefined || address === undefined) {
    throw new BeelineError('USAGE', "this host's own connections are not led to the director", {
      hint: 'Set "hostClients: true" in the configuration; "beeline status" says if that fails.',
    });
  }
  const { interface: name, mac } = hostClients;
  await explainAt(self, { name, mac }, { address, port: undefined }, vip, options);
}

async function explainAt(
  self: Command,
  { name, mac }: { readonly name: string; readonly mac: MacAddress },
  client: Endpoint,
  vip: Endpoint,
  options: Options,
): Promise<void> {
  const { buildFrame, ETHER_TYPE, tagged } = await import('../../../packet/index.js');
  const frame = buildFrame({
    destinationMac: mac,
    sourceMac: CLIENT_MAC,
    source: client.address,
    sourcePort: client.port ?? CLIENT_PORT,
    destination: vip.address,
    destinationPort: vip.port ?? (await onlyPort(self, vip.address, options.proto)),
    protocol: options.proto,
    flags: options.flags,
  });
  const { vlan: id } = options;
  const whole = id === undefined ? frame : tagged(frame, ETHER_TYPE.vlan, id);
  const [report] = await ask(self, 'explain', { interface: name, frames: [whole] });
  const hint = options.json === true ? undefined : await otherService(self, report!, client);
  printResult(report, options, (paint) => formatExplanation(report!, paint, hint));
  requireAgreement(report!.oracle.agrees ? [] : [report!]);
}

/** Names the services of the VIP when a packet is for none of them: most often it is of the other protocol. */
async function otherService(
  self: Command,
  { verdict, packet }: ExplainReport,
  client: Endpoint,
): Promise<string | undefined> {
  if (verdict !== 'no-service') {
    return undefined;
  }
  const services = await servicesAt(self, packet.destination);
  const other = services.find(
    ({ protocol, port }) => protocol !== packet.protocol && (port === packet.destinationPort || port === 0),
  );
  if (other !== undefined) {
    const { address, protocol } = other;
    const line = `beeline explain ${client.address} ${formatEndpoint(address, packet.destinationPort!)} --proto ${protocol}`;
    return `${serviceName(other)} is a service: ${line}`;
  }
  return services.length === 0 ? undefined : `the VIP's services are ${named(services)}`;
}

/** Returns the services of a VIP. */
async function servicesAt(self: Command, vip: IpAddress | undefined): Promise<Extract<ServiceReport, ServiceKey>[]> {
  return (await ask(self, 'list', {})).flatMap((each) => (!isMarkKey(each) && each.address === vip ? [each] : []));
}

/** Returns the port of the VIP's only service; 80 if there are several, or if the service has all ports. */
async function onlyPort(self: Command, vip: IpAddress, protocol: Protocol): Promise<number> {
  const [only, ...others] = (await servicesAt(self, vip)).filter((each) => each.protocol === protocol);
  return only === undefined || others.length > 0 || only.port === 0 ? USUAL_PORT : only.port;
}

/** @throws InvalidArgumentError */
function endpoint(text: string): Endpoint {
  const whole = parseIp(text.replace(/^\[(.*)\]$/, '$1'));
  if (whole !== undefined) {
    return { address: whole, port: undefined };
  }
  const { host, port: digits } = /^\[?(?<host>.*?)\]?:(?<port>\d{1,5})$/.exec(text)?.groups ?? {};
  const address = parseIp(host ?? '');
  const port = Number(digits);
  if (address === undefined || port > 0xffff || (familyOf(address) === 6 && !text.startsWith('['))) {
    throw new InvalidArgumentError(
      'It must be an IP address, with a port or without: 192.168.1.12:40000, [fd00::12]:40000.',
    );
  }
  return { address, port };
}

/** @throws InvalidArgumentError */
function flags(text: string): number {
  const names = text.toLowerCase() === 'none' ? [] : text.toLowerCase().split(',');
  const unknown = names.find((name) => !Object.hasOwn(FLAGS, name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`"${unknown}" is not one of ${Object.keys(FLAGS).join(', ')}.`);
  }
  return names.reduce((bits, name) => bits | FLAGS[name]!, 0);
}

/** @throws InvalidArgumentError */
function vlan(text: string): number {
  const id = Number(text);
  if (!Number.isInteger(id) || id < 0 || id > 4094) {
    throw new InvalidArgumentError('It must be a whole number from 0 to 4094.');
  }
  return id;
}

/** @throws InvalidArgumentError */
function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000_000) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 1000000.');
  }
  return value;
}
