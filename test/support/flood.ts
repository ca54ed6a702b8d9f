/** Floods of forged clients, from the lab's client to services of a director. */

import { hostNamed, NIC } from '../../src/lab/index.js';
import { execute, type TestLab } from './lab.js';

/** The packets that each forged client sends, by TCP's flags; "U" is a datagram. */
export type Pattern = readonly ('S' | 'A' | 'U')[];

export interface Flood {
  readonly vip: string;
  /** The clients go to one port after another. */
  readonly ports: readonly number[];
  readonly pattern: Pattern;
  readonly clients: number;
  readonly seconds: number;
}

/**
 * Sends frames through a packet socket, evenly over the time, and on a busy machine for at most ten seconds more. Prints the number
 * of clients that sent.
 */
const SEND = `
import ipaddress, socket, struct, sys, time
device, source_mac, director_mac, vip, ports, pattern, clients, seconds = sys.argv[1:]
ports, clients, seconds = [int(port) for port in ports.split(",")], int(clients), float(seconds)
vip = ipaddress.ip_address(vip)
mac = lambda text: bytes.fromhex(text.replace(":", ""))
flags = {"S": 0x02, "A": 0x10}

s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((device, 0))
# SOL_PACKET, PACKET_QDISC_BYPASS
s.setsockopt(263, 20, 1)

def ipv4(protocol, length, number):
    header = struct.pack("!BBHHHBBHI4s", 0x45, 0, 20 + length, 0, 0x4000, 64, protocol, 0, 0x0b000000 + number, vip.packed)
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    return header[:10] + struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + header[12:]

def ipv6(protocol, length, number):
    return struct.pack("!IHBBIIII16s", 0x60000000, length, protocol, 64, 0x20010db8, 0, 0, number, vip.packed)

ethernet = mac(director_mac) + mac(source_mac) + struct.pack("!H", 0x0800 if vip.version == 4 else 0x86dd)
network = ipv4 if vip.version == 4 else ipv6

def send(number):
    source, destination = 1024 + number * 7 % 50000, ports[number % len(ports)]
    for kind in pattern:
        if kind == "U":
            rest = network(17, 12, number) + struct.pack("!HHHHI", source, destination, 12, 0, number)
        else:
            rest = network(6, 20, number) + struct.pack(
                "!HHIIBBHHH", source, destination, number, 1, 0x50, flags[kind], 1024, 0, 0)
        try:
            s.send(ethernet + rest)
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != 105:
                raise

begun, sent, steps = time.monotonic(), 0, 50
for step in range(1, steps + 1):
    while sent < clients * step // steps and time.monotonic() < begun + seconds + 10:
        send(sent)
        sent += 1
    time.sleep(max(0, begun + seconds * step / steps - time.monotonic()))
print(sent)
`;

/** Sends a flood and resolves, when it is over, to the number of forged clients. */
export async function flood(lab: TestLab, { vip, ports, pattern, clients, seconds }: Flood): Promise<number> {
  const macs = [hostNamed('client').mac, hostNamed('director').mac];
  const numbers = [String(clients), String(seconds)];
  const args = [NIC, ...macs, vip, ports.join(','), pattern.join(''), ...numbers];
  const { status, stdout, stderr } = await execute(lab, 'client', ['python3', '-c', SEND, ...args]);
  if (status !== 0) {
    throw new Error(`the flood failed: ${stderr}`);
  }
  return Number(stdout);
}
