/** Asks real servers and other hosts over SSH what they have, and has it judged as "beeline realserver check" does. */

import { allServices, type IpAddress, isSelf, type Model, parseIp, vipsOf } from '../../model/index.js';
import { checkSnapshot, lookScript, readLook, type Snapshot, type VipPorts } from '../../realserver/index.js';
import type { Facts, RemoteHost } from '../facts.js';
import { addressesOfRealServers, portsOf } from '../probe/targets.js';
import { runOverSsh, type SshOutput } from './run-ssh.js';

const AT_ONCE = 16;

export interface SshRequest {
  /** Undefined: all real servers, by their addresses. */
  readonly hosts: readonly string[] | undefined;
  /** SSH's command, with its arguments. */
  readonly command: string;
}

/** Runs the script on a host; tests have another. */
export type RunScript = (host: string, script: string) => Promise<SshOutput>;

export async function gatherRemote(
  model: Model,
  { hosts, command }: SshRequest,
  run: RunScript = (host, script) => runOverSsh(command, host, script),
): Promise<{ remote: RemoteHost[]; notLookedAt: Facts['notLookedAt'] }> {
  const wanted = [...new Set<string>(hosts ?? addressesOfRealServers(model))];
  const script = lookScript(vipsOf(model));
  const answers = new Map<string, RemoteHost | string>();
  const waiting = [...wanted];
  const worker = async (): Promise<void> => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) {
      answers.set(host, await askHost(host, model, await run(host, script)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const remote = eachOnce(
    wanted.flatMap((host) => {
      const answer = answers.get(host);
      return answer === undefined || typeof answer === 'string' ? [] : [answer];
    }),
  );
  const seen = new Set<string>(remote.flatMap(({ realServers }) => realServers));
  return {
    remote,
    notLookedAt: wanted.flatMap((host) => {
      const answer = answers.get(host);
      // A host of two families is seen if it was reached by one of them.
      return typeof answer !== 'string' || seen.has(host) ? [] : [{ what: `${host} over SSH`, why: answer }];
    }),
  };
}

/** Returns the host, or why it was not seen. */
async function askHost(host: string, model: Model, { output, why }: SshOutput): Promise<RemoteHost | string> {
  try {
    const snapshot = readLook(output);
    if (snapshot === undefined) {
      return output.trim() === '' ? why : `${why}; it printed something else than the answer, or only a part of it`;
    }
    if (snapshot.look.links.length === 0) {
      return 'it has no command "ip", or prints what is no list of addresses';
    }
    const realServers = realServersOn(host, model, snapshot);
    const portsOf = vipsFor(new Set(realServers), model);
    const findings = portsOf.size === 0 ? [] : await checkSnapshot(snapshot, portsOf);
    return { host, realServers, look: snapshot.look, findings };
  } catch (error) {
    // A record that is damaged, or a host that plays tricks.
    return error instanceof Error ? error.message : String(error);
  }
}

/** The real servers that a host is: the one by whose address it was reached, and those whose addresses it has. */
function realServersOn(host: string, model: Model, { look }: Snapshot): IpAddress[] {
  const own = new Set<string>(look.addresses.map(({ address }) => address));
  const asked = parseIp(host.slice(host.lastIndexOf('@') + 1).replace(/^\[(.*)\]$/, '$1'));
  return addressesOfRealServers(model).filter((each) => each === asked || own.has(each));
}

/** The VIPs that real servers take packets for, with the ports of their services. */
function vipsFor(realServers: ReadonlySet<IpAddress>, model: Model): Map<IpAddress, VipPorts> {
  const found = new Map<IpAddress, { listen: number[]; listenUdp: number[]; pass: number[] | undefined }>();
  const add = ({ vip, port, protocol }: ReturnType<typeof portsOf>[number]): void => {
    const ports = found.get(vip) ?? { listen: [], listenUdp: [], pass: [] };
    found.set(vip, ports);
    if (port === 0) {
      ports.pass = undefined;
      return;
    }
    ports.pass?.push(port);
    const listen = { tcp: ports.listen, udp: ports.listenUdp }[protocol];
    if (!listen.includes(port)) {
      listen.push(port);
    }
  };
  for (const service of allServices(model)) {
    if (service.destinations.some(({ address }) => !isSelf(address) && realServers.has(address))) {
      portsOf(service, model).forEach(add);
    }
  }
  return found;
}

/** A host that was reached by several addresses is one. */
function eachOnce(hosts: readonly RemoteHost[]): RemoteHost[] {
  const keyOf = ({ host, look }: RemoteHost): string => {
    const macs = look.links.flatMap(({ mac }) => (mac === undefined || /^(00:){5}00$/.test(mac) ? [] : [mac]));
    return macs.length === 0 ? host : macs.toSorted().join();
  };
  const known = new Set<string>();
  return hosts.filter((each) => {
    const key = keyOf(each);
    const isNew = !known.has(key);
    known.add(key);
    return isNew;
  });
}
