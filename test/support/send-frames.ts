/** Sends a frame by an interface again and again. Arguments: interface, frame in hex, how often, milliseconds between. */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { PacketSocket } from '../../src/native/index.js';

const [name = '', hex = '', count = '1', pauseMs = '0'] = process.argv.slice(2);

using socket = new PacketSocket();
const ifindex = Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
for (let i = 0; i < Number(count); i += 1) {
  socket.send(ifindex, Buffer.from(hex, 'hex'));
  await sleep(Number(pauseMs));
}
